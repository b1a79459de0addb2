// A business number at Meta: its settings, its SIP servers by app, what Meta has forbidden it.
import { randomBytes } from 'node:crypto';
import { done, good, refuse, type Answer } from './answers.js';
import type { Clock } from './clock.js';
import { fields, isFields, items, type Fields } from './reading.js';
import { complaint } from './settingsRules.js';

/** A number as it is before anybody has set anything. */
export interface NumberOptions {
  /** With '+'. */
  readonly number: string;
  /** Phone number id. */
  readonly id: string;
  /** WhatsApp business account. */
  readonly waba?: string | undefined;
  /** Messaging limit; calling needs 2000. Default TIER_2K. */
  readonly tier?: string | undefined;
  readonly environment?: 'production' | 'sandbox' | undefined;
  /** Its settings before the first request, in Meta's form; none: it never had calling. Servers are given by `servers`. */
  readonly calling?: Fields | undefined;
  /** App → SIP server that it has registered before. */
  readonly servers?: Readonly<Record<string, { readonly hostname: string; readonly port: number; readonly password?: string }>> | undefined;
}

export interface Restriction { readonly type: string; readonly reason: string; readonly expiration: number }

export interface RegisteredServer { readonly hostname: string; readonly port: number; readonly params: Fields; readonly password: string }

/** Fields whose change Meta tells by account_settings_update; hours, servers, codecs and voicemail are none of them. */
const TOLD = ['status', 'call_icon_visibility', 'callback_permission_status', 'srtp_key_exchange_protocol'] as const;

/** How the stand-in strays from what Meta's page says. */
export interface SettingsQuirks {
  /** A change of servers sets srtp_key_exchange_protocol back to DTLS, whatever the same request says (META-SIP §2.3). */
  readonly resetsSrtp: boolean;
  /** webhook_delivery is told by GET; whether it is, is not known. */
  readonly tellsDelivery: boolean;
}

export class StandInNumber {
  readonly number: string;
  readonly id: string;
  readonly waba: string;
  readonly environment: 'production' | 'sandbox';
  tier: string;
  restrictions: Restriction[] = [];
  readonly servers = new Map<string, RegisteredServer>();
  #calling: Record<string, unknown>;
  readonly #clock: Clock;

  constructor(options: NumberOptions, clock: Clock) {
    this.number = options.number;
    this.id = options.id;
    this.waba = options.waba ?? '100000000000002';
    this.environment = options.environment ?? 'production';
    this.tier = options.tier ?? 'TIER_2K';
    this.#calling = { ...options.calling };
    this.#clock = clock;
    for (const [app, { hostname, port, password }] of Object.entries(options.servers ?? {})) this.servers.set(app, { hostname, port, params: {}, password: password ?? newPassword() });
  }

  get digits(): string {
    return this.number.replace(/^\+/, '');
  }

  /** ENABLED, DISABLED, or a word of the settings; undefined where it was never set. */
  setting(name: string): unknown {
    return this.#calling[name];
  }

  get isEnabled(): boolean {
    return this.#calling['status'] === 'ENABLED';
  }

  get hasSip(): boolean {
    return fields(this.#calling['sip'])['status'] === 'ENABLED';
  }

  get wantsWebhooks(): boolean {
    return fields(this.#calling['sip'])['webhook_delivery'] === 'ENABLED';
  }

  get keying(): 'sdes' | 'dtls' {
    return this.#calling['srtp_key_exchange_protocol'] === 'SDES' ? 'sdes' : 'dtls';
  }

  get hasG711(): boolean {
    return items(fields(this.#calling['audio'])['additional_codecs']).length > 0;
  }

  /** Whether Meta forbids it something now. */
  isRestricted(word: 'BUSINESS_INITIATED' | 'USER_INITIATED'): boolean {
    return this.restrictions.some(({ type, expiration }) => type.includes(word) && expiration * 1000 > this.#clock.now());
  }

  /** Changes a setting as somebody does in WhatsApp Manager. */
  set(name: string, value: unknown): void {
    this.#calling[name] = value;
  }

  /** POST settings by `app`. Gives the answer, and what account_settings_update tells; null: nothing that is told has changed. */
  change(calling: unknown, app: string, hasCallsWebhook: boolean, quirks: SettingsQuirks): { readonly answer: Answer; readonly told: Fields | null } {
    const refused = (answer: Answer): { answer: Answer; told: null } => ({ answer, told: null });
    if (!isFields(calling)) return refused(refuse(100, 'calling is required'));
    const wrong = complaint(calling, new Date(this.#clock.now()).toISOString().slice(0, 10));
    if (wrong !== null) return refused(refuse(100, wrong));
    const next = this.#merged(calling, quirks);
    const after = this.#serversAfter(fields(calling['sip'])['servers'], app);
    const sipOn = fields(next['sip'])['status'] === 'ENABLED';
    if (sipOn && after.size === 0) return refused(refuse(100, 'sip cannot be ENABLED without a server'));
    if (calling['status'] === 'ENABLED' && !enough(this.tier)) return refused(refuse(138015, `The messaging limit is ${this.tier}: 2000 is needed`));
    if (calling['status'] === 'ENABLED' && !sipOn && !hasCallsWebhook) return refused(refuse(138018, 'Enable SIP, or subscribe an app to calls'));
    const before = this.#told();
    this.#calling = next;
    this.servers.clear();
    for (const [one, server] of after) this.servers.set(one, server);
    const told = this.#told();
    return { answer: done, told: JSON.stringify(before) === JSON.stringify(told) ? null : this.#shown(null) };
  }

  #merged(calling: Fields, { resetsSrtp }: SettingsQuirks): Record<string, unknown> {
    // Only what is sent changes; call_hours is replaced whole, and so holidays that are left out are gone.
    const { servers, ...sip } = fields(calling['sip']);
    const next: Record<string, unknown> = { ...this.#calling, ...calling, ...('sip' in calling ? { sip: { ...fields(this.#calling['sip']), ...sip } } : {}) };
    if (resetsSrtp && servers !== undefined) next['srtp_key_exchange_protocol'] = 'DTLS';
    return next;
  }

  #serversAfter(servers: unknown, app: string): Map<string, RegisteredServer> {
    const after = new Map(this.servers);
    if (!Array.isArray(servers)) return after;
    const [server] = servers.map(fields);
    if (server === undefined) after.delete(app);
    // A server that is there keeps its password; one that is added, or added again, gets a new one.
    else after.set(app, { hostname: String(server['hostname']), port: Number(server['port'] ?? 5061), params: fields(server['request_uri_user_params']), password: after.get(app)?.password ?? newPassword() });
    return after;
  }

  #told(): unknown[] {
    return [...TOLD.map((key) => this.#calling[key]), fields(this.#calling['sip'])['status']];
  }

  /** GET settings. */
  show(withPasswords: boolean, quirks: SettingsQuirks): Answer {
    const never = Object.keys(this.#calling).length === 0 && this.servers.size === 0;
    const calling = this.#shown({ withPasswords, ...quirks });
    return good({ ...(never ? {} : { calling }), storage_configuration: { status: 'DEFAULT' } });
  }

  /** The settings in Meta's layout; with `show: null` as in a webhook, without app ids. */
  #shown(show: { readonly withPasswords: boolean; readonly tellsDelivery: boolean } | null): Fields {
    const { sip, ...rest } = this.#calling;
    const { webhook_delivery: delivery, ...told } = fields(sip);
    const servers = [...this.servers].map(([app, { hostname, port, params, password }]) => ({
      // A number in Meta's samples.
      ...(show === null ? {} : { app_id: Number(app) }), hostname, port, ...(Object.keys(params).length === 0 ? {} : { request_uri_user_params: params }),
      ...(show?.withPasswords === true ? { sip_user_password: password } : {}),
    }));
    const live = this.restrictions.filter(({ expiration }) => expiration * 1000 > this.#clock.now());
    return {
      status: 'DISABLED', call_icon_visibility: 'DEFAULT', ...rest,
      sip: { status: 'DISABLED', ...told, ...(show?.tellsDelivery === true && delivery !== undefined ? { webhook_delivery: delivery } : {}), servers },
      ...(live.length === 0 || show === null ? {} : { restrictions: { restrictions_list: live } }),
    };
  }
}

function newPassword(): string {
  return randomBytes(24).toString('base64url');
}

/** Calling needs a limit of 2000 conversations. */
function enough(tier: string): boolean {
  const [, count = '0', thousands = ''] = /^TIER_(\d+)(K?)$/.exec(tier) ?? [];
  return tier === 'TIER_UNLIMITED' || Number(count) * (thousands === '' ? 1 : 1000) >= 2000;
}

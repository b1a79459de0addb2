// The Graph API's pages: method, path, and what is answered.
import { createHash, randomInt } from 'node:crypto';
import { done, good, refuse, type Answer } from './answers.js';
import type { StandInNumber } from './number.js';
import { fields, items } from './reading.js';
import { createTemplate, type Replies } from './replies.js';
import { userNamed } from './users.js';
import { verifyCallback } from './webhooks.js';
import type { World } from './world.js';

export interface PageRequest {
  readonly method: string;
  /** Below the version: ["100000000000001", "settings"]. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly body: Buffer;
  /** App of the token. */
  readonly app: string;
  /** Where the stand-in is, for URLs of media. */
  readonly origin: string;
}

/** Answers of GET call_permissions in a second, before error 613. */
const PERMISSIONS_PER_SECOND = 100;

export class Pages {
  readonly #world: World;
  readonly #replies: Replies;
  #asked: number[] = [];

  constructor(world: World, replies: Replies) {
    this.#world = world;
    this.#replies = replies;
  }

  async answer(request: PageRequest): Promise<Answer> {
    const { path: [id = '', page = ''], method } = request;
    const number = this.#world.byId(id);
    if (number !== undefined) return this.#numberPage(number, request);
    if (this.#world.numbers.some(({ waba }) => waba === id)) return this.#accountPage(id, request);
    if (id === request.app && page === 'subscriptions' && method === 'POST') return this.#subscribeApp(request);
    const media = this.#world.media.get(id);
    if (media !== undefined && page === '' && method === 'GET') {
      const sha256 = createHash('sha256').update(media.bytes).digest('hex');
      return good({ messaging_product: 'whatsapp', url: `${request.origin}/media/${id}`, mime_type: media.mimeType, sha256, file_size: media.bytes.length, id });
    }
    return refuse(100, `Unsupported ${method.toLowerCase()} request. Object with ID '${id}' does not exist, cannot be loaded due to missing permissions`, { error_subcode: 33 });
  }

  #numberPage(number: StandInNumber, request: PageRequest): Answer {
    const { method, path: [, page = ''], query, app } = request;
    switch (`${method} ${page}`) {
      case 'GET settings': return number.show(query.get('include_sip_credentials') === 'true', this.#world.behaviour);
      case 'POST settings': return this.#changeSettings(number, request);
      case 'GET call_permissions': return this.#permissions(number, query);
      case 'POST messages': return this.#replies.message(number, fields(json(request.body)));
      case 'POST calls': return number.hasSip ? refuse(131055, 'The number calls by SIP') : number.isEnabled ? refuse(100, 'the stand-in plays SIP numbers alone') : refuse(138000);
      case 'POST media': return this.#upload(request);
      case 'GET ': return this.#fields(number, query, app);
      default: return refuse(100, `Unknown path components: /${page}`);
    }
  }

  #changeSettings(number: StandInNumber, { body, app }: PageRequest): Answer {
    const { answer, told } = number.change(fields(json(body))['calling'], app, this.#world.hasCallsWebhook(number), this.#world.behaviour);
    if (told !== null) this.tellSettings(number, told);
    return answer;
  }

  /** account_settings_update, as for a change by anybody. */
  tellSettings(number: StandInNumber, calling: unknown): void {
    if ((this.#world.subscriptions.get(number.waba)?.size ?? 0) === 0) return;
    this.#world.webhooks.change(number.waba, 'account_settings_update', {
      messaging_product: 'whatsapp', timestamp: String(this.#world.clock.seconds()), type: 'phone_number_settings', phone_number_settings: { phone_number_id: number.id, calling },
    });
  }

  #permissions(number: StandInNumber, query: URLSearchParams): Answer {
    const now = performance.now();
    this.#asked = this.#asked.filter((at) => at > now - 1000);
    if (this.#asked.length >= PERMISSIONS_PER_SECOND) return refuse(613);
    this.#asked.push(now);
    const name = query.get('user_wa_id') ?? query.get('recipient');
    const user = name === null ? undefined : userNamed(name);
    if (user === undefined) return refuse(100, 'user_wa_id or recipient is required');
    return good(this.#world.ledger.show(number, user));
  }

  #fields(number: StandInNumber, query: URLSearchParams, app: string): Answer {
    const found: Record<string, unknown> = {};
    for (const field of (query.get('fields') ?? 'display_phone_number').split(',')) {
      switch (field) {
        case 'health_status': found[field] = this.#health(number, app); break;
        case 'whatsapp_business_manager_messaging_limit': case 'messaging_limit_tier': found[field] = number.tier; break;
        case 'display_phone_number': found[field] = number.number; break;
        default: return refuse(100, `Tried accessing nonexisting field (${field})`);
      }
    }
    return good({ ...found, id: number.id });
  }

  #health(number: StandInNumber, app: string): unknown {
    const error = (code: number, text: string): object => ({ can_receive_call_sip: 'BLOCKED', errors: [{ error_code: code, error_description: text, possible_solution: 'Configure a SIP server and enable SIP' }] });
    const fine = { can_receive_call_sip: 'AVAILABLE' };
    const hasServer = number.hasSip && number.servers.size > 0;
    const entities = [
      { entity_type: 'PHONE_NUMBER', id: number.id, can_send_message: 'AVAILABLE', ...(hasServer ? fine : error(138024, 'The phone number cannot use SIP')) },
      { entity_type: 'WABA', id: number.waba, can_send_message: 'AVAILABLE' }, { entity_type: 'BUSINESS', id: '100000000000003', can_send_message: 'AVAILABLE' },
      { entity_type: 'APP', id: app, can_send_message: 'AVAILABLE', ...(number.servers.has(app) ? fine : error(138025, 'The app has no SIP server for this phone number')) },
    ];
    return { can_send_message: hasServer ? 'AVAILABLE' : 'BLOCKED', entities };
  }

  /** A voicemail announcement, or any file: the first part with a filename. */
  #upload({ body }: PageRequest): Answer {
    const text = body.toString('latin1');
    if (!/name="messaging_product"\r\n\r\nwhatsapp\r\n/.test(text) || !/filename=/.test(text)) return refuse(100, 'file and messaging_product are required');
    // RFC 7578 §4.1: the boundary stands in the first line.
    const file = text.split(`\r\n${text.slice(0, text.indexOf('\r\n'))}`).find((part) => part.includes('filename=')) ?? '';
    const [, mimeType = 'audio/ogg'] = /\r\nContent-Type: (audio\/[^\r\n]+)/i.exec(file) ?? [];
    const id = String(randomInt(1e14, 2e14));
    this.#world.media.set(id, { bytes: Buffer.from(file.slice(file.indexOf('\r\n\r\n') + 4), 'latin1'), mimeType });
    return good({ id });
  }

  #accountPage(waba: string, { method, path: [, page = ''], body, app }: PageRequest): Answer {
    const apps = this.#world.subscriptions.get(waba) ?? new Set<string>();
    switch (`${method} ${page}`) {
      case 'GET subscribed_apps': return good({ data: [...apps].map((id) => ({ whatsapp_business_api_data: { id, name: `App ${id}`, link: `https://www.facebook.com/games/?app_id=${id}` } })) });
      case 'POST subscribed_apps': this.#world.subscriptions.set(waba, apps.add(app)); return done;
      case 'DELETE subscribed_apps': apps.delete(app); return done;
      case 'POST message_templates': return createTemplate(this.#world, fields(json(body)));
      default: return refuse(100, `Unknown path components: /${page}`);
    }
  }

  /** POST /{APP_ID}/subscriptions: the callback has to say a challenge back. */
  async #subscribeApp({ query, body }: PageRequest): Promise<Answer> {
    const sent = fields(json(body));
    const value = (name: string): string => { const given = sent[name] ?? query.get(name); return typeof given === 'string' ? given : items(given).join(','); };
    const [url, token] = [value('callback_url'), value('verify_token')];
    if (value('object') !== 'whatsapp_business_account' || !URL.canParse(url)) return refuse(100, 'object and callback_url are required');
    if (!await verifyCallback(url, token)) return refuse(2200, 'The URL could not be validated: the challenge was not said back');
    this.#world.webhooks.target = { url, secret: this.#world.webhooks.target?.secret ?? '' };
    return done;
  }
}

function json(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return null;
  }
}

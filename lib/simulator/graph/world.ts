// Everything that the stand-in remembers, for its pages and for the SIP side.
import { randomBytes } from 'node:crypto';
import { HONEST, type GraphBehaviour } from './behaviour.js';
import { Clock } from './clock.js';
import { StandInNumber, type NumberOptions, type RegisteredServer } from './number.js';
import { PermissionLedger } from './permissionLedger.js';
import type { Fields } from './reading.js';
import { Webhooks, type WebhookTarget } from './webhooks.js';

export interface WorldOptions {
  readonly numbers: readonly NumberOptions[];
  /** Token → id of the app that it is of. */
  readonly tokens: Readonly<Record<string, string>>;
  readonly webhooks?: WebhookTarget | undefined;
  /** The tokens' apps are subscribed to the accounts already. Default true. */
  readonly subscribed?: boolean | undefined;
  /** Templates that are approved, as "name language". */
  readonly templates?: readonly string[] | undefined;
}

export class World {
  readonly clock = new Clock();
  readonly ledger = new PermissionLedger(this.clock);
  readonly numbers: readonly StandInNumber[];
  readonly tokens: Readonly<Record<string, string>>;
  readonly webhooks: Webhooks;
  behaviour: GraphBehaviour = HONEST;
  /** Account → apps that get its webhooks. */
  readonly subscriptions = new Map<string, Set<string>>();
  /** "name language" of approved templates. */
  readonly templates: Set<string>;
  /** Users by wa_id: not on WhatsApp or with an old client; without a message in the last 24 hours. */
  readonly uncallable = new Set<string>();
  readonly outsideWindow = new Set<string>();
  /** Id → file. */
  readonly media = new Map<string, { readonly bytes: Buffer; readonly mimeType: string }>();

  constructor({ numbers, tokens, webhooks, subscribed = true, templates = [] }: WorldOptions) {
    this.numbers = numbers.map((options) => new StandInNumber(options, this.clock));
    this.tokens = tokens;
    this.templates = new Set(templates);
    this.webhooks = new Webhooks(webhooks, () => this.behaviour);
    if (subscribed) for (const { waba } of this.numbers) this.subscriptions.set(waba, new Set(Object.values(tokens)));
  }

  byId(id: string): StandInNumber | undefined {
    return this.numbers.find((number) => number.id === id);
  }

  /** By "+44…", with or without the plus. */
  byNumber(number: string): StandInNumber | undefined {
    return this.numbers.find(({ digits }) => digits === number.replace(/^\+/, ''));
  }

  /** The server that Meta's SIP side calls: there is to be one only. */
  server(number: StandInNumber): RegisteredServer | undefined {
    return [...number.servers.values()][0];
  }

  hasCallsWebhook({ waba }: StandInNumber): boolean {
    return this.webhooks.target !== undefined && (this.subscriptions.get(waba)?.size ?? 0) > 0;
  }

  /** Sends a webhook about a number, where an app is subscribed to its account. */
  tell({ waba, id, digits }: StandInNumber, field: string, value: Fields): void {
    if ((this.subscriptions.get(waba)?.size ?? 0) === 0) return;
    this.webhooks.change(waba, field, { messaging_product: 'whatsapp', metadata: { display_phone_number: digits, phone_number_id: id }, ...value });
  }

  newId(kind: 'wamid' | 'wacid'): string {
    return `${kind}.${randomBytes(18).toString('base64')}`;
  }
}

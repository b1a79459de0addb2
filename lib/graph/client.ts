import type { Config } from '../config/types.js';
import { RateWindows } from '../state/rates.js';
import { GraphError, silent } from './error.js';
import { readHealth, readMessagingLimit, readSubscribedApps, type HealthEntity, type MessagingLimit } from './health.js';
import type { Json } from './json.js';
import { fits, mayHaveToken, readId, readMedia, type MediaFile } from './media.js';
import { questionBody, readPermissions, readSent, userOf, type CallPermissions, type PermissionQuestion, type SentMessage } from './permissions.js';
import { readPassword, readSettings, type RemoteSettings } from './settings.js';
import { readBody, Transport, type Ask, type TransportOptions } from './transport.js';

export interface GraphOptions extends TransportOptions {
  /** Milliseconds that a question before a call may take, repeats and all. */
  readonly timeout: number;
}

/** Milliseconds for one attempt of what no call waits for. */
const unhurriedMs = 10_000;
/** call_permissions that Meta answers in a second; the next gets error 613. */
const maxPermissionsPerSecond = 100;
/** Bytes of a file of media: Meta's most for audio is 16 MB. */
const maxMediaBytes = 20_000_000;

/**
 * Meta's Graph API for calling. `number` is a phone number id ("100000000000001"), `user` a number with + or a BSUID. Every method rejects with a GraphError,
 * which says by its `fault` whether Meta has said no or nothing, by its `metaCode` what, and by its `todo` what to do.
 */
export class GraphClient {
  readonly #transport: Transport;
  readonly #options: GraphOptions;
  readonly #rates: RateWindows;

  constructor(options: GraphOptions) {
    this.#options = options;
    this.#transport = new Transport(options);
    this.#rates = new RateWindows(1000, options.now ?? (() => performance.now()));
  }

  /** Calling settings of a number, without its passwords. */
  async settings(number: string): Promise<RemoteSettings> {
    return this.#read({ path: `${number}/settings`, what: `settings of ${number}` }, readSettings);
  }

  /** The SIP password of an app's server, or of the only server there is; null: there is none. */
  async sipPassword(number: string, appId: string | null): Promise<string | null> {
    const body = await this.#get({ path: `${number}/settings`, query: { include_sip_credentials: 'true' }, what: `SIP password of ${number}` });
    return readPassword(body, appId);
  }

  /** Changes what `calling` names and nothing else, but for `call_hours`, which are replaced whole. Setting a value twice is setting it once, so it is repeated. */
  async changeSettings(number: string, calling: Json): Promise<void> {
    await this.#unhurried({ method: 'POST', path: `${number}/settings`, body: { calling }, what: `change of settings of ${number}`, repeatable: true });
  }

  /** What Meta says of calling this user; bounded by `timeout`. A user who cannot be called is `no_permission`, no error. */
  async callPermissions(number: string, user: string): Promise<CallPermissions> {
    const what = `call permission of a user of ${number}`;
    if (!this.#rates.free(number, maxPermissionsPerSecond)) {
      throw new GraphError(what, { ...silent('nonsense', `asked more than ${maxPermissionsPerSecond} times in a second`), fault: 'rate', todo: 'try again in a second', retryAfter: 1000 });
    }
    this.#rates.take(number);
    const who = userOf(user);
    const query: Readonly<Record<string, string>> = 'digits' in who ? { user_wa_id: who.digits } : { recipient: who.bsuid };
    const { timeout } = this.#options;
    const body = await this.#transport.ask({
      method: 'GET', path: `${number}/call_permissions`, query, what, repeatable: true, hurried: true, attemptMs: timeout, wholeMs: timeout, secrets: Object.values(query),
    });
    return readPermissions(body) ?? unreadable(what);
  }

  /** Sends the message that asks the user. Never twice: a user may be asked once in 24 hours, and each message costs. After `late` it may have been sent. Bounded by `timeout`. */
  async requestPermission(number: string, user: string, question: PermissionQuestion): Promise<SentMessage> {
    const what = `request for a call permission by ${number}`;
    const { timeout } = this.#options;
    const body = await this.#transport.ask({
      method: 'POST', path: `${number}/messages`, body: questionBody(user, question), what, repeatable: false, attemptMs: timeout, wholeMs: timeout, secrets: Object.values(userOf(user)),
    });
    return readSent(body) ?? unreadable(what);
  }

  /** Health of everything that calls of a number need. */
  async health(number: string): Promise<readonly HealthEntity[]> {
    return this.#read({ path: number, query: { fields: 'health_status' }, what: `health of ${number}` }, readHealth);
  }

  /** How many conversations the number may begin; null: Meta does not say. Calling needs 2000. */
  async messagingLimit(number: string): Promise<MessagingLimit | null> {
    const fields = 'whatsapp_business_manager_messaging_limit';
    try {
      return readMessagingLimit(await this.#get({ path: number, query: { fields }, what: `messaging limit of ${number}` }));
    } catch (error) {
      // Versions that do not know the new name say so with error 100.
      if (!(error instanceof GraphError) || error.metaCode !== 100) throw error;
      return readMessagingLimit(await this.#get({ path: number, query: { fields: 'messaging_limit_tier' }, what: `messaging limit of ${number}` }));
    }
  }

  /** Ids of the apps that get the webhooks of a WhatsApp account. */
  async subscribedApps(waba: string): Promise<readonly string[]> {
    return this.#read({ path: `${waba}/subscribed_apps`, what: `subscriptions of ${waba}` }, readSubscribedApps);
  }

  /** Subscribes the token's app to a WhatsApp account. */
  async subscribe(waba: string): Promise<void> {
    await this.#unhurried({ method: 'POST', path: `${waba}/subscribed_apps`, what: `subscription to ${waba}`, repeatable: true });
  }

  /** Uploads an announcement for Meta's voicemail (Ogg Opus) and gives its id. Not repeated: each upload is another one. */
  async uploadAnnouncement(number: string, file: Buffer, description: string): Promise<string> {
    const what = `upload of an announcement for ${number}`;
    const form = new FormData();
    for (const [name, value] of [['messaging_product', 'whatsapp'], ['use_case', 'call_voicemail_announcement'], ['description', description]] as const) form.set(name, value);
    form.set('file', new Blob([new Uint8Array(file)], { type: 'audio/ogg' }), 'announcement.ogg');
    return readId(await this.#unhurried({ method: 'POST', path: `${number}/media`, body: form, what, repeatable: false })) ?? unreadable(what);
  }

  /** A file that a webhook names, such as a voicemail, its digest verified. */
  async media(id: string): Promise<MediaFile> {
    const what = `media ${id}`;
    const place = await this.#read({ path: encodeURIComponent(id), what }, readMedia);
    if (!mayHaveToken(place.url, this.#options.url)) throw new GraphError(what, silent('nonsense', 'it is said to be at an address that is none of Meta\'s'));
    const bytes = await this.#download(place.url, what);
    if (!fits(bytes, place.sha256)) throw new GraphError(what, silent('nonsense', 'what came has another digest than Meta says'));
    return { bytes, mimeType: place.mimeType };
  }

  async #download(url: string, what: string): Promise<Buffer> {
    try {
      const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(3 * unhurriedMs), headers: { authorization: `Bearer ${this.#options.token}` } });
      const bytes = response.ok ? await readBody(response, maxMediaBytes) : null;
      if (bytes !== null) return bytes;
      await response.body?.cancel();
      throw new GraphError(what, silent('nonsense', response.ok ? `it is longer than ${maxMediaBytes} bytes` : 'it is not handed out', response.status));
    } catch (error) {
      if (error instanceof GraphError) throw error;
      throw new GraphError(what, silent('late', 'it did not come whole'));
    }
  }

  async #read<T>(ask: Pick<Ask, 'path' | 'query' | 'what'>, read: (body: unknown) => T | null): Promise<T> {
    return read(await this.#get(ask)) ?? unreadable(ask.what);
  }

  #get(ask: Pick<Ask, 'path' | 'query' | 'what'>): Promise<unknown> {
    return this.#unhurried({ method: 'GET', repeatable: true, ...ask });
  }

  #unhurried(ask: Omit<Ask, 'attemptMs' | 'wholeMs'>): Promise<unknown> {
    return this.#transport.ask({ ...ask, attemptMs: unhurriedMs, wholeMs: 3 * unhurriedMs });
  }
}

/** The client of `graph` in a configuration. */
export function graphClient({ url, version, token, timeout }: NonNullable<Config['graph']>): GraphClient {
  return new GraphClient({ url, version, token, timeout: timeout * 1000 });
}

function unreadable(what: string): never {
  throw new GraphError(what, silent('nonsense', 'the answer is none that is known'));
}

/** drachtio-srf's messages, of which it makes a dozen for each call: without a search through all headers each time, or a copy of those that have just been read. */
import { copyHeaders, headerKey, isRead, readMessage, type SrfMessage } from './srfReader.js';

/** What is looked up in at every turn. */
export interface SrfHeaders {
  get(name: string): string | undefined;
  has(name: string): boolean;
}

/** A message of drachtio-srf's own, as far as it stays in use. */
interface Own { headers: Record<string, string>; method?: string; uri?: string; status?: number; reason?: string; version?: string; body?: string; payload?: SrfMessage['payload']; raw?: string }

/** A module that has been loaded. */
interface Loader { (id: string): unknown; resolve(id: string): string; readonly cache: Partial<Record<string, { exports: unknown }>> }

/**
 * Puts our message in the place of drachtio-srf's; to be called before drachtio-srf is loaded. `spelled`: the name under which a header that it is given is kept.
 */
export function replaceMessage(load: Loader, spelled: (name: string) => string): void {
  const path = 'drachtio-srf/lib/sip-parser/message';
  const Base = load(path) as new () => Own;

  class Message extends Base implements SrfHeaders {
    /** Of a text, of what a reader has just made of one, whose headers it takes for its own, or of anything with the same members, whose headers are copied. */
    constructor(from?: string | SrfMessage | Own) {
      super();
      if (from === undefined) return;
      const said = typeof from === 'string' ? readMessage(from) : from;
      if (typeof from === 'string') this.raw = from;
      this.headers = typeof from === 'string' || (isRead(said) && !(said instanceof Base)) ? said.headers : copyHeaders(said.headers ?? {});
      if (said.body !== undefined) this.body = said.body;
      if (said.method !== undefined) this.method = said.method;
      if (said.version !== undefined) this.version = said.version;
      if (said.status !== undefined) this.status = said.status;
      if (said.reason !== undefined) this.reason = said.reason;
      if (said.uri !== undefined) this.uri = said.uri;
      if (said.payload !== undefined) this.payload = said.payload;
    }

    getHeaderName(name: string): string | undefined {
      return headerKey(this.headers, name);
    }

    get(name: string): string | undefined {
      const key = headerKey(this.headers, name);
      return key === undefined ? undefined : this.headers[key];
    }

    has(name: string): boolean {
      return headerKey(this.headers, name) !== undefined;
    }

    /** Adds a value, behind those that there are. */
    set(name: string | Readonly<Record<string, string>>, value?: string): this {
      if (typeof name !== 'string') for (const [each, its] of Object.entries(name)) this.#add(each, its);
      else this.#add(name, String(value));
      return this;
    }

    #add(name: string, value: string): void {
      const key = spelled(name);
      const before = this.headers[key];
      this.headers[key] = before === undefined ? value : `${before},${value}`;
    }

    /** drachtio-srf makes JSON of each for a debug log that nobody has switched on. */
    toJSON(): string {
      return 'a SIP message';
    }
  }

  const module = load.cache[load.resolve(path)];
  if (module === undefined) throw new Error(`${path} is not where drachtio-srf loads it from`);
  module.exports = Message;
}

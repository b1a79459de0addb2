// The message model: start line, headers in their order with their raw values, body. Nothing is normalised but white space around values.
import { keyOf, longName } from './headers.js';
import { indexOfListEnd, splitList, trimBlanks } from './text.js';

/** One header line: `name` as written, `key` canonical (long, lower case), `value` raw, unfolded and trimmed. */
export interface Header { readonly name: string; readonly key: string; value: string }

/** A SIP request or response. Text is a binary string (one character per byte) throughout. */
export class SipMessage {
  method = '';            // '' for a response
  uri = '';
  status = 0;             // 0 for a request
  reason = '';
  headers: Header[] = [];
  body = '';

  static request(method: string, uri: string): SipMessage {
    const m = new SipMessage();
    m.method = method;
    m.uri = uri;
    return m;
  }

  static response(status: number, reason: string): SipMessage {
    const m = new SipMessage();
    m.status = status;
    m.reason = reason;
    return m;
  }

  get isRequest(): boolean {
    return this.status === 0;
  }

  /** First value of a header, by any of its names; undefined when absent. */
  get(name: string): string | undefined {
    const key = keyOf(name);
    for (const h of this.headers) if (h.key === key) return h.value;
    return undefined;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** Raw value of every line of a header, in order. */
  lines(name: string): string[] {
    const key = keyOf(name);
    const out: string[] = [];
    for (const h of this.headers) if (h.key === key) out.push(h.value);
    return out;
  }

  /** Elements of a comma-separated header over all its lines, in order. */
  list(name: string): string[] {
    const key = keyOf(name);
    const out: string[] = [];
    for (const h of this.headers) if (h.key === key) out.push(...splitList(h.value));
    return out;
  }

  /** The first element of a comma-separated header; undefined when there is none. */
  first(name: string): string | undefined {
    const key = keyOf(name);
    for (const h of this.headers) {
      if (h.key !== key) continue;
      const end = indexOfListEnd(h.value);
      const element = trimBlanks(h.value.slice(0, end));
      if (element !== '') return element;
      if (end < h.value.length) return splitList(h.value)[0] ?? this.list(name)[0];
    }
    return undefined;
  }

  /** Number of lines of a header. */
  count(name: string): number {
    const key = keyOf(name);
    let n = 0;
    for (const h of this.headers) if (h.key === key) n++;
    return n;
  }

  /** Appends a line. The name is sent as given. */
  add(name: string, value: string): this {
    this.headers.push({ name, key: keyOf(name), value });
    return this;
  }

  /** Puts a line before the first of its name, or on top of all headers when there is none. */
  prepend(name: string, value: string): this {
    const key = keyOf(name);
    const at = this.headers.findIndex((h) => h.key === key);
    this.headers.splice(at < 0 ? 0 : at, 0, { name, key, value });
    return this;
  }

  /** Replaces all lines of a header by one, in the place of the first; appends when there is none. */
  set(name: string, value: string): this {
    const key = keyOf(name);
    const at = this.headers.findIndex((h) => h.key === key);
    if (at < 0) return this.add(name, value);
    this.headers = this.headers.filter((h, i) => h.key !== key || i === at);
    this.headers[at] = { name: longName(name), key, value };
    return this;
  }

  /** Removes all lines of a header. */
  remove(name: string): this {
    const key = keyOf(name);
    if (this.has(name)) this.headers = this.headers.filter((h) => h.key !== key);
    return this;
  }

  /** Removes the first element of a list header (for Via and Route); gives it back. */
  shift(name: string): string | undefined {
    const key = keyOf(name);
    const at = this.headers.findIndex((h) => h.key === key);
    const header = this.headers[at];
    if (header === undefined) return undefined;
    const elements = splitList(header.value);
    if (elements.length <= 1) {
      this.headers.splice(at, 1);
      return header.value;
    }
    const first = elements[0];
    this.headers[at] = { ...header, value: trimBlanks(header.value.slice(header.value.indexOf(',', first?.length ?? 0) + 1)) };
    return first;
  }

  /** Sets the body and its type; an empty body takes both headers away. */
  setBody(body: string, contentType?: string): this {
    this.body = body;
    if (contentType !== undefined) this.set('Content-Type', contentType);
    return this;
  }

  /** A copy that may be changed without touching this one. */
  clone(): SipMessage {
    const m = new SipMessage();
    m.method = this.method;
    m.uri = this.uri;
    m.status = this.status;
    m.reason = this.reason;
    m.body = this.body;
    m.headers = this.headers.map((h) => ({ name: h.name, key: h.key, value: h.value }));
    return m;
  }

  /** The start line without its line end. */
  startLine(): string {
    return this.status === 0 ? `${this.method} ${this.uri} SIP/2.0` : `SIP/2.0 ${this.status} ${this.reason}`;
  }

  /** The message as it goes on the wire (binary string). Content-Length is always there, once, last unless it stood elsewhere, and right. */
  toString(): string {
    let s = `${this.startLine()}\r\n`;
    let counted = false;
    for (const h of this.headers) {
      if (h.key === 'content-length') {
        if (!counted) s += `${h.name}: ${this.body.length}\r\n`;
        counted = true;
      } else s += `${h.name}: ${h.value}\r\n`;
    }
    if (!counted) s += `Content-Length: ${this.body.length}\r\n`;
    return `${s}\r\n${this.body}`;
  }

  /** The bytes of the message. */
  toBuffer(): Buffer {
    return Buffer.from(this.toString(), 'latin1');
  }
}

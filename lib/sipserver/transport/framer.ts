// Cuts a byte stream into SIP messages by Content-Length (RFC 3261 §18.3), with keep-alives between them (RFC 5626 §3.5.1).

/** What `push` found, in order. After `fault`, `end` and `refused` the stream cannot be read on: `bytes` go out, then it is closed. */
export type Frame =
  | { kind: 'message'; bytes: Buffer }
  | { kind: 'ping'; count: number; pong?: Buffer | null }        // so many times CRLF CRLF: one CRLF, or `pong`, answers them all; null: nothing does
  | { kind: 'fault'; reason: Unreadable; head: Buffer; bytes?: Buffer }
  | { kind: 'reply'; bytes: Buffer }                              // to be sent, and no message
  | { kind: 'end'; bytes: Buffer }                                // the other side has closed
  | { kind: 'refused'; bytes: Buffer };                           // its WebSocket is not opened

/** Why a stream cannot be read on; `protocol`: its frames are none. */
export type Unreadable = 'too large' | 'no length' | 'protocol';

/** What lies between the bytes of a connection and the messages on it. */
export interface Framer {
  /** May change between two messages. */
  maxBytes: number;
  /** True while something has begun and is not whole. */
  readonly pending: boolean;
  /** True until messages can be sent: something comes before them, which has a time of its own. */
  readonly opening?: boolean;
  /** What asks the other side whether it is there, and what it is told when we go. */
  readonly ping?: Buffer | undefined;
  readonly farewell?: Buffer | undefined;
  /** Why its page was refused: its Origin. */
  readonly foreign?: string | null;
  push(chunk: Buffer): Frame[];
  /** One message (binary string) as it goes out. */
  encode(text: string): Buffer;
}

const CR = 13;
const LF = 10;

/**
 * One framer for each connection. Memory is bounded by `maxBytes`; each byte is looked at once, however finely the stream is cut.
 * A message without Content-Length is taken to have no body (RFC 3261 §20.14 demands the header; senders of bodiless messages omit it)
 * unless it has a Content-Type, which makes its end unknowable.
 */
export class StreamFramer implements Framer {
  private buffer: Buffer = Buffer.alloc(0);
  private length = 0;          // bytes in use
  private scanned = 0;         // bytes in which the end of the headers was looked for
  private total = -1;          // length of the message being read, once known
  private half = false;        // one CRLF seen, which a second would make a ping
  private broken = false;

  /** `maxBytes` may change between two messages. */
  constructor(public maxBytes: number) {}

  /** True while a message has begun and is not whole. */
  get pending(): boolean {
    return this.length > 0;
  }

  encode(text: string): Buffer {
    return Buffer.from(text, 'latin1');
  }

  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    if (this.broken) return frames;
    this.append(chunk);
    let start = 0;
    for (;;) {
      start = this.skipKeepAlive(start, frames);
      if (this.total < 0) {
        const found = this.findHeadEnd(start);
        if (found < 0) {
          if (this.length - start > this.maxBytes) return this.fail(frames, 'too large', start);
          break;
        }
        const body = contentLength(this.buffer.toString('latin1', start, found));
        if (body === undefined) return this.fail(frames, 'no length', start);
        this.total = found - start + body;
        if (this.total > this.maxBytes) return this.fail(frames, 'too large', start);
      }
      if (this.length - start < this.total) break;
      // A copy: the buffer is used again for what follows.
      frames.push({ kind: 'message', bytes: Buffer.from(this.buffer.subarray(start, start + this.total)) });
      start += this.total;
      this.total = -1;
      this.scanned = start;
    }
    this.discard(start);
    return frames;
  }

  private append(chunk: Buffer): void {
    const need = this.length + chunk.length;
    if (this.length === 0) {
      // The usual case, whole messages in one chunk: no copy. The chunk is not ours after `push`, so `discard` copies what remains.
      this.buffer = chunk;
    } else {
      if (need > this.buffer.length) {
        const grown = Buffer.allocUnsafe(Math.max(need, 2 * this.buffer.length));
        this.buffer.copy(grown, 0, 0, this.length);
        this.buffer = grown;
      }
      chunk.copy(this.buffer, this.length);
    }
    this.length = need;
  }

  private discard(start: number): void {
    const rest = this.length - start;
    this.scanned = Math.max(0, this.scanned - start);
    if (rest === 0) this.buffer = Buffer.alloc(0);
    else if (start > 0 || this.buffer.length === this.length) {
      const own = Buffer.allocUnsafe(Math.max(1024, 2 * rest));
      this.buffer.copy(own, 0, start, this.length);
      this.buffer = own;
    }
    this.length = rest;
  }

  /** Passes over CRLFs before a message; reports each second one in a row as a ping, those in one piece together, also when they come one at a time. */
  private skipKeepAlive(start: number, frames: Frame[]): number {
    if (this.total >= 0) return start;
    let at = start;
    let pings = 0;
    while (this.length - at >= 2 && this.buffer[at] === CR && this.buffer[at + 1] === LF) {
      at += 2;
      this.half = !this.half;
      if (!this.half) pings++;
    }
    if (pings > 0) frames.push({ kind: 'ping', count: pings });
    if (at < this.length && this.buffer[at] !== CR) this.half = false;
    this.scanned = Math.max(this.scanned, at);
    return at;
  }

  private findHeadEnd(start: number): number {
    const from = Math.max(start, this.scanned - 3);
    const at = this.buffer.subarray(0, this.length).indexOf('\r\n\r\n', from, 'latin1');
    this.scanned = this.length;
    return at < 0 || at < start ? -1 : at + 4;
  }

  private fail(frames: Frame[], reason: 'too large' | 'no length', start: number): Frame[] {
    this.broken = true;
    const head = Buffer.from(this.buffer.subarray(start, Math.min(this.length, start + this.maxBytes)));
    frames.push({ kind: 'fault', reason, head });
    this.buffer = Buffer.alloc(0);
    this.length = 0;
    return frames;
  }
}

/** Body length that the header text announces; undefined when it cannot be known (see StreamFramer). */
function contentLength(head: string): number | undefined {
  let typed = false;
  let pos = head.indexOf('\r\n') + 2;
  let length: number | undefined;
  while (pos < head.length) {
    let end = head.indexOf('\r\n', pos);
    if (end < 0) end = head.length;
    const c = head.charCodeAt(pos) | 32;
    if (c === 99 || c === 108) {                     // c, l: Content-…, compact c and l
      const colon = head.indexOf(':', pos);
      if (colon > 0 && colon < end) {
        const name = head.slice(pos, colon).trim().toLowerCase();
        if (name === 'content-length' || name === 'l') {
          const value = unfold(head, colon + 1, end);
          if (!/^\d{1,9}$/.test(value)) return undefined;
          // RFC 4475 §3.3.9: several that differ leave the end unknown.
          if (length !== undefined && length !== Number(value)) return undefined;
          length = Number(value);
        } else if (name === 'content-type' || name === 'c') typed = true;
      }
    }
    pos = end + 2;
  }
  return length ?? (typed ? undefined : 0);
}

/** The value between two offsets, with the lines that continue it (RFC 3261 §7.3.1). */
function unfold(head: string, from: number, end: number): string {
  let value = head.slice(from, end);
  let next = end + 2;
  while (head[next] === ' ' || head[next] === '\t') {
    let stop = head.indexOf('\r\n', next);
    if (stop < 0) stop = head.length;
    value += head.slice(next, stop);
    next = stop + 2;
  }
  return value.trim();
}

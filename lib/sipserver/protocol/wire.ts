// drachtio's client protocol on the wire: `LENGTH#PAYLOAD`, the payload being tokens between bars and, behind a line end, a SIP message.
import { SipMessage } from '../parser/index.js';
import { longName } from '../parser/index.js';
import type { Flow } from '../transport/index.js';

/** Longest payload taken from a client. */
const LONGEST = 4 * 1024 * 1024;

/** Cuts the stream of one client into payloads (binary strings). Throws on anything that is not the protocol. */
export class PayloadReader {
  private buffer: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): string[] {
    this.buffer = this.buffer.length === 0 ? chunk : Buffer.concat([this.buffer, chunk]);
    const out: string[] = [];
    for (;;) {
      const hash = this.buffer.subarray(0, 8).indexOf(35);
      if (hash < 0) {
        if (this.buffer.length >= 8) throw new Error('no length specifier');
        return out;
      }
      const digits = this.buffer.toString('latin1', 0, hash);
      if (!/^\d{1,7}$/.test(digits) || Number(digits) > LONGEST) throw new Error('invalid length specifier');
      const end = hash + 1 + Number(digits);
      if (this.buffer.length < end) return out;
      out.push(this.buffer.toString('latin1', hash + 1, end));
      this.buffer = this.buffer.subarray(end);
    }
  }
}

/** A client's payload: the tokens of its first line, and the SIP message behind it if there is one. */
export interface Command { tokens: string[]; message: SipMessage | undefined }

export function parseCommand(payload: string): Command {
  const end = payload.indexOf('\r\n');
  const line = end < 0 ? payload : payload.slice(0, end);
  return { tokens: line.split('|'), message: end < 0 ? undefined : parseClientMessage(payload.slice(end + 2)) };
}

/**
 * A SIP message as drachtio-srf writes it. Its Content-Length counts characters, not bytes, and is ignored: the body is all that follows the
 * empty line. Lines that are no headers are skipped. Undefined when there is no start line.
 */
export function parseClientMessage(text: string): SipMessage | undefined {
  const split = text.indexOf('\r\n\r\n');
  const head = split < 0 ? text : text.slice(0, split);
  const lines = head.split('\r\n');
  const start = lines[0] ?? '';
  const m = new SipMessage();
  const status = /^SIP\/2\.0 (\d{3}) ?(.*)$/.exec(start);
  const request = status === null ? /^(\S+) (\S+) SIP\/2\.0\s*$/.exec(start) : null;
  if (status !== null) {
    m.status = Number(status[1]);
    m.reason = status[2] ?? '';
  } else if (request !== null) {
    m.method = (request[1] ?? '').toUpperCase();
    m.uri = request[2] ?? '';
  } else return undefined;
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).trim();
    const value = line.slice(colon + 1).trim();
    // RFC 3261 §25.1: a header name is a token; a value of one line holds no line end that could begin another header.
    if (colon <= 0 || !/^[A-Za-z0-9.!%*_+`'~-]+$/.test(name) || /[\r\n]/.test(value)) continue;
    const spelled = longName(name);
    m.add(spelled === name ? capitalised(name) : spelled, value);
  }
  m.body = split < 0 ? '' : text.slice(split + 4);
  m.remove('content-length');
  return m;
}

/** drachtio-srf writes names in lower case: the usual spelling for names that have none of their own here. */
function capitalised(name: string): string {
  return /[A-Z]/.test(name) ? name : name.replace(/(^|-)([a-z])/g, (_all, dash: string, letter: string) => dash + letter.toUpperCase());
}

function twoDigits(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

/** Time of day (UTC) with microseconds, as drachtio writes it. */
export function timeOfDay(now: number): string {
  const ms = now % 86_400_000;
  const [hours, minutes, seconds] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60, Math.floor(ms / 1000) % 60];
  return `${twoDigits(hours)}:${twoDigits(minutes)}:${twoDigits(seconds)}.${String(ms % 1000).padStart(3, '0')}000`;
}

/** `source|bytes|protocol|address|port|time`. */
export function metaOf(source: 'network' | 'application', bytes: number, protocol: string, address: string, port: number): string {
  return `${source}|${bytes}|${protocol}|${address}|${port}|${timeOfDay(Date.now())}`;
}

export function flowMeta(source: 'network' | 'application', bytes: number, flow: Flow): string {
  return metaOf(source, bytes, flow.protocol, flow.remote.address, flow.remote.port);
}

/** The message as it is given to a client: long header names, since drachtio-srf does not know every short one. */
export function clientText(m: SipMessage): string {
  const short = m.headers.some((h) => h.name.length === 1);
  if (!short) return m.toString();
  const copy = m.clone();
  copy.headers = copy.headers.map((h) => (h.name.length === 1 ? { name: longName(h.name), key: h.key, value: h.value } : h));
  return copy.toString();
}

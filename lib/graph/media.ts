// Media that users sent: a voicemail, a recording (Meta's page "Media").
import { createHash } from 'node:crypto';
import { isLoopbackListen } from '../config/checks.js';
import { record, text, whole } from './json.js';

/** Where a file of Meta's is; the URL is good for five minutes and wants the token. */
export interface MediaPlace {
  readonly url: string;
  readonly mimeType: string | null;
  /** As Meta writes it, hex or base64. */
  readonly sha256: string | null;
  readonly size: number | null;
}

export interface MediaFile {
  readonly bytes: Buffer;
  /** "audio/ogg; codecs=opus" */
  readonly mimeType: string | null;
}

/** Reads the answer of GET /{MEDIA_ID}; null when it is none. */
export function readMedia(body: unknown): MediaPlace | null {
  const answer = record(body);
  const url = text(answer['url']);
  return url === null ? null : { url, mimeType: text(answer['mime_type']), sha256: text(answer['sha256']), size: whole(answer['file_size']) };
}

/** Reads the answer of an upload; null when it is none. */
export function readId(body: unknown): string | null {
  return text(record(body)['id']);
}

/** Whether bytes have this digest, in hex or base64; a digest in another form says nothing. */
export function fits(bytes: Buffer, sha256: string | null): boolean {
  const digest = createHash('sha256').update(bytes).digest();
  if (sha256 === null) return true;
  if (/^[0-9a-f]{64}$/i.test(sha256)) return digest.toString('hex') === sha256.toLowerCase();
  const given = Buffer.from(sha256.replaceAll('-', '+').replaceAll('_', '/'), 'base64');
  return given.length !== 32 || given.equals(digest);
}

/** Hosts that Meta hands media out from. The token goes nowhere else, whatever an answer or a webhook says. */
const mediaHosts = ['fbsbx.com', 'facebook.com', 'fbcdn.net', 'whatsapp.net', 'whatsapp.com'];

/** Whether the token may be shown to this URL: one of Meta's over TLS, or, with a stand-in on this machine, one of this machine. */
export function mayHaveToken(url: string, graphUrl: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname, host } = new URL(url);
  const graph = new URL(graphUrl);
  if (protocol === graph.protocol && host === graph.host) return true;
  if (protocol === 'http:') return graph.protocol === 'http:' && isLoopbackListen(`${hostname}:${80}`);
  return protocol === 'https:' && mediaHosts.some((known) => hostname === known || hostname.endsWith(`.${known}`));
}

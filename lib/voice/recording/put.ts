import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream/promises';

/** Milliseconds in which nothing moves after which an upload is given up. */
const IDLE_MS = 30_000;
/** The longest answer that is read, in octets. */
const LONGEST_ANSWER = 64_000;

export interface PutTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

const types: Readonly<Record<string, string>> = { ogg: 'audio/ogg', wav: 'audio/wav', json: 'application/json' };

/** Of a file by its extension. */
export function contentTypeOf(file: string): string {
  return types[file.slice(file.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
}

/** Sends a file as it is on the disk, with its length, as S3 wants it. Any 2xx takes it. @throws Error with why not; ENOENT where there is no file */
export async function putFile(path: string, { url, headers }: PutTarget, signal: AbortSignal): Promise<void> {
  const { size } = await stat(path);
  const answer = await send(url, { method: 'PUT', headers: { 'content-type': contentTypeOf(path), ...headers, 'content-length': String(size) }, signal }, async (request) => {
    await pipeline(createReadStream(path, { end: Math.max(0, size - 1) }), request);
  });
  answer.resume();
  check(answer);
}

/** Posts JSON and gives the JSON that is answered. @throws Error with why not */
export async function postJson(url: string, body: object, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<unknown> {
  const text = Buffer.from(JSON.stringify(body));
  const answer = await send(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers, 'content-length': String(text.length) }, signal }, (request) => { request.end(text); });
  check(answer);
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of answer) {
    parts.push(part as Buffer);
    length += (part as Buffer).length;
    if (length > LONGEST_ANSWER) throw new Error('its answer is too long');
  }
  return JSON.parse(Buffer.concat(parts).toString('utf8')) as unknown;
}

type Request = ReturnType<typeof httpRequest>;

interface Sent { readonly method: string; readonly headers: Readonly<Record<string, string>>; readonly signal: AbortSignal }

async function send(url: string, { headers, ...options }: Sent, write: (request: Request) => Promise<void> | void): Promise<IncomingMessage> {
  const make = url.startsWith('https:') ? httpsRequest : httpRequest;
  const request = make(url, { ...options, headers: { 'user-agent': 'wa-b2bua', ...headers }, timeout: IDLE_MS });
  request.on('timeout', () => request.destroy(new Error(`nothing moves for ${IDLE_MS / 1000} s`)));
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.on('response', resolve);
    request.on('error', reject);
  });
  const written = Promise.resolve(write(request));
  written.catch(() => undefined);
  const answer = await Promise.race([answered, written.then(() => answered)]);
  // Who takes it has it whole; who refuses it before all was sent gets no more of it.
  if (taken(answer)) await written;
  else if (!request.writableFinished) request.destroy();
  return answer;
}

function taken({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200 && statusCode <= 299;
}

function check(answer: IncomingMessage): void {
  const { statusCode = 0 } = answer;
  if (!taken(answer)) throw new Error(`it answers ${statusCode}`);
}

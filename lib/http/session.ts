import type { IncomingMessage } from 'node:http';
import { ApiError } from './api/error.js';
import type { Doorkeeper } from './api/tokens.js';
import { setCookie } from './cookie.js';

const maxTokenBytes = 1024;

export interface SessionAnswer {
  readonly status: number;
  readonly error: string | null;
  readonly cookie: string | null;
}

/**
 * The live page's form, beyond loopback: POST `{"token"}` gives the browser its cookie, DELETE takes it. A body of JSON is what a form of another
 * site cannot send without asking first.
 */
export async function takeSession(request: IncomingMessage, door: Doorkeeper): Promise<SessionAnswer> {
  const secure = (request.headers.origin ?? '').startsWith('https:');
  if (request.method === 'DELETE') return { status: 204, error: null, cookie: setCookie(null, secure) };
  if (!/^application\/json *(?:;|$)/i.test(request.headers['content-type'] ?? '')) return { status: 415, error: 'a body of application/json', cookie: null };
  const body = await bodyOf(request);
  if (body === null) return { status: 413, error: 'the body is too long', cookie: null };
  try {
    const { token } = await door.judge(request.socket.remoteAddress ?? '', tokenIn(body), 'read');
    return { status: 204, error: null, cookie: setCookie(token, secure) };
  } catch (error) {
    if (error instanceof ApiError) return { status: error.status, error: error.message, cookie: null };
    throw error;
  }
}

function tokenIn(body: string): string | null {
  try {
    const { token } = JSON.parse(body) as { token?: unknown };
    return typeof token === 'string' && token !== '' ? token : null;
  } catch {
    return null;
  }
}

/** Null: too long. */
async function bodyOf(request: IncomingMessage): Promise<string | null> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maxTokenBytes) return null;
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** drachtio-srf, with our reader in place of its own and answers that never throw at a status. */
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { readMessage, valueReader } from './srfReader.js';

const require = createRequire(import.meta.url);

/** What drachtio-srf looks up on its parser module, at every message. */
const parser = require('drachtio-srf/lib/sip-parser/parser') as {
  parseSipMessage: (text: string) => object;
  parseUri: (uri: unknown) => unknown;
  getParser: typeof valueReader;
};
// Before drachtio-srf is loaded: its dialogs take parseUri at that moment.
Object.assign(parser, {
  parseSipMessage: (text: string | Buffer) => readMessage(text.toString()),
  getParser: valueReader,
  // Asked of the URIs that we call, which policy has written, and whether they are URIs at all.
  parseUri: (uri: unknown) => (typeof uri === 'object' || (typeof uri === 'string' && /^(?:sips?|tel):/i.test(uri)) ? { uri } : undefined),
});

export const Srf = require('drachtio-srf') as new () => object;

/** The statuses that drachtio-srf can send, by number. */
const known = require('sip-status') as Readonly<Record<number, string | undefined>>;

/**
 * The status that goes out for one that somebody else chose. drachtio-srf throws at what its table has not (607, 699 …), and an answer that is
 * never sent leaves its transaction open: RFC 3261 §8.1.3.2 lets such a one count as the x00 of its class; 607 (RFC 8197) is a person's refusal, as 603 is.
 */
export function sendable(status: number): number {
  if (known[status] !== undefined) return status;
  if (status === 607) return 603;
  if (!Number.isInteger(status) || status < 100 || status > 699) return 500;
  return status < 200 ? 183 : Math.floor(status / 100) * 100;
}

/** The socket protocol. What it cannot frame it throws, in a callback of the socket: then nothing behind it can be read either. */
const { prototype: wire } = require('drachtio-srf/lib/wire-protocol') as { prototype: { _onData(this: object, socket: Socket, data: Buffer): void } };
const { _onData } = wire;
wire._onData = function (socket, data) {
  try {
    _onData.call(this, socket, data);
  } catch (error) {
    socket.destroy(error instanceof Error ? error : new Error(String(error)));
  }
};

const { prototype } = require('drachtio-srf/lib/response') as { prototype: { send(this: object, status: number, ...rest: unknown[]): unknown } };
const { send } = prototype;
prototype.send = function (status, ...rest) {
  return send.call(this, sendable(status), ...rest);
};

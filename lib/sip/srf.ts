/** drachtio-srf, with our reader in place of its own and answers that never throw at a status. */
import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { keyOf } from '../sipserver/parser/index.js';
import { LocalSocket, type LocalServer } from './localSocket.js';
import { replaceMessage, type SrfHeaders } from './srfMessage.js';
import { readMessage, valueReader } from './srfReader.js';

const require = createRequire(import.meta.url);

/** What drachtio-srf looks up on its parser module, at every message. */
const parser = require('drachtio-srf/lib/sip-parser/parser') as {
  parseSipMessage: (text: string) => object;
  parseUri: (uri: unknown) => unknown;
  getParser: typeof valueReader;
  getHeaderName: (name: string) => string;
};
// Before drachtio-srf is loaded: its dialogs take parseUri at that moment.
Object.assign(parser, {
  parseSipMessage: (text: string | Buffer) => readMessage(text.toString()),
  getParser: valueReader,
  getHeaderName: spelled,
  // Asked of the URIs that we call, which policy has written, and whether they are URIs at all.
  parseUri: (uri: unknown) => (typeof uri === 'object' || (typeof uri === 'string' && /^(?:sips?|tel):/i.test(uri)) ? { uri } : undefined),
});

replaceMessage(require, spelled);

export const Srf = require('drachtio-srf') as new () => object;

for (const kind of ['request', 'response']) {
  const { prototype: own } = require(`drachtio-srf/lib/${kind}`) as { prototype: { get(name: string): string | undefined; has(name: string): boolean } };
  own.get = function (this: { msg: SrfHeaders }, name: string) { return this.msg.get(name); };
  own.has = function (this: { msg: SrfHeaders }, name: string) { return this.msg.has(name); };
}

/** The name under which drachtio-srf keeps a header that it is given: private ones as they are written. Its own looks at the environment each time. */
function spelled(name: string): string {
  return name.startsWith('X-') || (name.startsWith('P-') && !name.startsWith('P-Asserted')) || name === 'Diversion' ? name : keyOf(name);
}

/** The statuses that drachtio-srf can send, by number, and one that it has not (RFC 8599 §8). */
const known = Object.assign(require('sip-status') as Record<number, string | undefined>, { 555: 'Push Notification Service Not Supported' }) as Readonly<Record<number, string | undefined>>;

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

/** The socket protocol. */
interface Wire extends EventEmitter {
  reconnectOpts: object;
  reconnectVars: { retryTimer?: NodeJS.Timeout | null };
  closing?: boolean;
  _onData(socket: Socket, data: Buffer): void;
  connect(options: { readonly server?: LocalServer }): void;
  send(socket: Socket, text: string): string;
}
const { prototype: wire } = require('drachtio-srf/lib/wire-protocol') as { prototype: Wire };
const { _onData, connect, send: write } = wire;
// What it cannot frame it throws, in a callback of the socket: then nothing behind it can be read either.
wire._onData = function (socket, data) {
  try {
    _onData.call(this, socket, data);
  } catch (error) {
    socket.destroy(error instanceof Error ? error : new Error(String(error)));
  }
};

// A server in this thread needs no socket.
wire.connect = function (options) {
  if (options.server === undefined) connect.call(this, options);
  else join(this, options.server);
};
wire.send = function (socket, text) {
  return socket instanceof LocalSocket ? socket.order(text) : write.call(this, socket, text);
};

/** Pause before a server that has ended our connection is joined again, in milliseconds. */
const JOIN_AGAIN = 250;

function join(protocol: Wire, server: LocalServer): void {
  protocol.reconnectOpts = protocol.reconnectVars = {};
  const socket: LocalSocket = new LocalSocket(server, {
    message: (text) => { protocol.emit('msg', socket, text); },
    closed: () => {
      protocol.emit('close', socket);
      if (protocol.closing !== true) protocol.reconnectVars.retryTimer = setTimeout(() => { join(protocol, server); }, JOIN_AGAIN);
    },
  });
  // Whoever has called listens from now on.
  setImmediate(() => { if (!socket.destroyed) protocol.emit('connect', socket); });
}

const { prototype } = require('drachtio-srf/lib/response') as { prototype: { send(this: object, status: number, ...rest: unknown[]): unknown } };
const { send } = prototype;
prototype.send = function (status, ...rest) {
  return send.call(this, sendable(status), ...rest);
};

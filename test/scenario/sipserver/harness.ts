// A server under test, drachtio-srf on one side of it, bare sockets on the other.
import type { EventEmitter } from 'node:events';
import Srf from 'drachtio-srf';
import type { Test } from 'tap';
import { startSipServer } from '../../../lib/sipserver/index.js';
import type { SipServer, SipServerOptions } from '../../../lib/sipserver/index.js';
import { parseMessage, responseTo, SipMessage } from '../../../lib/sipserver/parser/index.js';
import { Transports } from '../../../lib/sipserver/transport/index.js';
import type { Flow } from '../../../lib/sipserver/transport/index.js';

export interface Opts { headers?: Record<string, string>; body?: string }

export interface SrfMessage {
  body: string;
  status: number;
  reason: string;
  source_address: string;
  protocol: string;
  receivedOn?: string;
  get(name: string): string;
  has(name: string): boolean;
}
export interface SrfRequest extends SrfMessage, EventEmitter {
  method: string;
  uri: string;
  cancel(options: object, callback: (error: unknown) => void): void;
  proxy(options: object): Promise<{ connected: boolean; finalStatus: number; responses: { msgs: { status: number; msg: SrfMessage }[] }[] }>;
}
export interface SrfResponse extends SrfMessage {
  send(status: number, options?: Opts, callback?: (error: unknown, message?: SrfMessage) => void, prack?: (prack: SrfRequest) => void): void;
}
export interface SrfDialog extends EventEmitter {
  id: string;
  sip: { callId: string; localTag: string; remoteTag: string };
  remote: { uri: string; sdp: string };
  destroy(options?: Opts): Promise<SrfRequest>;
  modify(sdp: string): Promise<string>;
  request(options: { method: string } & Opts): Promise<SrfMessage>;
}
export type Handler = (req: SrfRequest, res: SrfResponse) => void;
export interface TestSrf extends EventEmitter {
  connect(options: ({ host: string; port: number } | { server: Pick<SipServer, 'join'> }) & { secret: string; enablePing?: boolean; pingInterval?: number }): void;
  disconnect(): void;
  invite(handler: Handler): void;
  use(method: string, handler: Handler): void;
  request(options: { uri: string; method: string; proxy?: string } & Opts, callback: (error: unknown, req: SrfRequest) => void): void;
  createUAS(req: SrfRequest, res: SrfResponse, options: { localSdp?: string }, callback: (error: Error | null, dialog?: SrfDialog) => void): void;
  createUAS(req: SrfRequest, res: SrfResponse, options: { localSdp?: string; headers?: Record<string, string> }): Promise<SrfDialog>;
  createUAC(uri: string, options: object, callbacks?: { cbRequest?: (error: unknown, req: SrfRequest) => void; cbProvisional?: (res: SrfMessage) => void }): Promise<SrfDialog>;
}

export interface Stack { server: SipServer; srf: TestSrf; logs: string[]; port(protocol: string): number }

/** Timers ten times as fast as the RFC's: 64*T1 is 3.2 s. */
export const QUICK = { T1: 50, T2: 400, T4: 500, D: 3200 };

/** A server, and a drachtio-srf application connected to it; both go when the test ends. */
export async function start(t: Test, options: Partial<SipServerOptions> = {}, tag?: string): Promise<Stack> {
  const logs: string[] = [];
  const log = (o: object, m: string): void => { logs.push(`${m} ${JSON.stringify(o)}`); };
  const server = await startSipServer({
    listen: ['udp:127.0.0.1:0', 'tcp:127.0.0.1:0'], timers: QUICK, logger: { info: log, warn: log, error: log, debug: log },
    ...options, admin: { host: '127.0.0.1', port: 0, secret: 'cymru' },
  });
  t.teardown(() => server.close());
  const srf = await application(t, server, tag);
  return { server, srf, logs, port: (protocol) => Number(server.listening.find((l) => l.startsWith(protocol))?.split(':').pop()) };
}

/** One more drachtio-srf application. */
export async function application(t: Test, server: SipServer, tag?: string): Promise<TestSrf> {
  const srf = (tag === undefined ? new Srf() : new (Srf as unknown as new (tag: string) => Srf)(tag)) as unknown as TestSrf;
  srf.on('error', () => { /* the server is closing */ });
  t.teardown(() => { try { srf.disconnect(); } catch { /* gone already */ } });
  const connected = new Promise<void>((resolve) => { srf.once('connect', () => { resolve(); }); });
  // WAB_CLIENT=joined: as the service does, in this process without a socket.
  if (process.env['WAB_CLIENT'] === 'joined' && server.join !== null) {
    await import('../../../lib/sip/srf.js');
    srf.connect({ server: { join: server.join }, secret: 'cymru' });
  } else srf.connect({ ...server.admin, secret: 'cymru' });
  await connected;
  return srf;
}

interface Received { message: SipMessage; flow: Flow }

/** A SIP element made of bare sockets: it sends what it is told and keeps what it gets. */
export class Peer {
  readonly seen: Received[] = [];
  closed = 0;
  readonly transports: Transports;
  private waiting: (() => void)[] = [];

  private constructor(tls?: { cert: string; key: string }) {
    this.transports = new Transports({
      ...(tls === undefined ? {} : { tls }),
      handlers: {
        message: (bytes, flow) => {
          const { message } = parseMessage(bytes);
          if (message !== undefined) this.seen.push({ message, flow });
          this.wake();
        },
        closed: () => { this.closed++; this.wake(); },
      },
    });
  }

  static async on(t: Test, listen: string[], tls?: { cert: string; key: string }): Promise<Peer> {
    const peer = new Peer(tls);
    t.teardown(() => peer.transports.close());
    for (const spec of listen) await peer.transports.listen(spec);
    return peer;
  }

  port(protocol: string): number {
    return this.transports.points.find((p) => p.protocol === protocol)?.local.port ?? 0;
  }

  udp(port: number): Flow {
    const flow = this.transports.udp({ address: '127.0.0.1', port });
    if (flow === undefined) throw new Error('no UDP socket');
    return flow;
  }

  tcp(port: number): Promise<Flow> {
    return this.transports.connect({ protocol: 'tcp', address: '127.0.0.1', port, host: '127.0.0.1' });
  }

  /** Takes the first message that fits, waiting for it if need be; all before it are dropped unless `keep`. */
  async next(what: string | number, keep = false): Promise<Received> {
    for (let at = 0; ; ) {
      for (; at < this.seen.length; at++) {
        const r = this.seen[at];
        if (r !== undefined && (r.message.method === what || r.message.status === what)) {
          if (keep) this.seen.splice(at, 1);
          else this.seen.splice(0, at + 1);
          return r;
        }
      }
      await this.change();
    }
  }

  /** Resolves when something has come or a connection has gone. */
  change(): Promise<void> {
    return new Promise((resolve) => { this.waiting.push(resolve); });
  }

  private wake(): void {
    const all = this.waiting;
    this.waiting = [];
    for (const f of all) f();
  }
}

let serial = 0;

/** A request of a peer's; `lines` replace or add headers. */
export function request(method: string, uri: string, flow: Flow, lines: Record<string, string> = {}, body = ''): SipMessage {
  const n = ++serial;
  const host = `127.0.0.1:${flow.local.port}`;
  const m = SipMessage.request(method, uri);
  m.add('Via', `SIP/2.0/${flow.protocol.toUpperCase()} ${host};branch=z9hG4bKtest${n};rport`);
  m.add('Max-Forwards', '70').add('From', `<sip:peer@${host}>;tag=peer${n}`).add('To', `<${uri}>`);
  m.add('Call-ID', `call-${n}@peer`).add('CSeq', `1 ${method}`);
  if (method === 'INVITE' || method === 'SUBSCRIBE') m.add('Contact', `<sip:peer@${host};transport=${flow.protocol}>`);
  for (const [name, value] of Object.entries(lines)) m.set(name, value);
  if (body !== '') m.setBody(body, 'application/sdp');
  return m;
}

/** The ACK of a final response, or any other request in the dialog that a response to `invite` made. */
export function follow(method: string, invite: SipMessage, response: SipMessage, seq = 1): SipMessage {
  const contact = /<([^>]+)>/.exec(response.get('contact') ?? '')?.[1];
  const m = SipMessage.request(method, method === 'ACK' && response.status >= 300 ? invite.uri : contact ?? invite.uri);
  const own = invite.get('via') ?? '';
  const sameBranch = method === 'CANCEL' || (method === 'ACK' && response.status >= 300);
  m.add('Via', sameBranch ? own : own.replace(/branch=[^;]+/, `branch=z9hG4bKtest${++serial}`));
  for (const route of response.list('record-route')) m.add('Route', route);
  m.add('Max-Forwards', '70').add('From', invite.get('from') ?? '').add('To', (method === 'CANCEL' ? invite : response).get('to') ?? '');
  m.add('Call-ID', invite.get('call-id') ?? '').add('CSeq', `${seq} ${method}`);
  return m;
}

/** A response of a peer's to a request it got. */
export function reply(to: Received, status: number, tag: string | undefined, lines: Record<string, string> = {}, body = ''): void {
  const m = responseTo(to.message, status, undefined, tag);
  for (const [name, value] of Object.entries(lines)) m.add(name, value);
  if (body !== '') m.setBody(body, 'application/sdp');
  to.flow.send(m.toString());
}

export function once<T>(emitter: EventEmitter, event: string): Promise<T> {
  return new Promise((resolve) => { emitter.once(event, resolve); });
}

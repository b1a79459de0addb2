// Meta's edge: the TLS connection to the business, the listener that plays wa.meta.vc, and the calls on them.
import { isIP } from 'node:net';
import type { SipMessage } from '../../sipserver/parser/index.js';
import { tagOf } from '../../sipserver/parser/index.js';
import { hostPort } from '../../sipserver/transport/index.js';
import type { Address, Flow } from '../../sipserver/transport/index.js';
import { WabError } from '../../errors.js';
import { makeDtlsCertificate } from '../media/dtls.js';
import type { DtlsCertificate } from '../media/dtls.js';
import { LoopLag } from '../media/loopLag.js';
import { FrameBank } from '../media/source.js';
import { Pacer } from '../media/pacer.js';
import { newTag, SipAgent } from '../sip/agent.js';
import type { ServerTransaction, SipTimers } from '../sip/transactions.js';
import { ALLOW, META_HOST } from './layout.js';
import { defaultSipPort, splitHostPort, unbracketed } from '../../util/hostPort.js';

export interface MetaSideOptions {
  /** `HOST:PORT` of the business's SIP server; needed to place calls. The host may be an address. */
  to?: string | undefined;
  /** Name the business's certificate must carry, sent as SNI: the host registered with Meta. Default: the host of `to`. */
  serverName?: string | undefined;
  /** PEM file with the CA that signed the business's certificate; the system's CAs count too. */
  ca?: string | undefined;
  /** `HOST:PORT` where wa.meta.vc is played; the business's requests come here. Needs `cert` and `key`. */
  listen?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  /** Address media is sent from. Default 127.0.0.1. */
  mediaAddress?: string | undefined;
  timers?: Partial<SipTimers> | undefined;
  /** Ends a TLS handshake that offers ALPN with alert 120, as wa.meta.vc does (META-SIP §1.9). Default true. */
  refuseAlpn?: boolean | undefined;
}

/** A call that the side delivers requests to, by Call-ID. */
export interface MetaCall {
  request(transaction: ServerTransaction): void;
  ack(message: SipMessage): void;
  /** False for an ACK that would not have come through Meta's proxies. */
  admitsAck?(message: SipMessage): boolean;
  malformed(reason: string): void;
}

export class MetaSide {
  readonly pacer = new Pacer();
  readonly bank = new FrameBank();
  /** Stalls of this process, watched while there are calls. */
  readonly lag = new LoopLag();
  readonly agent: SipAgent;
  /** Where wa.meta.vc is played; undefined without `listen`. */
  listening: Address | undefined;
  /** New INVITEs from the business go here; without it they get 403. */
  invites: ((transaction: ServerTransaction) => void) | undefined;
  /** SIP that fits no call: said here. */
  readonly strays: string[] = [];
  private readonly calls = new Map<string, MetaCall>();
  private outgoing: Flow | undefined;
  private certificate: Promise<DtlsCertificate> | undefined;

  private constructor(readonly options: MetaSideOptions) {
    const tls = options.cert !== undefined && options.key !== undefined ? { cert: options.cert, key: options.key } : undefined;
    this.agent = new SipAgent({
      tls, timers: options.timers, refuseAlpn: options.refuseAlpn ?? true,
      handlers: {
        request: (transaction) => { this.receive(transaction); },
        admitsAck: (message) => this.calls.get(message.get('call-id') ?? '')?.admitsAck?.(message) ?? true,
        ack: (message) => { this.calls.get(message.get('call-id') ?? '')?.ack(message); },
        malformed: (reason) => {
          this.strays.push(`malformed: ${reason}`);
          for (const call of this.calls.values()) call.malformed(reason);
        },
        trouble: (what) => { this.strays.push(what); },
      },
    });
  }

  /** Opens the listener if one is asked for. Rejects with PORT_IN_USE or FILE_UNREADABLE. */
  static async open(options: MetaSideOptions): Promise<MetaSide> {
    const side = new MetaSide(options);
    if (options.listen === undefined) return side;
    try {
      side.listening = (await side.agent.listen(`tls:${options.listen.replace(/^tls:/, '')}`)).local;
    } catch (error) {
      await side.agent.close();
      const code = (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'PORT_IN_USE' : 'FILE_UNREADABLE';
      throw new WabError(code, `${options.listen}: ${(error as Error).message}`, { cause: error });
    }
    return side;
  }

  get mediaAddress(): string {
    return this.options.mediaAddress ?? '127.0.0.1';
  }

  /** The certificate of all DTLS legs of this side. */
  dtlsCertificate(): Promise<DtlsCertificate> {
    this.certificate ??= makeDtlsCertificate();
    return this.certificate;
  }

  /** Name of the business's server, as certificate and Request-URI carry it. */
  get serverName(): string {
    return this.options.serverName ?? this.target().address;
  }

  /** The connection to the business; opened, and its certificate verified, when there is none. Rejects with SIP_UNAVAILABLE. */
  async connection(): Promise<Flow> {
    const { address, port } = this.target();
    try {
      this.outgoing = await this.agent.connect({
        protocol: 'tls', address, port, host: this.serverName, ca: this.options.ca,
      });
      return this.outgoing;
    } catch (error) {
      throw new WabError('SIP_UNAVAILABLE', `${hostPort({ address, port })}: ${(error as Error).message}`, { cause: error });
    }
  }

  /** Closes the connection to the business; the next request opens a fresh one. Resolves when it is gone. */
  async cut(): Promise<void> {
    const flow = this.outgoing;
    if (flow === undefined || flow.closed) return;
    await new Promise<void>((resolve) => {
      flow.addUser({ flowClosed: () => { resolve(); } });
      flow.close();
    });
    // The pool forgets the connection on the socket's own close event.
    await new Promise<void>((resolve) => { setImmediate(resolve); });
  }

  join(callId: string, call: MetaCall): void {
    if (!this.calls.has(callId)) this.lag.watch();
    this.calls.set(callId, call);
  }

  leave(callId: string, call: MetaCall): void {
    if (this.calls.get(callId) !== call) return;
    this.calls.delete(callId);
    this.lag.release();
  }

  get liveCalls(): number {
    return this.calls.size;
  }

  async close(): Promise<void> {
    for (let left = this.calls.size; left > 0; left--) this.lag.release();
    this.calls.clear();
    await this.agent.close();
  }

  private target(): Address {
    const at = splitHostPort((this.options.to ?? '').replace(/^tls:/, ''));
    if (at === null) throw new WabError('SIP_UNAVAILABLE', `not HOST:PORT: ${this.options.to ?? '(none)'}`);
    return { address: at.host, port: at.port ?? defaultSipPort(true) };
  }

  private receive(transaction: ServerTransaction): void {
    const { request } = transaction;
    const call = this.calls.get(request.get('call-id') ?? '');
    if (call !== undefined) {
      call.request(transaction);
      return;
    }
    const inDialog = tagOf(request.get('to') ?? '') !== undefined;
    if (request.method === 'INVITE' && !inDialog && this.invites !== undefined) {
      this.invites(transaction);
      return;
    }
    this.strays.push(request.startLine());
    // META-SIP §4.3: REGISTER gets 403; OPTIONS stands in Meta's Allow. RFC 3261 §12.2.2: 481 for a dialog that is over.
    const status = request.method === 'OPTIONS' ? 200 : request.method === 'REGISTER' || request.method === 'INVITE' ? 403 : inDialog ? 481 : 405;
    transaction.respond(transaction.reply(status, undefined, newTag()).add('Allow', ALLOW).add('X-FB-External-Domain', META_HOST));
  }
}

/** True for a host that is an address: Meta refuses those in Request-URIs (META-SIP §4.3). */
export function isAddress(host: string): boolean {
  return isIP(unbracketed(host)) !== 0;
}

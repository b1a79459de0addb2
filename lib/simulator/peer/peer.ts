// A PBX user, or a whole PBX of equal users: answers what comes in, places calls.
import { EventEmitter } from 'node:events';
import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import { parseUri, tagOf, uriParam } from '../../sipserver/parser/index.js';
import { hostPort, parseListen } from '../../sipserver/transport/index.js';
import type { Flow, ListeningPoint } from '../../sipserver/transport/index.js';
import { WabError } from '../../errors.js';
import type { CodecName } from '../media/codec.js';
import type { SourceKind } from '../media/endpoint.js';
import { Pacer } from '../media/pacer.js';
import { FrameBank } from '../media/source.js';
import { newTag, SipAgent } from '../sip/agent.js';
import type { Credentials } from '../sip/digest.js';
import type { ServerTransaction } from '../sip/transactions.js';
import { ECHO, parseBehaviour } from './behaviour.js';
import type { PeerBehaviour } from './behaviour.js';
import type { PeerCall, PeerCallParts } from './call.js';
import type { PeerCallReport } from './report.js';
import { CallMedia } from './callMedia.js';
import { Challenger } from './challenger.js';
import { InboundCall } from './inbound.js';
import type { CallOptions, PeerOptions } from './options.js';
import { OutboundCall } from './outbound.js';
import { Registration } from './registration.js';
import type { RegisterAnswer, RegisterOptions } from './registration.js';
import { defaultSipPort } from '../../util/hostPort.js';

interface PeerEvents {
  /** A call came in; its media port is not open yet. */
  call: [call: InboundCall];
  ended: [call: PeerCall];
}

/** Starts a PBX user. Rejects with PORT_IN_USE or FILE_UNREADABLE. */
export async function startPeer(options: PeerOptions = {}): Promise<SimulatedPeer> {
  const peer = new SimulatedPeer(options);
  await peer.open();
  return peer;
}

export class SimulatedPeer extends EventEmitter<PeerEvents> {
  readonly pacer = new Pacer();
  readonly points: ListeningPoint[] = [];
  /** Reports of calls that have ended, oldest first; the last thousand. */
  readonly reports: PeerCallReport[] = [];
  /** SIP that fits no call. */
  readonly strays: string[] = [];
  answer: PeerOptions['answer'];
  private readonly agent: SipAgent;
  private readonly bank = new FrameBank();
  private readonly calls = new Map<string, PeerCall>();
  private readonly challenger = new Challenger();
  private deaf = false;
  private registration: Registration | undefined;

  constructor(private readonly options: PeerOptions) {
    super();
    this.answer = options.answer ?? 'echo';
    const { cert, key } = options.tls ?? {};
    this.agent = new SipAgent({
      tls: cert !== undefined && key !== undefined ? { cert, key } : undefined, timers: options.timers,
      handlers: {
        request: (transaction) => { this.receive(transaction); },
        ack: (message) => { if (!this.deaf) this.calls.get(message.get('call-id') ?? '')?.acked(message); },
        malformed: (reason) => { this.strays.push(`malformed: ${reason}`); },
        trouble: (what) => { this.strays.push(what); },
      },
    });
  }

  /** Opens the listeners; `startPeer` does it. */
  async open(): Promise<void> {
    const specs = [this.options.listen ?? 'udp:127.0.0.1:0'].flat();
    try {
      for (const spec of specs) this.points.push(await this.agent.listen(spec));
    } catch (error) {
      await this.agent.close();
      throw new WabError((error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'PORT_IN_USE' : 'FILE_UNREADABLE', `${specs.join(', ')}: ${(error as Error).message}`, { cause: error });
    }
  }

  /** URI of this user at its first listener, e.g. for a peer's `uri` in the configuration. */
  get uri(): string {
    const point = this.point();
    return `sip:${hostPort(point.local)};transport=${point.protocol}`;
  }

  get port(): number {
    return this.point().local.port;
  }

  get liveCalls(): PeerCall[] {
    return [...this.calls.values()];
  }

  /** The call that came or was placed last and is still up. */
  get lastCall(): PeerCall | undefined {
    return this.liveCalls.at(-1);
  }

  /** Resolves with the next call that comes in. */
  nextCall(): Promise<InboundCall> {
    return new Promise((resolve) => { this.once('call', resolve); });
  }

  /** Places a call; resolves when the INVITE is out. Its `final` gives the status. Rejects with PEER_UNREACHABLE. */
  async call(uri: string, options: CallOptions = {}): Promise<OutboundCall> {
    const flow = await this.flowTo(uri, options.via);
    const point = this.points.find((p) => p.protocol === flow.protocol) ?? this.point();
    const from = options.from ?? `<sip:${this.options.user ?? 'pbx'}@${hostPort(point.local)}>`;
    const behaviour = { ...ECHO, source: options.source ?? 'tone', first: options.first ?? ECHO.first, renumber: options.renumber ?? null };
    const media = this.mediaFor(behaviour, options.codecs, (digit) => { call.heardDigit(digit); });
    const call: OutboundCall = new OutboundCall(this.partsFor(media, options.auth), {
      uri, from: `${from};tag=${newTag()}`, to: options.to ?? `<${uri}>`, callId: randomUUID(), headers: options.headers ?? {},
      delayedOffer: options.delayedOffer ?? false, hangUpMs: options.hangUpMs,
    }, flow, point.local, this.contactOf(point));
    this.calls.set(call.callId, call);
    await call.place();
    return call;
  }

  /**
   * Registers as `user` (or, with expires 0, unregisters) from its first listener's socket; resolves with the final answer's status, its headers
   * and the Contacts now registered. Rejects when none comes.
   */
  async register(options: RegisterOptions): Promise<RegisterAnswer> {
    this.registration ??= new Registration(this.agent);
    const flow = await this.flowTo('', options.registrar);
    const point = this.points.find((p) => p.protocol === flow.protocol)?.local ?? flow.local;
    return this.registration.send(flow, point, options.contact ?? this.contactOf({ protocol: flow.protocol, local: point }), options);
  }

  async hold(how?: 'sendonly' | 'inactive' | 'zero'): Promise<number> {
    return await this.lastCall?.hold(how) ?? 0;
  }

  async resume(source?: SourceKind): Promise<number> {
    return await this.lastCall?.resume(source) ?? 0;
  }

  async refer(target: string, headers?: Record<string, string>): Promise<number> {
    return await this.lastCall?.refer(target, headers) ?? 0;
  }

  async bye(reason?: string): Promise<void> {
    await this.lastCall?.bye(reason);
  }

  /** Stops answering and sending anything, as if the power went; `comeBack` undoes it for new calls. */
  vanish(): void {
    this.deaf = true;
    for (const call of this.liveCalls) call.close();
  }

  comeBack(): void {
    this.deaf = false;
  }

  /** Ends all calls without a word and closes the sockets. */
  async close(): Promise<void> {
    for (const call of this.liveCalls) call.close();
    await this.agent.close();
  }

  private point(): ListeningPoint {
    const point = this.points[0];
    if (point === undefined) throw new WabError('SIP_UNAVAILABLE', 'the peer is not open');
    return point;
  }

  private contactOf(point: ListeningPoint): string {
    if (this.options.contact !== undefined) return `<${this.options.contact}>`;
    return `<sip:${this.options.user ?? 'pbx'}@${hostPort(point.local)}${point.protocol === 'udp' ? '' : `;transport=${point.protocol}`}>`;
  }

  private mediaFor(behaviour: PeerBehaviour, codecs: CodecName[] | undefined, onDigit: (digit: string) => void): CallMedia {
    const { options } = this;
    return new CallMedia({
      address: options.mediaAddress ?? this.point().local.address.replace(/^0\.0\.0\.0$/, '127.0.0.1'), pacer: this.pacer,
      bank: options.media === 'light' ? this.bank : undefined, sockets: options.media !== 'none', codecs: codecs ?? options.codecs ?? ['PCMU', 'PCMA', 'opus'],
      srtp: options.srtp ?? 'none', dtmf: options.dtmf === null ? undefined : options.dtmf ?? 101, tones: options.tones ?? [1000, 1300],
      expect: options.expect ?? [], source: behaviour.source, first: behaviour.first, renumber: behaviour.renumber, onDigit,
    });
  }

  private partsFor(media: CallMedia, auth: Credentials | undefined): PeerCallParts {
    const { outbound, tls } = this.options;
    const proxy = outbound === undefined ? undefined : (): Promise<Flow> => this.flowTo('', outbound, tls?.outboundName);
    return { agent: this.agent, media, auth: auth ?? this.options.auth, proxy, forget: (call) => { this.forget(call); } };
  }

  private receive(transaction: ServerTransaction): void {
    if (this.deaf) return;
    const { request } = transaction;
    const call = this.calls.get(request.get('call-id') ?? '');
    if (call !== undefined && tagOf(request.get('to') ?? '') !== undefined) call.inside(transaction);
    else if (request.method === 'INVITE' && call === undefined && tagOf(request.get('to') ?? '') === undefined) this.invited(transaction);
    else {
      if (request.method !== 'OPTIONS') this.strays.push(request.startLine());
      transaction.respond(transaction.reply(request.method === 'OPTIONS' ? 200 : 481, undefined, newTag()));
    }
  }

  private invited(transaction: ServerTransaction): void {
    const { request, flow } = transaction;
    const user = parseUri(request.uri)?.user ?? '';
    const chosen = typeof this.answer === 'function' ? this.answer(user) : this.answer ?? 'echo';
    const behaviour = typeof chosen === 'string' ? parseBehaviour(chosen) : { ...ECHO, ...chosen };
    if (behaviour.vanish || (behaviour.challenge !== undefined && !this.challenger.admits(transaction, behaviour.challenge))) return;
    const point = this.points.find((p) => p.protocol === flow.protocol && (p.local.port === flow.local.port || flow.protocol !== 'udp')) ?? this.point();
    const media = this.mediaFor(behaviour, undefined, (digit) => {
      call.heardDigit(digit);
      if (behaviour.digits && behaviour.source === 'echo') call.press(digit);
    });
    const call: InboundCall = new InboundCall(this.partsFor(media, undefined), transaction, behaviour, point.local, this.contactOf(point));
    this.calls.set(call.callId, call);
    this.emit('call', call);
    call.run().catch((error: unknown) => {
      this.strays.push(`call failed: ${(error as Error).message}`);
      call.close();
    });
  }

  private forget(call: PeerCall): void {
    // Requests that cross the end of a call still find it for the time of a transaction: 481 is right for them too.
    this.calls.delete(call.callId);
    this.reports.push(call.report());
    if (this.reports.length > 1000) this.reports.shift();
    this.emit('ended', call);
  }

  /** A peer that listens on one address connects from there too. */
  private ownAddress(towards: string): string | undefined {
    const { address } = this.point().local;
    return isIP(address) === isIP(towards) && !/^(?:0\.0\.0\.0|::)$/.test(address) ? address : undefined;
  }

  private async flowTo(uri: string, via: string | undefined, name = this.options.tls?.serverName): Promise<Flow> {
    const parsed = parseUri(uri);
    const transport = (parsed && uriParam(parsed, 'transport')?.toLowerCase()) ?? 'udp';
    const spec = parseListen(via ?? `${transport}:${parsed?.host ?? ''}:${parsed?.port ?? defaultSipPort(transport === 'tls')}`);
    if (spec === undefined || spec.protocol === 'ws' || spec.protocol === 'wss') throw new WabError('PEER_UNREACHABLE', `no address in ${via ?? uri}`);
    const { protocol } = spec;
    if (protocol === 'udp') {
      const flow = this.agent.udp(spec.address, spec.port);
      if (flow === undefined) throw new WabError('PEER_UNREACHABLE', `no udp listener to call ${uri} from`);
      return flow;
    }
    try {
      return await this.agent.connect({
        protocol, address: spec.address, port: spec.port, host: name ?? spec.address, ca: this.options.tls?.ca, localAddress: this.ownAddress(spec.address),
      });
    } catch (error) {
      throw new WabError('PEER_UNREACHABLE', `${uri}: ${(error as Error).message}`, { cause: error });
    }
  }
}

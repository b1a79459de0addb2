import { EventEmitter } from 'node:events';
import { WabError } from '../../errors.js';
import type { MediaConfig } from '../../config/types.js';
import type { SipStack } from '../../sip/drachtio.js';
import { ENGINE_LATE_MS, RelayPool } from '../relay/relayPool.js';
import { Sessions } from '../session/sessions.js';
import type { ForkPlaces } from '../session/fork.js';
import type { Wanted } from '../session/surroundings.js';
import { EmbeddedNode, type EmbeddedPlaces } from '../embedded/node.js';
import type { EngineNode } from '../session/sides.js';
import { checkInterfaces } from '../interfaces.js';
import type { MediaLogger } from '../logger.js';
import type { Instance } from '../rtpengine/instance.js';
import type { MediaCall, MediaCallOptions, MediaEngine, MediaEngineStatus } from '../types.js';
import { Nudger } from './nudger.js';
import type { FreeswitchAddress } from './link.js';
import { FreeswitchServer } from './server.js';

export interface FreeswitchEngineOptions {
  readonly servers: readonly FreeswitchAddress[];
  /** Our relay's address, as FreeSWITCH reaches it, and its worker threads. */
  readonly relay: string;
  readonly relayWorkers: number;
  /** rtpengines for Meta's side of numbers keyed with DTLS. */
  readonly front: readonly Instance[];
  /** The relay itself does that side, at these places; null: it does not. */
  readonly own: EmbeddedPlaces | null;
  readonly forksAt: ForkPlaces;
  /** FreeSWITCH takes those numbers itself, nudged (see nudger.ts). */
  readonly nudge: boolean;
  /** A connected SIP server for the INVITEs that make channels. @throws WabError SIP_UNAVAILABLE */
  readonly stack: () => SipStack;
}

/** Channels left free on each server for those whose calls are under way. */
const RESERVE = 8;
/** Below so much idle CPU a server gets no new call while another has more, in per cent. */
const BUSY = 15;

/**
 * MediaEngine on a pool of FreeSWITCH. FreeSWITCH never begins DTLS by itself against an ICE-lite peer, which is what Meta is (INTEROP,
 * "FreeSWITCH, rtpengine and Meta's ICE-lite"): a number keyed with DTLS has the relay itself or rtpengine in front, Opus kept, and FreeSWITCH
 * towards the peers; or FreeSWITCH is nudged.
 */
export class FreeswitchEngine extends EventEmitter<{ up: []; down: [reason: string] }> implements MediaEngine {
  readonly name = 'freeswitch';
  readonly #options: FreeswitchEngineOptions;
  readonly #logger: MediaLogger;
  #servers: FreeswitchServer[];
  readonly #relays: RelayPool;
  readonly #own: EmbeddedNode | null;
  readonly #nudger: Nudger | null;
  readonly #sessions: Sessions;
  #closing: Promise<void> | null = null;

  constructor(options: FreeswitchEngineOptions, logger: MediaLogger) {
    super();
    this.#options = options;
    this.#logger = logger;
    this.#nudger = options.nudge ? new Nudger() : null;
    // switch_core_cert_verify compares what switch_core_cert_extract_fingerprint has just written over the fingerprint of the SDP.
    if (options.nudge) logger.warn({ part: 'freeswitch' }, "media.webrtc: nudge: FreeSWITCH 1.10.12 does not verify Meta's DTLS fingerprint; media.webrtc: embedded does");
    this.#servers = options.servers.map((address) => this.#newServer(address));
    this.#relays = new RelayPool({ address: options.relay, workers: options.relayWorkers, lateMs: ENGINE_LATE_MS, key: 'media.rtpengine.anchor' }, logger);
    this.#own = options.own === null ? null : new EmbeddedNode(this.#relays, options.own);
    this.#sessions = new Sessions({ pick: (wanted) => this.#pick(wanted), relays: this.#relays, relayAddress: options.relay, forksAt: this.#own?.forksAt ?? options.forksAt, logger });
    for (const node of options.front) {
      node.on('down', (reason) => this.#lost(node, reason));
      node.lastPacket = () => this.#sessions.lastPacketFrom(node);
    }
  }

  #newServer(address: FreeswitchAddress): FreeswitchServer {
    const server = new FreeswitchServer(address, this.#logger, this.#options.stack, this.#nudger);
    server.on('up', () => this.emit('up'));
    server.on('down', (reason) => this.#lost(server, reason));
    server.lastPacket = () => this.#sessions.lastPacketFrom(server);
    return server;
  }

  reload({ freeswitch }: MediaConfig): void {
    const wanted = new Set(freeswitch.map(({ host, port }) => `${host}:${port}`));
    for (const server of this.#servers) {
      const drains = !wanted.has(server.address);
      if (drains !== server.draining) this.#logger.info({ engine: server.address, calls: server.calls }, drains ? 'draining: this FreeSWITCH gets no new calls' : 'this FreeSWITCH takes calls again');
      server.draining = drains;
    }
    const known = new Set(this.#servers.map(({ address }) => address));
    const added = freeswitch.filter(({ host, port }) => !known.has(`${host}:${port}`)).map((address) => this.#newServer(address));
    this.#servers = [...this.#servers, ...added];
    // start() never rejects: one that is not there is found when it comes.
    for (const server of added) void server.start();
  }

  get faults(): number {
    return this.#relays.faults;
  }

  get healthy(): boolean {
    return this.#closing === null && this.#relays.healthy && this.#servers.some((server) => server.healthy && !server.draining);
  }

  async start(): Promise<void> {
    try {
      const { own, relay } = this.#options;
      if (own !== null) await checkInterfaces({ 'media.interface.meta': own.interface.meta, 'media.interface.peers': own.interface.peers });
      await Promise.all([this.#relays.start(), this.#nudger?.open(relay), ...[...this.#servers, ...this.#options.front].map((node) => node.start())]);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  openCall(options: MediaCallOptions): MediaCall {
    return this.#sessions.open(options);
  }

  status(): MediaEngineStatus {
    return { instances: [...this.#servers, ...this.#options.front].map(({ address, healthy, version, calls }) => ({ address, healthy, version, calls })), workers: this.#relays.load };
  }

  close(): Promise<void> {
    this.#closing ??= this.#stop();
    return this.#closing;
  }

  async #stop(): Promise<void> {
    await this.#sessions.close();
    await Promise.allSettled([this.#relays.close(), ...[...this.#servers, ...this.#options.front].map((node) => node.close())]);
    this.#nudger?.close();
  }

  /** The server the call is on, else the one with the most room: fewest calls of ours, of those that are not busy with others'. */
  #pick({ role, keying, other, tried }: Wanted): EngineNode {
    if (role === 'meta' && keying === 'dtls' && this.#nudger === null) return this.#pickFront(tried);
    const own = this.#servers.find((server) => server === other && !tried.has(server)) ?? null;
    if (own !== null && own.healthy) return own;
    const open = this.#servers.filter((server) => server.healthy && !server.draining && !tried.has(server) && server.sessions + RESERVE <= server.maxSessions);
    const quiet = open.filter((server) => server.idleCpu >= BUSY);
    const [best = own] = (quiet.length > 0 ? quiet : open).sort((a, b) => a.calls - b.calls || b.idleCpu - a.idleCpu);
    if (best === null || this.#closing) throw new WabError('MEDIA_UNAVAILABLE', 'no FreeSWITCH is healthy and has room');
    return best;
  }

  #pickFront(tried: ReadonlySet<EngineNode>): EngineNode {
    const fronts: readonly EngineNode[] = this.#own === null ? this.#options.front : [this.#own];
    const [best] = fronts.filter((one) => one.healthy && !tried.has(one)).sort((a, b) => a.calls - b.calls);
    if (!best || this.#closing) throw new WabError('MEDIA_UNAVAILABLE', this.#own === null ? 'no rtpengine is there for a call keyed with DTLS' : 'the relay has no room for a call keyed with DTLS');
    return best;
  }

  #lost(server: EngineNode, reason: string): void {
    this.#sessions.lost(server, reason);
    if (!this.healthy) this.emit('down', reason);
  }
}

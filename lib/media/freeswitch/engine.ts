import { EventEmitter } from 'node:events';
import { WabError } from '../../errors.js';
import type { SipStack } from '../../sip/drachtio.js';
import { AnchorPool } from '../anchor/anchorPool.js';
import { AnchoredCall, type Wanted } from '../anchored/call.js';
import type { EngineNode } from '../anchored/sides.js';
import type { MediaLogger } from '../logger.js';
import { RecordingShelf } from '../recording/shelf.js';
import type { MediaCall, MediaCallOptions, MediaEngine, MediaEngineStatus } from '../types.js';
import { FreeswitchServer, type FreeswitchAddress } from './server.js';

export interface FreeswitchEngineOptions {
  readonly servers: readonly FreeswitchAddress[];
  /** Our anchor's address, as FreeSWITCH reaches it, and its worker threads. */
  readonly anchor: string;
  readonly anchorWorkers: number;
  /** A connected SIP server for the INVITEs that make channels. @throws WabError SIP_UNAVAILABLE */
  readonly stack: () => SipStack;
}

/** Channels left free on each server for those whose calls are under way. */
const RESERVE = 8;
/** Below so much idle CPU a server gets no new call while another has more, in per cent. */
const BUSY = 15;

/** MediaEngine on a pool of FreeSWITCH. */
export class FreeswitchEngine extends EventEmitter<{ up: []; down: [reason: string] }> implements MediaEngine {
  readonly name = 'freeswitch';
  readonly #options: FreeswitchEngineOptions;
  readonly #logger: MediaLogger;
  readonly #servers: FreeswitchServer[];
  readonly #anchors: AnchorPool;
  readonly #recordings = new RecordingShelf();
  readonly #calls = new Set<AnchoredCall>();
  #closing: Promise<void> | null = null;

  constructor(options: FreeswitchEngineOptions, logger: MediaLogger) {
    super();
    this.#options = options;
    this.#logger = logger;
    this.#servers = options.servers.map((address) => new FreeswitchServer(address, logger, options.stack));
    this.#anchors = new AnchorPool(options.anchor, options.anchorWorkers, logger);
    for (const server of this.#servers) {
      server.on('up', () => this.emit('up'));
      server.on('down', (reason) => this.#lost(server, reason));
    }
  }

  get healthy(): boolean {
    return this.#closing === null && this.#anchors.healthy && this.#servers.some((server) => server.healthy && !server.draining);
  }

  async start(): Promise<void> {
    try {
      await Promise.all([this.#anchors.start(), ...this.#servers.map((server) => server.start())]);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  openCall(options: MediaCallOptions): MediaCall {
    const call = new AnchoredCall(options, {
      pick: (wanted) => this.#pick(wanted),
      anchors: this.#anchors,
      anchorAddress: this.#options.anchor,
      recordings: this.#recordings,
      logger: this.#logger,
      closed: (one) => this.#calls.delete(one),
    });
    this.#calls.add(call);
    return call;
  }

  status(): MediaEngineStatus {
    return { instances: this.#servers.map(({ address, healthy, version, calls }) => ({ address, healthy, version, calls })) };
  }

  close(): Promise<void> {
    this.#closing ??= this.#stop();
    return this.#closing;
  }

  async #stop(): Promise<void> {
    await Promise.allSettled([...this.#calls].map((call) => call.close()));
    await Promise.allSettled([this.#anchors.close(), ...this.#servers.map((server) => server.stop())]);
  }

  /** The server the call is on, else the one with the most room: fewest calls of ours, of those that are not busy with others'. */
  #pick({ other, tried }: Wanted): EngineNode {
    if (other !== null && other.healthy && !tried.has(other)) return other;
    const open = this.#servers.filter((server) => server.healthy && !server.draining && !tried.has(server) && server.sessions + RESERVE <= server.maxSessions);
    const quiet = open.filter((server) => server.idleCpu >= BUSY);
    const [best] = (quiet.length > 0 ? quiet : open).sort((a, b) => a.calls - b.calls || b.idleCpu - a.idleCpu);
    if (!best || this.#closing) throw new WabError('MEDIA_UNAVAILABLE', 'no FreeSWITCH is healthy and has room');
    return best;
  }

  #lost(server: FreeswitchServer, reason: string): void {
    for (const call of [...this.#calls]) if (call.isOn(server)) call.nodeGone(server, reason);
    if (!this.healthy) this.emit('down', reason);
  }
}

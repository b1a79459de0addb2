import { EventEmitter } from 'node:events';
import type { RtpengineConfig } from '../../config/types.js';
import { WabError } from '../../errors.js';
import { ENGINE_LATE_MS, RelayPool } from '../relay/relayPool.js';
import { Sessions } from '../session/sessions.js';
import type { ForkPlaces } from '../session/fork.js';
import type { EngineNode } from '../session/sides.js';
import type { MediaLogger } from '../logger.js';
import type { MediaCall, MediaCallOptions, MediaEngine, MediaEngineStatus } from '../types.js';
import type { Instance } from './instance.js';
import { RemoteInstance } from './remote.js';
import { SpawnedInstance } from './spawned.js';
import { splitHostPort } from '../../util/hostPort.js';

export interface RtpengineEngineOptions {
  /** Worker threads of the relay. One carries several hundred calls; more only help where there are cores for them. */
  readonly relayWorkers: number;
  readonly forksAt: ForkPlaces;
}

/** MediaEngine on one rtpengine of ours or a pool of the operator's. */
export class RtpengineEngine extends EventEmitter<{ up: []; down: [reason: string] }> implements MediaEngine {
  readonly name = 'rtpengine';
  readonly #instances: Instance[];
  readonly #relays: RelayPool;
  readonly #sessions: Sessions;
  #closing: Promise<void> | null = null;

  constructor(config: RtpengineConfig, logger: MediaLogger, options: RtpengineEngineOptions) {
    super();
    this.#instances = rtpengineInstances(config, logger);
    this.#relays = new RelayPool({ address: config.anchor, workers: options.relayWorkers, lateMs: ENGINE_LATE_MS, key: 'media.rtpengine.anchor' }, logger);
    this.#sessions = new Sessions({
      pick: ({ other, tried }) => (other !== null && other.healthy && !tried.has(other) ? other : this.#pick(tried, other)),
      relays: this.#relays, relayAddress: config.anchor, forksAt: options.forksAt, logger,
    });
    for (const instance of this.#instances) {
      instance.on('up', () => this.emit('up'));
      instance.on('down', (reason) => this.#lost(instance, reason));
      instance.lastPacket = () => this.#sessions.lastPacketFrom(instance);
    }
  }

  get faults(): number {
    return this.#relays.faults;
  }

  get healthy(): boolean {
    return this.#closing === null && this.#relays.healthy && this.#instances.some((instance) => instance.healthy);
  }

  async start(): Promise<void> {
    try {
      await Promise.all([this.#relays.start(), ...this.#instances.map((instance) => instance.start())]);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  openCall(options: MediaCallOptions): MediaCall {
    return this.#sessions.open(options);
  }

  /** Process ids of the engines we run. */
  get pids(): readonly number[] {
    return this.#instances.flatMap((instance) => (instance instanceof SpawnedInstance && instance.pid !== null ? [instance.pid] : []));
  }

  /** ng calls that the healthy engines hold by their own account, whoever made them. */
  async engineCalls(): Promise<number> {
    const lists = await Promise.all(this.#instances.filter((one) => one.healthy).map((one) => one.request('list', { limit: 10_000 })));
    return lists.reduce((sum, { calls }) => sum + (Array.isArray(calls) ? calls.length : 0), 0);
  }

  status(): MediaEngineStatus {
    return { instances: this.#instances.map(({ address, healthy, version, calls }) => ({ address, healthy, version, calls })), workers: this.#relays.load };
  }

  close(): Promise<void> {
    this.#closing ??= this.#stop();
    return this.#closing;
  }

  async #stop(): Promise<void> {
    await this.#sessions.close();
    await Promise.allSettled([this.#relays.close(), ...this.#instances.map((instance) => instance.close())]);
  }

  /** `other`: the engine that the call is on, for where there is none better. */
  #pick(tried: ReadonlySet<EngineNode>, other: EngineNode | null): EngineNode {
    const [best = other] = this.#instances.filter((instance) => instance.healthy && !tried.has(instance)).sort((a, b) => a.calls - b.calls);
    if (best === null || tried.has(best) || this.#closing) throw new WabError('MEDIA_UNAVAILABLE', 'no rtpengine is healthy');
    return best;
  }

  #lost(instance: Instance, reason: string): void {
    this.#sessions.lost(instance, reason);
    if (!this.healthy) this.emit('down', reason);
  }
}

/** The engines of a configuration, not yet started: one of ours, or those of the operator. */
export function rtpengineInstances(config: RtpengineConfig, logger: MediaLogger): Instance[] {
  return config.spawn ? [new SpawnedInstance(config, logger)] : config.control.map((address) => remote(address, logger));
}

function remote(address: string, logger: MediaLogger): RemoteInstance {
  const at = splitHostPort(address);
  if (at === null || at.port === null) throw new WabError('CONFIG_INVALID', `media.rtpengine.control: ${address} is not host:port`);
  return new RemoteInstance(at.host, at.port, logger);
}

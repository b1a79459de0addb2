import { EventEmitter } from 'node:events';
import { WabError } from '../../errors.js';
import { checkInterfaces } from '../interfaces.js';
import type { MediaLogger } from '../logger.js';
import { RelayPool } from '../relay/relayPool.js';
import { Sessions } from '../session/sessions.js';
import type { MediaCall, MediaCallOptions, MediaEngine, MediaEngineStatus } from '../types.js';
import { EmbeddedNode, type EmbeddedPlaces } from './node.js';

/** A thread whose timer is late by so much on the average gets no new calls, in milliseconds: a receiver's jitter buffer still covers that. */
const LATE_MS = 60;

export interface EmbeddedOptions extends EmbeddedPlaces {
  /** Threads that carry the packets. */
  readonly workers: number;
}

/** MediaEngine of our own: every packet passes the relay, once, which holds keys and codecs. No program besides this one. */
export class EmbeddedEngine extends EventEmitter<{ up: []; down: [reason: string] }> implements MediaEngine {
  readonly name = 'embedded';
  readonly #relays: RelayPool;
  readonly #node: EmbeddedNode;
  readonly #options: EmbeddedOptions;
  readonly #sessions: Sessions;
  #closing: Promise<void> | null = null;

  constructor(options: EmbeddedOptions, logger: MediaLogger) {
    super();
    this.#options = options;
    this.#relays = new RelayPool({ address: null, workers: options.workers, lateMs: LATE_MS, key: 'media.workers' }, logger);
    this.#node = new EmbeddedNode(this.#relays, options);
    this.#sessions = new Sessions({
      pick: ({ tried }) => {
        if (tried.has(this.#node) || this.#closing !== null) throw new WabError('MEDIA_UNAVAILABLE', 'the media engine cannot take the call');
        return this.#node;
      },
      relays: this.#relays, relayAddress: '', forksAt: this.#node.forksAt, logger,
    });
  }

  get faults(): number {
    return this.#relays.faults;
  }

  get healthy(): boolean {
    return this.#closing === null && this.#node.healthy;
  }

  async start(): Promise<void> {
    try {
      const { meta, peers } = this.#options.interface;
      await checkInterfaces({ 'media.interface.meta': meta, 'media.interface.peers': peers });
      await this.#relays.start();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  openCall(options: MediaCallOptions): MediaCall {
    return this.#sessions.open(options);
  }

  status(): MediaEngineStatus {
    const { address, healthy, calls } = this.#node;
    return { instances: [{ address, healthy, version: null, calls }], workers: this.#relays.load };
  }

  close(): Promise<void> {
    this.#closing ??= this.#stop();
    return this.#closing;
  }

  async #stop(): Promise<void> {
    await this.#sessions.close();
    await this.#relays.close();
  }
}

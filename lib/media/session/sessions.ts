import type { MediaLogger } from '../logger.js';
import { Recorder } from '../recording/recorder.js';
import { RecordingShelf } from '../prompts/shelf.js';
import type { RelayPool } from '../relay/relayPool.js';
import type { MediaCallOptions } from '../types.js';
import { MediaSession } from './session.js';
import type { EngineNode } from './sides.js';
import type { CallSurroundings } from './surroundings.js';

/** What calls of an engine share: how it picks a node, its relay and where that is reached. */
export interface SessionsOptions extends Pick<CallSurroundings, 'pick' | 'relays' | 'relayAddress' | 'forksAt'> {
  readonly relays: RelayPool;
  readonly logger: MediaLogger;
}

/** The calls of one engine. */
export class Sessions {
  readonly #around: CallSurroundings;
  readonly #calls = new Set<MediaSession>();

  constructor(options: SessionsOptions) {
    this.#around = { ...options, recordings: new RecordingShelf(), recorder: new Recorder(options.logger), closed: (call) => this.#calls.delete(call) };
  }

  open(options: MediaCallOptions): MediaSession {
    const call = new MediaSession(options, this.#around);
    this.#calls.add(call);
    return call;
  }

  /** An engine is gone, with all that it held. */
  lost(node: EngineNode, reason: string): void {
    for (const call of [...this.#calls]) if (call.isOn(node)) call.nodeGone(node, reason);
  }

  /** How long ago the youngest packet of this engine came, of all that its calls have from it, in milliseconds; Infinity: there is none. */
  async lastPacketFrom(node: EngineNode): Promise<number> {
    const ages = await Promise.all([...this.#calls].map((call) => call.lastPacketFrom(node)));
    return ages.reduce((least, age) => Math.min(least, age), Infinity);
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#calls].map((call) => call.close()));
    await this.#around.recorder.close();
  }
}

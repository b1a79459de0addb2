import { setTimeout as sleep } from 'node:timers/promises';
import { Serial } from '../../util/serial.js';
import type { Bridge } from '../bridge.js';

/** How long the user's side may take to be there to hear, in tries of 50 ms: on a dtls number keys are agreed after the answer. */
const triesToHear = 30;

/** What both who talk are told before a call is recorded, each once in a call, whoever records it. */
export class Announcements {
  readonly #bridge: Pick<Bridge, 'call' | 'media' | 'comfort' | 'current'>;
  readonly #said = new Map<string, Promise<void>>();
  readonly #turns = new Serial();

  constructor(bridge: Pick<Bridge, 'call' | 'media' | 'comfort' | 'current'>) {
    this.#bridge = bridge;
  }

  /** Resolves when both have heard this sound file to its end. @throws Error where it cannot be said, or something else was heard instead */
  heard(file: string): Promise<void> {
    const known = this.#said.get(file);
    if (known !== undefined) return known;
    const said = this.#turns.run(() => this.#say(file));
    this.#said.set(file, said);
    // Whoever wants to record later tries anew.
    said.catch(() => this.#said.delete(file));
    return said;
  }

  async #say(file: string): Promise<void> {
    const { call, media, comfort } = this.#bridge;
    for (let tries = 0; tries < triesToHear && !call.over && (await media.stats()).meta.packetsIn === 0; tries += 1) await sleep(50);
    if (call.over) throw new Error('the call has ended');
    this.#bridge.current?.leg.play({ file, loop: false }).catch((error: Error) => call.log.warn({ file, err: error.message }, 'the peer does not hear that the call is recorded'));
    if (!await comfort.announced(file)) throw new Error('the announcement was not heard to its end');
  }
}

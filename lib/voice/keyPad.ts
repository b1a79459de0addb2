import type { MediaCall } from '../media/types.js';
import { deferred } from '../util/deferred.js';

/** Keys that are kept for whoever asks next; what somebody presses beyond is dropped. */
const mostAhead = 16;

/** The keys that the user presses, each for one who asks for it; what was pressed before anybody asked waits. */
export class KeyPad {
  readonly #ahead: string[] = [];
  #taker: ((key: string | null) => void) | null = null;

  constructor(media: Pick<MediaCall, 'on'>) {
    media.on('dtmf', (digit) => { this.#press(digit); });
  }

  #press(digit: string): void {
    if (!/^[0-9*#]$/.test(digit)) return;
    const taker = this.#taker;
    this.#taker = null;
    if (taker !== null) taker(digit);
    else if (this.#ahead.length < mostAhead) this.#ahead.push(digit);
  }

  /** A key that was pressed ahead; null: none was. */
  ahead(): string | null {
    return this.#ahead.shift() ?? null;
  }

  /** The next key, or null when `until` settles before one is pressed. One asks at a time. */
  next(until: Promise<unknown>): Promise<string | null> {
    const ahead = this.ahead();
    if (ahead !== null) return Promise.resolve(ahead);
    const { promise, resolve } = deferred<string | null>();
    const giveUp = (): void => {
      if (this.#taker !== resolve) return;
      this.#taker = null;
      resolve(null);
    };
    this.#taker = resolve;
    until.then(giveUp, giveUp);
    return promise;
  }

  /** It was pressed while nobody was asked for a key, and is the first one for who asks next. */
  putBack(key: string): void {
    this.#ahead.unshift(key);
  }

  /** What was pressed ahead was meant for nothing that comes. */
  forget(): void {
    this.#ahead.length = 0;
  }
}

import { SHIPPED_MUSIC } from '../../media/index.js';
import type { MediaCall } from '../../media/types.js';
import type { Logger } from '../../observe/logger.js';

/** Why nobody talks to the WhatsApp user, the most telling last: the PBX still rings, a PBX user holds the call, the API does, the call is being transferred. */
const reasons = ['queue', 'hold', 'order', 'transfer'] as const;
export type Wait = (typeof reasons)[number];

/** What is played: a file, or nothing of ours, so that what the peer sends is heard and silence otherwise. */
export type Sound = string | null;

interface Music {
  readonly sound: Sound;
  readonly yields: boolean;
  readonly once?: true;
  /** Is told that it was heard to its end, or not; or why it cannot be heard. */
  readonly ended?: (heard: boolean | Error) => void;
}

const SILENCE: Music = { sound: null, yields: false };

/**
 * What the WhatsApp user hears while they wait. Several reasons may stand at once (a held call that is transferred); the last to end
 * gives the word back to the peer. Played on the Meta leg's own stream, which goes on unchanged (house rule 1).
 */
export class Comfort {
  readonly #media: MediaCall;
  readonly #log: Logger;
  readonly #waits = new Map<Wait, Music>();
  #playing: Music = SILENCE;
  #announced: Music | null = null;

  constructor(media: MediaCall, log: Logger) {
    this.#media = media;
    this.#log = log;
  }

  get waiting(): readonly Wait[] {
    return reasons.filter((wait) => this.#waits.has(wait));
  }

  /** `yields`: what the peer sends is heard instead, for as long as it sends anything. */
  begin(wait: Wait, sound: Sound, yields = false): void {
    this.#waits.set(wait, sound === null ? SILENCE : { sound, yields });
    this.#apply();
  }

  end(wait: Wait): void {
    if (this.#waits.delete(wait)) this.#apply();
  }

  /** Plays this before anything else, to its end or in a loop; null: what was played so is over. What cannot be played is passed over, and told in the log. */
  announce(what: { readonly file: string; readonly loop: boolean } | null): void {
    this.#announce(what === null ? null : { sound: what.file, yields: false, ...(what.loop ? {} : { once: true }) });
  }

  /** The same once. Resolves at its end: whether it was heard to that, or something else was announced. @throws Error where it cannot be played */
  announced(file: string): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#announce({ sound: file, yields: false, once: true, ended: (heard) => { if (typeof heard === 'boolean') resolve(heard); else reject(heard); } });
    });
  }

  #announce(music: Music | null, how: boolean | Error = false): void {
    const before = this.#announced;
    this.#announced = music;
    this.#apply();
    before?.ended?.(how);
  }

  #apply(): void {
    if (this.#announced !== null) {
      if (this.#announced !== this.#playing) this.#play(this.#announced);
      return;
    }
    const wait = this.waiting.at(-1);
    const music = (wait === undefined ? null : this.#waits.get(wait)) ?? SILENCE;
    if (music.sound === this.#playing.sound && music.yields === this.#playing.yields && this.#playing.once !== true) return;
    this.#play(music);
  }

  #play(music: Music): void {
    this.#playing = music;
    const { sound, yields, once = false } = music;
    const over = (how: boolean | Error): void => {
      if (this.#announced === music) this.#announce(null, how);
    };
    // Resolves when the recording ends or is replaced.
    this.#media.play(sound === null ? null : { file: sound, loop: !once, yields }).then(() => { if (once) over(true); }, (error: Error) => {
      this.#log.warn({ file: sound, err: error.message }, 'the music cannot be played');
      if (this.#announced === music) return over(error);
      if (sound !== SHIPPED_MUSIC && this.#playing === music) this.#play({ sound: SHIPPED_MUSIC, yields });
    });
  }
}

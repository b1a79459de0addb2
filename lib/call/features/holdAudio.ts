import { SHIPPED_MUSIC } from '../../media/index.js';
import type { MediaCall } from '../../media/types.js';
import type { Logger } from '../../observe/logger.js';

/** Why nobody talks to the WhatsApp user, the most telling last: the PBX still rings, a PBX user holds the call, the call is being transferred. */
const reasons = ['queue', 'hold', 'transfer'] as const;
export type Wait = (typeof reasons)[number];

/** What is played: a file, or nothing of ours, so that what the peer sends is heard and silence otherwise. */
export type Sound = string | null;

interface Music { readonly sound: Sound; readonly yields: boolean }

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

  #apply(): void {
    const wait = this.waiting.at(-1);
    const music = (wait === undefined ? null : this.#waits.get(wait)) ?? SILENCE;
    if (music.sound === this.#playing.sound && music.yields === this.#playing.yields) return;
    this.#play(music);
  }

  #play(music: Music): void {
    this.#playing = music;
    const { sound, yields } = music;
    // Resolves when the recording ends or is replaced: nobody waits for that.
    this.#media.play(sound === null ? null : { file: sound, loop: true, yields }).catch((error: Error) => {
      this.#log.warn({ file: sound, err: error.message }, 'the music cannot be played');
      if (sound !== SHIPPED_MUSIC && this.#playing === music) this.#play({ sound: SHIPPED_MUSIC, yields });
    });
  }
}

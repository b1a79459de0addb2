import type { RecordingShelf } from '../prompts/shelf.js';
import type { RelayHandle } from '../relay/handle.js';
import type { RelayCodec } from '../relay/rtp.js';
import type { MediaCall } from '../types.js';

/** Recordings towards Meta: the one asked for last is heard, however long the file of another takes to be read. */
export class Plays {
  readonly #recordings: RecordingShelf;
  #turn = 0;

  constructor(recordings: RecordingShelf) {
    this.#recordings = recordings;
  }

  /** `relay` is asked once the file is read; null: there is none, or no longer. Null as `source` stops what plays. */
  async play(source: Parameters<MediaCall['play']>[0], codec: RelayCodec, relay: () => RelayHandle | null): Promise<void> {
    const turn = (this.#turn += 1);
    if (source === null) {
      await relay()?.play(null, false);
      return;
    }
    const frames = await this.#recordings.frames(source.file, codec);
    // Another play or stop came while the file was read.
    if (turn === this.#turn) await relay()?.play(frames, source.loop, source.yields ?? false);
  }
}

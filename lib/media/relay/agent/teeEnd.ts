import type { MessagePort } from 'node:worker_threads';
import type { CodecName } from '../../codec/index.js';
import { Player } from '../../transcode/player.js';
import type { Track } from '../messages.js';
import { FRAME_MS, RTP_HEADER } from '../rtp.js';
import type { EndSettings } from './words.js';

/** Frames of ours that are late are not made up for, in milliseconds. */
const STALL_MS = 100;
/** Frames that may be on their way to whoever reads the port; more are lost. */
const MOST_UNREAD = 50;

/** A copy of what both sides of a call say, as linear audio on one clock: frames of 20 ms, the user's samples and those the user hears in turn. It changes nothing. */
export class TeeEnd {
  readonly #link: MessagePort;
  readonly #read: Int32Array;
  readonly #players: { readonly user: Player; readonly other: Player };
  readonly #samples: number;
  #due: number | null = null;
  #sent = 0;
  #closed = false;

  /** `codec`: Meta's. */
  constructor({ link, sampleRate, read }: EndSettings, codec: CodecName) {
    this.#link = link;
    // Whoever reads it has gone: nothing is decoded for nobody.
    link.once('close', () => this.close());
    this.#read = new Int32Array(read);
    this.#samples = (sampleRate * FRAME_MS) / 1000;
    this.#players = { user: new Player({ codec }, sampleRate, FRAME_MS), other: new Player({ codec }, sampleRate, FRAME_MS) };
  }

  /** A packet of audio of the user's, or one that goes to the user: it is copied, for it is changed on its way. */
  take(track: Track, packet: Buffer, now: number): void {
    if (this.#closed) return;
    this.#players[track].push(Buffer.from(packet), RTP_HEADER, now);
    this.#due ??= now;
  }

  /** Call it every 5 ms. */
  tick(now: number): void {
    if (this.#due === null || this.#closed) return;
    if (now - this.#due > STALL_MS) this.#due = now;
    while (this.#due <= now) {
      this.#post(this.#due);
      this.#due += FRAME_MS;
    }
  }

  #post(at: number): void {
    const frame = new Int16Array(2 * this.#samples);
    for (const [offset, player] of [this.#players.user, this.#players.other].entries()) {
      const pcm = player.next(at);
      if (pcm === null) player.pause();
      else for (let i = 0; i < pcm.length; i += 1) frame[2 * i + offset] = pcm[i] as number;
    }
    if (this.#sent - Atomics.load(this.#read, 0) >= MOST_UNREAD) return;
    this.#sent += 1;
    this.#link.postMessage(frame, [frame.buffer]);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#players.user.close();
    this.#players.other.close();
    this.#link.close();
  }
}

import type { MessagePort } from 'node:worker_threads';
import { makeEncoder, type AudioEncoder, type CodecName } from '../../codec/index.js';
import { Player } from '../../transcode/player.js';
import type { LiveSource } from '../outStream.js';
import { FRAME_MS, RTP_HEADER } from '../rtp.js';
import { Speech } from './speech.js';
import type { EndSettings, EndWord } from './words.js';

/** Towards Opus, as where it is transcoded (META-SIP §6.1). */
const BITS = 20_000;
/** Frames of ours that are late are not made up for, in milliseconds. */
const STALL_MS = 100;
/** What nobody takes for so long is said to nobody, at its pace: the user is on hold. In milliseconds. */
const UNHEARD_MS = 60;
/** Frames that may be on their way to whoever reads the port; more are lost, so that one who stalls costs no memory. */
const MOST_UNREAD = 50;

/**
 * The end of a call where a voice agent is: what the user says leaves by a port as linear audio, a frame each 20 ms, and what the agent says is taken
 * frame by frame by Meta's stream as each is due. So a mark is reached, and a clear takes effect, with the frame that leaves.
 */
export class PcmEnd implements LiveSource {
  /** Frames of the agent's that left, and frames that were sent to it. */
  taken = 0;
  sent = 0;
  /** Frames that its port had no room for, and frames of its own that there was no room for. */
  unread = 0;
  readonly rate: number;
  readonly #link: MessagePort;
  /** How many frames whoever reads the port has taken, in shared memory. */
  readonly #read: Int32Array;
  readonly #player: Player;
  readonly #speech: Speech;
  #encoder: AudioEncoder | null = null;
  #codec: CodecName;
  /** When the next frame for the agent is due; null: nobody speaks to it. */
  #due: number | null = null;
  #takenAt = Infinity;
  #closed = false;

  /** `codec`: what it is sent, and sends. */
  constructor({ link, sampleRate, read }: EndSettings, codec: CodecName) {
    this.#link = link;
    this.rate = sampleRate;
    this.#read = new Int32Array(read);
    this.#codec = codec;
    this.#player = new Player({ codec }, sampleRate, FRAME_MS);
    this.#speech = new Speech(sampleRate);
  }

  /** Octets of a frame, as the agent has it. */
  get frameBytes(): number {
    return (this.rate * FRAME_MS * 2) / 1000;
  }

  get lost(): number {
    return Math.ceil(this.#speech.lost / ((this.rate * FRAME_MS) / 1000));
  }

  /** Takes one packet of the stream towards the agent. */
  send(packet: Buffer): void {
    if (!this.#closed) this.#player.push(packet, RTP_HEADER, performance.now());
  }

  /** What came by the port. */
  take(word: EndWord, now: number): void {
    if (this.#closed) return;
    if (word instanceof Int16Array) this.#speech.say(word, now);
    else if ('lost' in word) this.#speech.lost += word.lost;
    else if ('clear' in word) this.#reached([...this.#speech.clear(), ...word.marks], true);
    else if (this.#speech.mark(word.mark)) this.#reached([word.mark], false);
  }

  /** Sends what is due to the agent. Call it every 5 ms. */
  tick(now: number): void {
    if (now - this.#takenAt > UNHEARD_MS) {
      this.#takenAt += FRAME_MS;
      this.#pass(now);
    }
    if (this.#due === null || now - this.#due > STALL_MS) {
      const first = this.#player.next(now);
      this.#due = first === null ? null : now + FRAME_MS;
      if (first !== null) this.#post(first);
    }
    while (this.#due !== null && this.#due <= now) {
      const frame = this.#player.next(this.#due);
      if (frame === null) {
        this.#due = null;
        this.#player.pause();
      } else {
        this.#due += FRAME_MS;
        this.#post(frame);
      }
    }
  }

  next(now: number, heard: boolean): Buffer | null {
    this.#takenAt = now;
    const said = this.#speech.next(now);
    if (said === null) return null;
    this.#reached(said.marks, false);
    if (!heard) return null;
    this.taken += 1;
    this.#encoder ??= makeEncoder(this.#codec, this.#player.rate, { bitrate: BITS, fec: true });
    return this.#encoder.encode(said.frame);
  }

  /** Meta's stream is in this codec. */
  speaks(codec: CodecName): void {
    if (codec === this.#codec) return;
    this.#codec = codec;
    this.#encoder?.close();
    this.#encoder = null;
  }

  /** How much of Meta's stream gets lost, 0 to 1. */
  expectLoss(share: number): void {
    this.#encoder?.expectLoss(Math.round(share * 100));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#player.close();
    this.#encoder?.close();
    this.#link.close();
  }

  /** Said to nobody. */
  #pass(now: number): void {
    const said = this.#speech.next(now);
    if (said !== null) this.#reached(said.marks, false);
  }

  #reached(marks: readonly string[], cleared: boolean): void {
    for (const mark of marks) this.#link.postMessage({ mark, cleared } satisfies EndWord);
  }

  #post(frame: Int16Array): void {
    if (this.sent - this.unread - Atomics.load(this.#read, 0) >= MOST_UNREAD) this.unread += 1;
    else {
      const copy = frame.slice();
      this.#link.postMessage(copy, [copy.buffer]);
    }
    this.sent += 1;
  }
}

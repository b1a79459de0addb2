import type { MessagePort } from 'node:worker_threads';
import type { OutStream } from '../relay/outStream.js';
import { clockRate, FRAME_MS, opusSamples, RTP_HEADER, type RelayCodec } from '../relay/rtp.js';
import { BatchWriter, SLOT_MS, type Mark } from './batch.js';
import { Ahead, Arrival, Slots } from './placer.js';

/** How often what was heard is handed over, in milliseconds. */
const HAND_OVER_MS = 100;
/** Batches that the recorder has not taken yet; beyond, further ones are lost: thirty seconds. */
const MOST_WAITING = 300;

/** What a recording needs of its tap. */
export interface TapOptions {
  readonly port: Pick<MessagePort, 'postMessage' | 'close'>;
  /** Batches posted, and batches taken. */
  readonly pending: Int32Array;
  /** The business is recorded too; nobody is while it does not listen: a hold is silence. */
  readonly both: boolean;
}

/**
 * One recording, as the thread that carries the call has it: copies what comes from Meta and what goes there, says where it belongs, and hands it over.
 * Its clock is that of the stream towards Meta (OutStream.whenOf): what leaves as something comes stands beside it. Times are milliseconds of
 * performance.now().
 */
export class Tap {
  readonly #options: TapOptions;
  readonly #batch = new BatchWriter();
  readonly #user = new Slots();
  readonly #business = new Slots();
  readonly #arrival = new Arrival();
  readonly #ahead = new Ahead();
  /** When it began, by the stream; null: that has not. */
  #origin: number | null = null;
  /** By how much the business' frames stand later in the recording than they were sent: less than a slot. */
  #warp = 0;
  #handedOver = 0;
  #paused = false;
  #unheard = false;
  /** What was said before is not recorded, however late it comes. */
  #from = 0;
  #userFrom = 0;
  #lost = 0;
  #over = false;

  constructor(options: TapOptions) {
    this.#options = options;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** A packet of audio came from the user. */
  user(packet: Buffer, codec: RelayCodec, now: number): void {
    if (this.#origin === null) return;
    const came = this.#arrival.place(packet, now, clockRate(codec) / 1000);
    if (this.#paused || this.#unheard) return;
    this.#add('user', this.#user, packet, { codec, ms: lengthOf(packet, codec), at: this.#at(came) + this.#warp });
  }

  /** A packet of audio is sent to the user. */
  business(packet: Buffer, codec: RelayCodec, { stream, now }: { readonly stream: OutStream; readonly now: number }): void {
    const sent = stream.whenOf(packet.readUInt32BE(4));
    if (sent === null) return;
    this.#origin ??= sent;
    this.#ahead.take(sent - now, stream.lead.leftOut, now);
    if (this.#paused || this.#unheard || !this.#options.both) return;
    const at = sent - this.#origin;
    const slot = this.#add('business', this.#business, packet, { codec, ms: lengthOf(packet, codec), at });
    if (slot >= 0) this.#warp = slot * SLOT_MS - at;
  }

  #add(kind: 'user' | 'business', slots: Slots, packet: Buffer, { codec, ms, at }: { readonly codec: RelayCodec; readonly ms: number; readonly at: number }): number {
    if (ms <= 0) return -1;
    const slot = ms < FRAME_MS ? slots.within(at) : slots.place(at, Math.ceil(ms / SLOT_MS - 0.01));
    if (slot >= (kind === 'user' ? Math.max(this.#from, this.#userFrom) : this.#from)) this.#batch.add(kind, slot, codec, packet.subarray(RTP_HEADER));
    return slot;
  }

  pause(now: number): void {
    if (!this.#paused) this.#mark('pause', now);
    this.#paused = true;
  }

  resume(now: number): void {
    if (this.#paused) this.#from = this.#mark('resume', now);
    this.#paused = false;
  }

  /** Hands over what is due. `listened`: somebody at the business hears the user. */
  tick(listened: boolean, now: number): void {
    if (this.#origin === null) return;
    const unheard = this.#options.both && !listened;
    if (unheard !== this.#unheard) {
      const slot = this.#mark(unheard ? 'hold' : 'unhold', now);
      if (!unheard) this.#userFrom = slot;
      this.#unheard = unheard;
    }
    if (now - this.#handedOver >= HAND_OVER_MS) this.#handOver(now);
  }

  /** It ends; nothing is handed over after that. May be called twice. */
  end(why: 'stopped' | 'closed', now: number): void {
    if (this.#over) return;
    this.#over = true;
    this.#mark(why, now);
    this.#post(Math.round(this.#at(now) / SLOT_MS));
    this.#options.port.close();
  }

  /** Milliseconds since the recording began: where the stream towards Meta is at `time`. */
  #at(time: number): number {
    return this.#origin === null ? 0 : Math.max(0, time + this.#ahead.ms - this.#origin);
  }

  /** Gives the slot. */
  #mark(mark: Mark, now: number): number {
    const slot = Math.round(this.#at(now) / SLOT_MS);
    this.#batch.add(mark, slot);
    return slot;
  }

  #handOver(now: number): void {
    this.#handedOver = now;
    const { pending } = this.#options;
    if (Atomics.load(pending, 0) - Atomics.load(pending, 1) >= MOST_WAITING) this.#lost += this.#batch.drop();
    else this.#post(Math.floor(this.#at(now) / SLOT_MS));
  }

  #post(until: number): void {
    const bytes = this.#batch.take(until, this.#lost);
    this.#lost = 0;
    Atomics.add(this.#options.pending, 0, 1);
    this.#options.port.postMessage(bytes, [bytes.buffer as ArrayBuffer]);
  }
}

/** Milliseconds of audio in a packet. */
function lengthOf(packet: Buffer, codec: RelayCodec): number {
  return codec === 'opus' ? opusSamples(packet, RTP_HEADER) / 48 : (packet.length - RTP_HEADER) / 8;
}

import { randomInt } from 'node:crypto';
import { Listener, Speaker, type Frame } from './track.js';
import { RecordingFile } from './file.js';
import { FIRST_PAGE, LAST_PAGE, oggPage, opusHead, opusTags, segmentsOf } from './ogg.js';
import { silentPacket, writeOpus } from './opusPacket.js';
import { wavHeader, WAV_HEADER } from './wav.js';

/** Slots that are written together: half a second is lost at most where the process is killed, beside what is under way. */
const TOGETHER = 25;
/** Samples at 48 kHz in a slot. */
const SLOT = 960;
/** Segments of a page after which a further slot might have no room. */
const NEARLY_FULL = 200;

/** Where slots go, one after the other, a frame for each channel. */
export interface Sink {
  readonly file: RecordingFile;
  /** @throws as write(2) */
  write(frames: readonly (Frame | null)[]): void;
  /** Writes what has not been, and what tells that the file is whole. @throws as write(2) */
  finish(): void;
  /** Frees all. May be called twice. */
  close(): void;
}

/** Ogg Opus: packets of Opus as they came, what else there is encoded. */
export class OggSink implements Sink {
  readonly file: RecordingFile;
  readonly #serial = randomInt(0x1_0000_0000);
  readonly #speakers: readonly Speaker[];
  #pages = 0;
  #granule = 0;
  #packets: Buffer[] = [];
  #segments = 0;

  /** @throws as open(2), write(2) */
  constructor(path: string, channels: 1 | 2) {
    this.file = new RecordingFile(path);
    this.#speakers = Array.from({ length: channels }, () => new Speaker());
    // RFC 7845 §4.2: something to skip is expected; a slot of silence is, so that a slot is as long as it is long.
    this.#page([opusHead(channels, SLOT)], FIRST_PAGE);
    this.#page([opusTags()], 0);
    this.write(this.#speakers.map(() => null));
  }

  write(frames: readonly (Frame | null)[]): void {
    // The last slot is kept back: the last page has at least one.
    if (this.#packets.length > TOGETHER || this.#segments > NEARLY_FULL) this.#flush(0);
    const last = this.#speakers.length - 1;
    const packet = Buffer.concat(this.#speakers.map((speaker, i) => {
      const frame = frames[i] ?? null;
      return writeOpus((frame === null ? null : speaker.packet(frame)) ?? silentPacket(), i < last);
    }));
    this.#packets.push(packet);
    this.#segments += segmentsOf(packet);
  }

  finish(): void {
    this.#flush(LAST_PAGE);
  }

  #flush(flags: number): void {
    const packets = this.#packets;
    this.#packets = [];
    this.#segments = 0;
    this.#granule += packets.length * SLOT;
    this.#page(packets, flags);
  }

  #page(packets: readonly Buffer[], flags: number): void {
    this.file.append(oggPage(packets, { serial: this.#serial, number: this.#pages, granule: this.#granule, flags }));
    this.#pages += 1;
  }

  close(): void {
    for (const speaker of this.#speakers) speaker.close();
    this.file.close();
  }
}

/** WAV of 16 bits, its header as right as what is there. */
export class WavSink implements Sink {
  readonly file: RecordingFile;
  readonly #rate: 8000 | 16_000;
  readonly #listeners: readonly Listener[];
  readonly #piece: Buffer;
  #slots = 0;

  /** @throws as open(2), write(2) */
  constructor(path: string, channels: 1 | 2, rate: 8000 | 16_000) {
    this.file = new RecordingFile(path);
    this.#rate = rate;
    this.#listeners = Array.from({ length: channels }, () => new Listener(rate));
    this.#piece = Buffer.alloc(TOGETHER * (rate / 50) * channels * 2);
    this.file.append(wavHeader(channels, rate, 0));
  }

  write(frames: readonly (Frame | null)[]): void {
    const channels = this.#listeners.length;
    const samples = this.#rate / 50;
    const at = this.#slots * samples * channels * 2;
    this.#listeners.forEach((listener, channel) => {
      const pcm = listener.hear(frames[channel] ?? null);
      for (let i = 0; i < samples; i += 1) this.#piece.writeInt16LE(pcm[i] as number, at + 2 * (i * channels + channel));
    });
    this.#slots += 1;
    if (this.#slots === TOGETHER) this.finish();
  }

  finish(): void {
    const channels = this.#listeners.length;
    const bytes = this.#slots * (this.#rate / 50) * channels * 2;
    this.#slots = 0;
    if (bytes === 0) return;
    this.file.append(this.#piece.subarray(0, bytes));
    this.file.replace(wavHeader(channels as 1 | 2, this.#rate, this.file.bytes - WAV_HEADER), 0);
  }

  close(): void {
    for (const listener of this.#listeners) listener.close();
    this.file.close();
  }
}

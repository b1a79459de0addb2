import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { RecordingEnd, RecordingResult, Span } from '../types.js';
import { readBatch, SLOT_MS, type Batch, type Channel, type Mark } from './batch.js';
import { OggSink, WavSink, type Sink } from './sinks.js';
import { Listener, Track, type Frame } from './track.js';

/** What comes so much later than it should is still written, in slots: 300 ms. */
const DELAY = 15;
/** Root of the mean square of 20 ms below which nobody speaks: about -44 dBFS, above what a microphone hears of a room. */
const QUIET = 200;

/** What one recording is to be. */
export interface TakeOptions {
  /** With its extension. */
  readonly file: string;
  readonly format: 'ogg' | 'wav';
  readonly channels: 'user' | 'both';
  /** Of WAV. */
  readonly rate: 8000 | 16_000;
  readonly maxSeconds: number | null;
  readonly silenceSeconds: number | null;
}

/** What the service is told while it goes on. */
export interface TakeNews {
  /** Spans that have begun or ended, in seconds since the beginning. */
  marked(mark: Mark, seconds: number): void;
  ended(why: RecordingEnd, detail: string | null, result: RecordingResult): void;
}

/** One recording, as the recorder's thread has it: batches in, a file out. */
export class Take {
  readonly #options: TakeOptions;
  readonly #news: TakeNews;
  readonly #tracks: ReadonlyMap<Channel, Track>;
  readonly #ear: Listener | null;
  #sink: Sink | null = null;
  #slots = 0;
  /** Slots for which the user has said nothing. */
  #quiet = 0;
  #over = false;
  readonly #spans: Record<'pauses' | 'holds' | 'gaps', Span[]> = { pauses: [], holds: [], gaps: [] };
  readonly #open = new Map<'pauses' | 'holds', number>();
  #lost = 0;
  #toldUntil = 0;

  constructor(options: TakeOptions, news: TakeNews) {
    this.#options = options;
    this.#news = news;
    this.#tracks = new Map((options.channels === 'both' ? ['user', 'business'] as const : ['user'] as const).map((channel) => [channel, new Track()]));
    this.#ear = options.silenceSeconds === null ? null : new Listener(8000);
  }

  get over(): boolean {
    return this.#over;
  }

  /** Makes the file. One that cannot be made ends it. */
  begin(): void {
    const { file, format, channels, rate } = this.#options;
    const count = channels === 'both' ? 2 : 1;
    this.#guarded(() => { this.#sink = format === 'ogg' ? new OggSink(file, count) : new WavSink(file, count, rate); });
  }

  take(bytes: Uint8Array): void {
    if (this.#over) return;
    const batch = readBatch(bytes);
    if (batch.lost > 0) this.#gap(batch);
    this.#toldUntil = batch.until;
    for (const entry of batch.entries) {
      if (entry.kind === 'user' || entry.kind === 'business') {
        this.#tracks.get(entry.kind)?.take(entry.slot, entry.codec, entry.payload);
      } else if (entry.kind === 'stopped' || entry.kind === 'closed') {
        this.#guarded(() => this.#write(Math.max(entry.slot, this.#slots)));
        this.end(entry.kind, null);
        return;
      } else {
        this.#mark(entry.kind, entry.slot);
      }
    }
    this.#guarded(() => this.#write(batch.until - DELAY));
  }

  /** Whatever was lost lay between what was told before and the beginning of this batch. */
  #gap({ lost, until }: Batch): void {
    this.#lost += lost;
    this.#spans.gaps.push({ from: seconds(this.#toldUntil), to: seconds(until) });
  }

  #mark(mark: Exclude<Mark, 'stopped' | 'closed'>, slot: number): void {
    const kind = mark === 'pause' || mark === 'resume' ? 'pauses' : 'holds';
    const from = this.#open.get(kind);
    if (mark === 'pause' || mark === 'hold') {
      this.#open.set(kind, slot);
    } else if (from !== undefined) {
      this.#open.delete(kind);
      this.#spans[kind].push({ from: seconds(from), to: seconds(slot) });
    }
    this.#news.marked(mark, seconds(slot));
  }

  #write(until: number): void {
    const { maxSeconds, silenceSeconds } = this.#options;
    const most = maxSeconds === null ? Infinity : Math.round((maxSeconds * 1000) / SLOT_MS);
    while (this.#slots < Math.min(until, most)) {
      const frames = [...this.#tracks.values()].map((track) => track.next());
      this.#sink?.write(frames);
      this.#slots += 1;
      if (this.#ear !== null) this.#listen(this.#ear, frames[0] ?? null);
      if (silenceSeconds !== null && this.#quiet * SLOT_MS >= silenceSeconds * 1000) return this.end('silence', null);
    }
    if (this.#slots >= most) this.end('maxSeconds', null);
  }

  #listen(ear: Listener, frame: Frame | null): void {
    const pcm = ear.hear(frame);
    let sum = 0;
    for (const sample of pcm) sum += sample * sample;
    this.#quiet = sum / pcm.length < QUIET * QUIET ? this.#quiet + 1 : 0;
  }

  /** What the disk refuses ends the recording, and nothing else. */
  #guarded(work: () => void): void {
    if (this.#over) return;
    try {
      work();
    } catch (error) {
      this.end('failed', (error as NodeJS.ErrnoException).code ?? (error as Error).message);
    }
  }

  /** Closes the file and tells how it came out. May be called twice. */
  end(why: RecordingEnd, detail: string | null): void {
    if (this.#over) return;
    this.#over = true;
    let [how, what] = [why, detail];
    try {
      if (why !== 'failed') this.#sink?.finish();
    } catch (error) {
      [how, what] = ['failed', (error as NodeJS.ErrnoException).code ?? (error as Error).message];
    }
    this.#sink?.close();
    this.#ear?.close();
    for (const track of this.#tracks.values()) track.close();
    for (const [kind, from] of this.#open) this.#spans[kind].push({ from: seconds(from), to: seconds(this.#slots) });
    void this.#tell(how, what);
  }

  /** Never rejects. */
  async #tell(why: RecordingEnd, detail: string | null): Promise<void> {
    const { file, channels } = this.#options;
    const bytes = this.#sink?.file.bytes ?? 0;
    const sha256 = this.#sink === null ? null : await digestOf(file);
    this.#news.ended(why, detail, {
      file, channels: channels === 'both' ? 2 : 1, seconds: seconds(this.#slots), bytes, sha256, whole: why !== 'failed' && sha256 !== null, lost: this.#lost, ...this.#spans,
    });
  }
}

function seconds(slots: number): number {
  return Math.round(slots * SLOT_MS) / 1000;
}

/** Null: it cannot be read. */
async function digestOf(file: string): Promise<string | null> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(file), hash);
    return hash.digest('hex');
  } catch {
    return null;
  }
}

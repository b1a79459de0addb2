import { readFile, stat } from 'node:fs/promises';
import { WabError } from '../../errors.js';
import { opusSamples, type RelayCodec } from '../relay/rtp.js';
import { decodeOpus, encodeFrames } from './encode.js';
import { holdMusic } from './holdMusic.js';
import { readOggOpus } from './ogg.js';
import { readWav, type Pcm } from './pcm.js';
import { ringback } from './ringback.js';
import { tone } from './tone.js';

/** Name of the music that is synthesised here, for `MediaCall.play`. */
export const SHIPPED_MUSIC = 'shipped';
/** Name of the ringing tone that is synthesised here. */
export const SHIPPED_RINGBACK = 'ringback';
/** Name of the tone behind which messages are recorded, likewise. */
export const SHIPPED_TONE = 'tone';

const shipped: Readonly<Record<string, () => Pcm | Promise<Pcm>>> = { [SHIPPED_MUSIC]: holdMusic, [SHIPPED_RINGBACK]: ringback, [SHIPPED_TONE]: tone };

/** Files larger than this are refused: all frames of a recording are held in memory. */
const MAX_BYTES = 64 << 20;
/** Samples at 48 kHz in 20 ms. */
const FRAME = 960;

/** Recordings as 20 ms frames, each read and encoded once for every state of its file. */
export class RecordingShelf {
  readonly #kept = new Map<string, { readonly state: string; readonly frames: Promise<readonly Buffer[]> }>();

  /** Frames of a WAV (16-bit PCM) or Ogg Opus file, or of one shipped. @throws WabError 'FILE_UNREADABLE'. */
  async frames(file: string, codec: RelayCodec): Promise<readonly Buffer[]> {
    const state = Object.hasOwn(shipped, file) ? '' : await stateOf(file);
    const key = `${codec} ${file}`;
    const kept = this.#kept.get(key);
    if (kept?.state === state) return kept.frames;
    const frames = prepare(file, codec);
    this.#kept.set(key, { state, frames });
    // A file that could not be read is tried again next time.
    frames.catch(() => { if (this.#kept.get(key)?.frames === frames) this.#kept.delete(key); });
    return frames;
  }
}

async function stateOf(file: string): Promise<string> {
  try {
    const { mtimeMs, size } = await stat(file);
    if (size > MAX_BYTES) throw new WabError('FILE_UNREADABLE', `${file} is larger than ${MAX_BYTES >> 20} MiB`);
    return `${mtimeMs} ${size}`;
  } catch (cause) {
    if (cause instanceof WabError) throw cause;
    throw new WabError('FILE_UNREADABLE', file, { cause });
  }
}

async function prepare(file: string, codec: RelayCodec): Promise<readonly Buffer[]> {
  const synthesise = Object.hasOwn(shipped, file) ? shipped[file] : undefined;
  if (synthesise !== undefined) return encodeFrames(await synthesise(), codec);
  try {
    const bytes = await readFile(file);
    if (bytes.toString('latin1', 0, 4) !== 'OggS') return await encodeFrames(readWav(bytes), codec);
    const packets = readOggOpus(bytes);
    // 20 ms mono packets go out as they are.
    if (codec === 'opus' && packets.every((packet) => opusSamples(packet, 0) === FRAME)) return packets;
    return await encodeFrames(await decodeOpus(packets), codec);
  } catch (cause) {
    const why = cause instanceof WabError ? cause.message : String(cause);
    throw new WabError('FILE_UNREADABLE', `${file}: ${why}`, { cause });
  }
}

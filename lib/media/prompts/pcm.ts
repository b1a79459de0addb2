import { endianness } from 'node:os';
import { WabError } from '../../errors.js';
import { turns } from '../../util/turns.js';

/** Samples after which it is looked whether the turn is over. */
export const LOOK = 2000;

/** Linear audio, one channel, 16 bits. */
export interface Pcm { readonly samples: Int16Array; readonly rate: number }

function unreadable(detail: string): WabError {
  return new WabError('FILE_UNREADABLE', detail);
}

/** Reads a WAV file of 16-bit PCM, one or two channels (RIFF, "Multimedia Programming Interface and Data Specifications 1.0"). @throws WabError 'FILE_UNREADABLE'. */
export function readWav(file: Buffer): Pcm {
  if (file.toString('latin1', 0, 4) !== 'RIFF' || file.toString('latin1', 8, 12) !== 'WAVE') throw unreadable('not a WAV file');
  let format: { channels: number; rate: number } | null = null;
  for (let at = 12; at + 8 <= file.length;) {
    const name = file.toString('latin1', at, at + 4);
    const size = file.readUInt32LE(at + 4);
    const body = file.subarray(at + 8, at + 8 + size);
    if (name === 'fmt ' && body.length >= 16) {
      const [tag, channels, rate, bits] = [body.readUInt16LE(0), body.readUInt16LE(2), body.readUInt32LE(4), body.readUInt16LE(14)];
      // 0xFFFE: WAVE_FORMAT_EXTENSIBLE, whose PCM looks the same.
      if ((tag !== 1 && tag !== 0xfffe) || bits !== 16 || channels < 1 || channels > 2) throw unreadable('WAV: only 16-bit PCM with one or two channels');
      format = { channels, rate };
    } else if (name === 'data' && format) {
      return { rate: format.rate, samples: mixDown(body, format.channels) };
    }
    at += 8 + size + (size & 1);
  }
  throw unreadable('WAV: no audio in it');
}

function mixDown(body: Buffer, channels: number): Int16Array {
  // A copy, which begins where 16 bits may begin.
  const all = new Int16Array(Uint8Array.from(body.subarray(0, body.length - body.length % (2 * channels))).buffer);
  if (endianness() === 'BE') Buffer.from(all.buffer).swap16();
  if (channels === 1) return all;
  const samples = new Int16Array(all.length / 2);
  for (let i = 0; i < samples.length; i += 1) samples[i] = ((all[2 * i] as number) + (all[2 * i + 1] as number)) >> 1;
  return samples;
}

/** Brings audio to another rate by straight lines between samples; meant for prompts, not for mastering. */
export async function resample({ samples, rate }: Pcm, to: number): Promise<Int16Array> {
  if (rate === to) return samples;
  const step = rate / to;
  // Going down, each sample is the mean of those it stands for: keeps the worst of the aliasing away.
  const width = Math.max(1, Math.round(step));
  const out = new Int16Array(Math.floor(samples.length / step));
  const turn = turns();
  for (let i = 0; i < out.length; i += 1) {
    const place = i * step;
    const from = Math.floor(place);
    if (width > 1) {
      let sum = 0;
      for (let k = 0; k < width; k += 1) sum += samples[from + k] ?? 0;
      out[i] = sum / width;
    } else {
      const a = samples[from] ?? 0;
      out[i] = a + ((samples[from + 1] ?? a) - a) * (place - from);
    }
    if (i % LOOK === 0) await turn();
  }
  return out;
}

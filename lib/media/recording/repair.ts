import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { LAST_PAGE, oggCrc } from './ogg.js';
import { wavHeader, WAV_HEADER } from './wav.js';

/** What a file that was cut off holds. */
export interface Repaired { readonly seconds: number; readonly bytes: number; readonly sha256: string }

const PIECE = 1 << 16;
/** The longest page of Ogg (RFC 3533 §6). */
const LONGEST_PAGE = 27 + 255 + 255 * 255;

/**
 * Makes a recording whole that its process could not close: what is not whole at its end is cut away, and the end, or the length, is told.
 * @throws as open(2), read(2), write(2); Error where it is no recording of ours
 */
export async function repairRecording(path: string): Promise<Repaired> {
  const file = await open(path, 'r+');
  try {
    const seconds = path.endsWith('.wav') ? await repairWav(file) : await repairOgg(file);
    const { size } = await file.stat();
    return { seconds, bytes: size, sha256: await digest(file) };
  } finally {
    await file.close();
  }
}

async function repairWav(file: FileHandle): Promise<number> {
  const header = Buffer.alloc(WAV_HEADER);
  const { bytesRead } = await file.read(header, 0, WAV_HEADER, 0);
  if (bytesRead < WAV_HEADER || header.toString('latin1', 8, 12) !== 'WAVE') throw new Error('no WAV file');
  const channels = header.readUInt16LE(22) === 1 ? 1 : 2;
  const rate = header.readUInt32LE(24);
  const { size } = await file.stat();
  const bytes = size - WAV_HEADER - (size - WAV_HEADER) % (2 * channels);
  await file.truncate(WAV_HEADER + bytes);
  await file.write(wavHeader(channels, rate, bytes), 0, WAV_HEADER, 0);
  return bytes / (2 * channels * rate);
}

async function repairOgg(file: FileHandle): Promise<number> {
  const page = Buffer.alloc(LONGEST_PAGE);
  let [at, last, granule, preSkip, count] = [0, -1, 0, 0, 0];
  for (;;) {
    const { bytesRead } = await file.read(page, 0, LONGEST_PAGE, at);
    const length = wholePage(page.subarray(0, bytesRead));
    if (length === 0) break;
    if (count === 0) preSkip = page.readUInt16LE(27 + (page[26] as number) + 10);
    granule = Number(page.readBigUInt64LE(6));
    [last, at, count] = [at, at + length, count + 1];
  }
  if (count < 2) throw new Error('no Ogg Opus file');
  await file.truncate(at);
  const { bytesRead } = await file.read(page, 0, LONGEST_PAGE, last);
  const end = page.subarray(0, bytesRead);
  // The two headers alone are no stream that could end.
  if (count > 2) {
    end[5] = (end[5] as number) | LAST_PAGE;
    end.writeUInt32LE(0, 22);
    end.writeUInt32LE(oggCrc(end), 22);
    await file.write(end, 0, end.length, last);
  }
  return Math.max(0, granule - preSkip) / 48_000;
}

/** Length of the page that these octets begin with; 0: there is none that is whole. */
function wholePage(bytes: Buffer): number {
  if (bytes.length < 27 || bytes.toString('latin1', 0, 4) !== 'OggS') return 0;
  const segments = bytes[26] as number;
  if (bytes.length < 27 + segments) return 0;
  const length = bytes.subarray(27, 27 + segments).reduce((sum, one) => sum + one, 27 + segments);
  if (bytes.length < length) return 0;
  const copy = Buffer.from(bytes.subarray(0, length));
  copy.writeUInt32LE(0, 22);
  return oggCrc(copy) === bytes.readUInt32LE(22) ? length : 0;
}

async function digest(file: FileHandle): Promise<string> {
  const hash = createHash('sha256');
  const piece = Buffer.alloc(PIECE);
  for (let at = 0; ;) {
    const { bytesRead } = await file.read(piece, 0, PIECE, at);
    if (bytesRead === 0) return hash.digest('hex');
    hash.update(piece.subarray(0, bytesRead));
    at += bytesRead;
  }
}

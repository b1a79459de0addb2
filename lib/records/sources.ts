import { createHash } from 'node:crypto';
import { createReadStream, type Stats } from 'node:fs';
import { open, readdir, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { createGunzip } from 'node:zlib';

/** A file of records, as it is now. */
export interface SourceFile {
  readonly path: string;
  readonly size: number;
  readonly modified: number;
  readonly packed: boolean;
}

/** Of the first line so much is looked at to know a file again under another name. */
const headBytes = 4096;
/** A longer line is no record. */
const longestLine = 1_000_000;
const chunkBytes = 262_144;

/**
 * The file and what was rotated away from it: NAME.1, NAME.2.gz, NAME-20261128, NAME.2026-11-28.gz, and with the date before the ending, as
 * cdr-2026-11-28.jsonl. The oldest comes first. @throws as readdir(3), but for a folder that is not there
 */
export async function sourceFiles(file: string): Promise<readonly SourceFile[]> {
  const folder = dirname(file);
  const isRecords = matcher(basename(file));
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const found = await Promise.all(names.filter(isRecords).map(async (name) => {
    const path = join(folder, name);
    // Gone since, or not ours to look at: told when it is read, if at all. A pipe would keep us waiting.
    const stats: Stats | null = await stat(path).catch(() => null);
    return stats?.isFile() === true ? { path, size: stats.size, modified: Math.round(stats.mtimeMs), packed: name.endsWith('.gz') } : null;
  }));
  return found.filter((one) => one !== null).sort((a, b) => a.modified - b.modified || a.path.localeCompare(b.path));
}

function matcher(base: string): (name: string) => boolean {
  const ending = extname(base);
  const stem = base.slice(0, base.length - ending.length);
  const mark = /^[.-][0-9][0-9TZ_:.-]{0,40}$/;
  return (given) => {
    const name = given.endsWith('.gz') ? given.slice(0, -3) : given;
    if (name === base) return true;
    if (name.startsWith(base) && mark.test(name.slice(base.length))) return true;
    return ending !== '' && name.startsWith(stem) && name.endsWith(ending) && name.length > base.length && mark.test(name.slice(stem.length, -ending.length));
  };
}

/** What a file is known by, under any name and packed too: the hash of how it begins. Null: it has no line yet. Rejects when it cannot be read. */
export async function headOf({ path, packed }: SourceFile): Promise<string | null> {
  if (packed) return hashOf(await packedHead(path));
  const file = await open(path, 'r');
  try {
    return hashOf(await plainHead(file));
  } finally {
    await file.close();
  }
}

function hashOf(head: Buffer): string | null {
  const end = head.indexOf(10);
  if (end < 0 && head.length < headBytes) return null;
  return createHash('sha256').update(end < 0 ? head : head.subarray(0, end)).digest('hex').slice(0, 32);
}

async function plainHead(file: FileHandle): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0);
  return buffer.subarray(0, bytesRead);
}

async function packedHead(path: string): Promise<Buffer> {
  let head = Buffer.alloc(0);
  for await (const part of unpacked(path, 0)) {
    head = Buffer.concat([head, part]);
    if (head.length >= headBytes || head.includes(10)) break;
  }
  return head.subarray(0, headBytes);
}

/** A whole line, and where the next begins, in octets of the unpacked file. */
export interface SourceLine { readonly text: string; readonly next: number }

/**
 * The whole lines of a file from `offset` on. The last one without an end is left for later: it may be half written. A line that is too long to be a
 * record is given as text that is none; null is a sign of life where there is no line in what was read. Rejects when the file cannot be read; of a
 * packed file that is cut short, after what could be read of it. `head`: what the file was known by; where it has been rotated away meanwhile another one
 * stands under its name, of which nothing is read.
 */
export async function* linesOf({ path, packed }: SourceFile, offset: number, head: string): AsyncGenerator<SourceLine | null> {
  let rest: Buffer = Buffer.alloc(0);
  let at = offset;
  let tooLong = 0;
  for await (const part of packed ? unpacked(path, offset) : plain(path, offset, head)) {
    let begin = 0;
    for (let end = part.indexOf(10); end >= 0; end = part.indexOf(10, begin)) {
      const piece = part.subarray(begin, end);
      begin = end + 1;
      at += tooLong + rest.length + piece.length + 1;
      const text = tooLong > 0 ? 'too long' : rest.length === 0 ? piece.toString('utf8') : Buffer.concat([rest, piece]).toString('utf8');
      rest = Buffer.alloc(0);
      tooLong = 0;
      yield { text, next: at };
    }
    if (begin === 0) yield null;
    const left = part.subarray(begin);
    if (tooLong > 0 || rest.length + left.length > longestLine) {
      tooLong += rest.length + left.length;
      rest = Buffer.alloc(0);
    } else rest = rest.length === 0 ? left : Buffer.concat([rest, left]);
  }
}

async function* plain(path: string, offset: number, head: string): AsyncGenerator<Buffer> {
  const file = await open(path, 'r');
  try {
    if (hashOf(await plainHead(file)) === head) yield* file.createReadStream({ start: offset, highWaterMark: chunkBytes, autoClose: false }) as AsyncIterable<Buffer>;
  } finally {
    await file.close();
  }
}

async function* unpacked(path: string, offset: number): AsyncGenerator<Buffer> {
  const file = createReadStream(path, { highWaterMark: chunkBytes });
  const gunzip = createGunzip({ chunkSize: chunkBytes });
  file.on('error', (error) => gunzip.destroy(error));
  file.pipe(gunzip);
  let skip = offset;
  try {
    for await (const part of gunzip as AsyncIterable<Buffer>) {
      yield part.subarray(Math.min(skip, part.length));
      skip = Math.max(0, skip - part.length);
    }
  } finally {
    file.destroy();
    gunzip.destroy();
  }
}

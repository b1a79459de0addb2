import { createWriteStream, type WriteStream } from 'node:fs';
import { WabError } from '../errors.js';

/** A writer of JSON lines. Lines written before close() are on disk when close() resolves. */
export interface LineWriter {
  write(record: object): void;
  close(): Promise<void>;
}

/**
 * Appends one JSON line a record; never blocks, never throws at a call.
 * @throws WabError FILE_UNREADABLE when the file cannot be opened
 */
export async function openLineWriter(path: string, onError: (error: Error) => void): Promise<LineWriter> {
  const stream = await new Promise<WriteStream>((resolve, reject) => {
    const opening = createWriteStream(path, { flags: 'a' });
    opening.once('error', (cause) => reject(new WabError('FILE_UNREADABLE', `${path}: ${cause.message}`, { cause })));
    opening.once('open', () => resolve(opening));
  });
  stream.on('error', onError);
  let closing: Promise<void> | null = null;
  return {
    write(record) {
      if (closing === null) stream.write(`${JSON.stringify(record)}\n`);
    },
    close() {
      closing ??= new Promise((resolve) => stream.end(() => resolve()));
      return closing;
    },
  };
}

/** For a configuration without a file. */
export const noWriter: LineWriter = { write: () => undefined, close: () => Promise.resolve() };

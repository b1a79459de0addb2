// What runs in the recorder's thread: files, and codecs where a recording needs them, away from the threads that carry calls.
import { parentPort, type MessagePort } from 'node:worker_threads';
import type { RecordingEnd, RecordingResult } from '../types.js';
import type { Mark } from './batch.js';
import { Take, type TakeOptions } from './take.js';

export type ToRecorder =
  | { readonly op: 'open'; readonly id: number; readonly options: TakeOptions; readonly port: MessagePort; readonly pending: Int32Array }
  /** Whatever goes on is closed as it is; the thread ends behind it. */
  | { readonly op: 'close' };

export type FromRecorder =
  | { readonly op: 'marked'; readonly id: number; readonly mark: Mark; readonly seconds: number }
  | { readonly op: 'ended'; readonly id: number; readonly why: RecordingEnd; readonly detail: string | null; readonly result: RecordingResult };

const parent = parentPort;
if (!parent) throw new Error('threadMain.ts runs as a worker thread only');

const takes = new Map<number, Take>();
let closing = false;
const tell = (message: FromRecorder): void => parent.postMessage(message);

function open({ id, options, port, pending }: Extract<ToRecorder, { op: 'open' }>): void {
  const take = new Take(options, {
    marked: (mark, seconds) => tell({ op: 'marked', id, mark, seconds }),
    ended: (why, detail, result) => {
      takes.delete(id);
      tell({ op: 'ended', id, why, detail, result });
      leave();
    },
  });
  takes.set(id, take);
  take.begin();
  if (take.over) return port.close();
  port.on('message', (bytes: Uint8Array) => {
    Atomics.add(pending, 1, 1);
    try {
      take.take(bytes);
    } catch (error) {
      take.end('failed', (error as Error).message);
    }
    if (take.over) port.close();
  });
  // The thread that carried the call is gone, if it has not said the end.
  port.on('close', () => take.end('closed', null));
}

function leave(): void {
  if (closing && takes.size === 0) parent?.close();
}

parent.on('message', (message: ToRecorder) => {
  if (message.op === 'open') return open(message);
  closing = true;
  for (const take of takes.values()) take.end('closed', null);
  leave();
});

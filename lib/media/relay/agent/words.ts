import type { MessagePort } from 'node:worker_threads';

/** Where a voice agent is, as the thread that carries the call is told. */
export interface EndSettings {
  readonly link: MessagePort;
  /** Samples a second, both ways. */
  readonly sampleRate: 8000 | 16_000 | 24_000;
  /** Frames that the reader of the port has taken: one Int32, in shared memory. */
  readonly read: SharedArrayBuffer;
}

/**
 * What goes over the port, each way. Linear audio: to the agent 20 ms at a time, from it in any length. A mark: from the agent one that stands behind
 * what it has said; to it one that was reached, or was in what has been cleared. `clear`: nothing of
 * it is to be heard any more; `marks` stood behind all that had come by the port. `lost`: samples of the agent's that there was no room for.
 */
export type EndWord = Int16Array | { readonly mark: string; readonly cleared?: boolean } | { readonly clear: true; readonly marks: readonly string[] } | { readonly lost: number };

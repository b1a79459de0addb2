/** What the tap of a recording tells its recorder, packed into one buffer: a message has a cost of its own, and an object in it more. */
import type { RelayCodec } from '../relay/rtp.js';

/** 20 ms of a recording. */
export const SLOT_MS = 20;

export type Channel = 'user' | 'business';

/** What begins or ends: nothing is recorded because it was said so, or of the user because nobody at the business listens. */
export type Mark = 'pause' | 'resume' | 'hold' | 'unhold' | 'stopped' | 'closed';

/** Times are in slots of 20 ms since the beginning. */
export type Entry =
  | { readonly kind: Channel; readonly slot: number; readonly codec: RelayCodec; readonly payload: Uint8Array }
  | { readonly kind: Mark; readonly slot: number };

export interface Batch {
  /** All that comes before this slot has been told, but for what is late. */
  readonly until: number;
  /** Packets before this batch that had no room. */
  readonly lost: number;
  readonly entries: readonly Entry[];
}

const CODECS: readonly RelayCodec[] = ['opus', 'PCMU', 'PCMA', 'G722'];
const KINDS: readonly (Channel | Mark)[] = ['user', 'business', 'pause', 'resume', 'hold', 'unhold', 'stopped', 'closed'];
const MARKS: ReadonlySet<string> = new Set<Mark>(['pause', 'resume', 'hold', 'unhold', 'stopped', 'closed']);
const HEAD = 8;
const ENTRY = 8;

/** Packs one batch after the other. */
export class BatchWriter {
  #bytes = Buffer.alloc(4096);
  #end = HEAD;

  get empty(): boolean {
    return this.#end === HEAD;
  }

  add(kind: Channel | Mark, slot: number, codec: RelayCodec = 'opus', payload: Uint8Array = new Uint8Array(0)): void {
    this.#room(ENTRY + payload.length);
    const at = this.#end;
    this.#bytes[at] = KINDS.indexOf(kind);
    this.#bytes[at + 1] = CODECS.indexOf(codec);
    this.#bytes.writeUInt16LE(payload.length, at + 2);
    this.#bytes.writeUInt32LE(slot, at + 4);
    this.#bytes.set(payload, at + ENTRY);
    this.#end = at + ENTRY + payload.length;
  }

  /** The batch in a buffer of its own; the next one begins. */
  take(until: number, lost: number): Uint8Array {
    this.#bytes.writeUInt32LE(Math.max(0, until), 0);
    this.#bytes.writeUInt32LE(lost, 4);
    const batch = new Uint8Array(this.#bytes.subarray(0, this.#end));
    this.#end = HEAD;
    return batch;
  }

  /** What has been added is given up, but for its marks. Gives how many packets that were. */
  drop(): number {
    const entries = readBatch(this.#bytes.subarray(0, this.#end)).entries;
    this.#end = HEAD;
    for (const { kind, slot } of entries) if (isMark(kind)) this.add(kind, slot);
    return entries.filter(({ kind }) => !isMark(kind)).length;
  }

  #room(more: number): void {
    if (this.#end + more <= this.#bytes.length) return;
    const larger = Buffer.alloc(2 * (this.#end + more));
    larger.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = larger;
  }
}

function isMark(kind: Channel | Mark): kind is Mark {
  return MARKS.has(kind);
}

export function readBatch(bytes: Uint8Array): Batch {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: Entry[] = [];
  for (let at = HEAD; at + ENTRY <= view.length;) {
    const kind = KINDS[view[at] as number] ?? 'closed';
    const length = view.readUInt16LE(at + 2);
    const slot = view.readUInt32LE(at + 4);
    if (isMark(kind)) entries.push({ kind, slot });
    else entries.push({ kind, slot, codec: CODECS[view[at + 1] as number] ?? 'opus', payload: view.subarray(at + ENTRY, at + ENTRY + length) });
    at += ENTRY + length;
  }
  return { until: view.readUInt32LE(0), lost: view.readUInt32LE(4), entries };
}

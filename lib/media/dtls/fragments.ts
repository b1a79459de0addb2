// Handshake messages in pieces (RFC 6347 §4.2.2, 4.2.3): header, cutting, putting together again in order.
import { ALERT, DtlsFault } from './alerts.js';
import { Reader, uint } from './bytes.js';

export const HANDSHAKE_HEADER = 12;
/** A certificate with a chain is longer than most; 16 kB are asked for by nobody. */
const LONGEST_MESSAGE = 16_384;
/** So often a message is begun anew for a piece that contradicts what came: the far end repeats its flight some ten times, and more is somebody's who wants memory. */
export const MOST_REPLACED = 64;
/** Messages kept beyond the one that is waited for: a flight has five. */
const AHEAD = 6;

export interface Fragment { readonly type: number; readonly length: number; readonly sequence: number; readonly offset: number; readonly part: Buffer }

export interface Message {
  readonly type: number;
  readonly sequence: number;
  readonly body: Buffer;
  /** With its header, as if it had come in one piece: what the hashes are taken of (RFC 6347 §4.2.6). */
  readonly raw: Buffer;
}

/** A message as it is hashed, and as it is sent where it fits. */
export function encodeMessage(type: number, sequence: number, body: Buffer): Message {
  const length = uint(body.length, 3);
  return { type, sequence, body, raw: Buffer.concat([Buffer.of(type), length, uint(sequence, 2), uint(0, 3), length, body]) };
}

export function encodeFragment({ raw, body }: Message, offset: number, length: number): Buffer {
  return Buffer.concat([raw.subarray(0, 6), uint(offset, 3), uint(length, 3), body.subarray(offset, offset + length)]);
}

/** The fragments of a record. */
export function readFragments(record: Buffer): Fragment[] {
  const reader = new Reader(record);
  const out: Fragment[] = [];
  while (reader.left > 0) {
    const [type, length, sequence, offset] = [reader.u8(), reader.u24(), reader.u16(), reader.u24()];
    const part = reader.take(reader.u24());
    // An empty piece of a message that is not empty says nothing, and costs its making.
    if (length > LONGEST_MESSAGE || offset + part.length > length || (part.length === 0 && length > 0)) throw new DtlsFault(ALERT.decodeError, 'a fragment beyond its message');
    out.push({ type, length, sequence, offset, part });
  }
  return out;
}

/** One message of which pieces have come. */
export class Pieces {
  private readonly body: Buffer;
  /** One byte for each of the body: there or not. */
  private readonly have: Buffer;
  private missing: number;

  constructor(private readonly first: Fragment) {
    this.body = Buffer.alloc(first.length);
    this.have = Buffer.alloc(first.length);
    this.missing = first.length;
  }

  /** Whether a fragment is of this message. */
  fits({ type, length, sequence }: Fragment): boolean {
    return type === this.first.type && length === this.first.length && sequence === this.first.sequence;
  }

  /** What came first stays. */
  add({ offset, part }: Fragment): void {
    if (this.missing === this.body.length && part.length === this.missing) {
      part.copy(this.body);
      this.missing = 0;
    }
    if (this.missing === 0) return;
    for (const [n, byte] of part.entries()) {
      if (this.have.readUInt8(offset + n) === 1) continue;
      this.have.writeUInt8(1, offset + n);
      this.body.writeUInt8(byte, offset + n);
      this.missing--;
    }
  }

  whole(): Message | undefined {
    return this.missing === 0 ? encodeMessage(this.first.type, this.first.sequence, this.body) : undefined;
  }
}

/** Messages in their order, whatever the order of their pieces. */
export class Assembly {
  private readonly pieces = new Map<number, Pieces>();
  private replaced = 0;

  /** `next`: number of the message that is waited for. */
  constructor(public next: number) {}

  /** False for a piece of what has been taken already: the far end repeats itself. */
  add(fragment: Fragment): boolean {
    if (fragment.sequence < this.next) return false;
    if (fragment.sequence > this.next + AHEAD) return true;
    let pieces = this.pieces.get(fragment.sequence);
    // Contradicting headers: a stranger wrote one of them. The later one is kept, since the far end repeats itself and the stranger may not.
    if (pieces !== undefined && !pieces.fits(fragment)) {
      if (this.replaced >= MOST_REPLACED) return true;
      this.replaced += 1;
      pieces = undefined;
    }
    if (pieces === undefined) this.pieces.set(fragment.sequence, pieces = new Pieces(fragment));
    pieces.add(fragment);
    return true;
  }

  take(): Message | undefined {
    const message = this.pieces.get(this.next)?.whole();
    if (message !== undefined) {
      this.pieces.delete(this.next);
      this.next++;
    }
    return message;
  }

  restart(next: number): void {
    this.pieces.clear();
    this.next = next;
  }
}

// Reading and writing of the presentation language of TLS (RFC 5246 §4): big-endian numbers, vectors with their length before them.
import { ALERT, DtlsFault } from './alerts.js';

/** Reads from the front; whatever is not there is a DtlsFault. */
export class Reader {
  private at = 0;

  constructor(private readonly bytes: Buffer) {}

  get left(): number {
    return this.bytes.length - this.at;
  }

  u8(): number {
    return this.take(1).readUInt8(0);
  }

  u16(): number {
    return this.take(2).readUInt16BE(0);
  }

  u24(): number {
    return this.take(3).readUIntBE(0, 3);
  }

  /** Shares memory with what is read. */
  take(length: number): Buffer {
    if (length > this.left) throw new DtlsFault(ALERT.decodeError, 'a message ends early');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** A vector whose length has 1, 2 or 3 bytes. */
  vector(lengthBytes: 1 | 2 | 3): Buffer {
    return this.take(this.take(lengthBytes).readUIntBE(0, lengthBytes));
  }

  end(): void {
    if (this.left > 0) throw new DtlsFault(ALERT.decodeError, 'a message goes on after its end');
  }
}

/** The numbers of 16 bits in a vector; an odd byte is a fault. */
export function numbers16(bytes: Buffer): number[] {
  const reader = new Reader(bytes);
  const out: number[] = [];
  while (reader.left > 0) out.push(reader.u16());
  return out;
}

/** A number in `length` bytes. */
export function uint(value: number, length: 1 | 2 | 3 | 4 | 6): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUIntBE(value, 0, length);
  return bytes;
}

/** A vector whose length stands before it in 1, 2 or 3 bytes. */
export function vector(lengthBytes: 1 | 2 | 3, ...parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([uint(length, lengthBytes), ...parts]);
}

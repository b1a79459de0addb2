// The record layer of DTLS 1.2 (RFC 6347 §4.1): records in datagrams, epochs, sequence numbers, replay.
import { ReplayWindow } from '../../util/replayWindow.js';
import { uint } from './bytes.js';
import type { RecordCipher } from './suites.js';

export const RECORD = { changeCipherSpec: 20, alert: 21, handshake: 22 } as const;
const RECORD_HEADER = 13;
/** 2^14 of text, and what a cipher may add (RFC 5246 §6.2.3). */
const LONGEST = 16_384 + 1024;
const VERSION_MAJOR = 0xfe;
const DTLS_1_2 = 0xfefd;
/** RFC 5246 appendix E.1: the record of a ClientHello names the oldest version. */
const DTLS_1_0 = 0xfeff;

export interface DtlsRecord {
  readonly type: number;
  readonly epoch: number;
  /** Below 2^48. */
  readonly sequence: number;
  /** Epoch and sequence number as they stood, eight bytes. */
  readonly place: Buffer;
  readonly body: Buffer;
}

/** The records of a datagram; it ends where something is not a record (RFC 6347 §4.1.2.7: silently). */
export function* readRecords(datagram: Buffer): Generator<DtlsRecord> {
  for (let at = 0; at + RECORD_HEADER <= datagram.length;) {
    const end = at + RECORD_HEADER + datagram.readUInt16BE(at + 11);
    if (datagram.readUInt8(at + 1) !== VERSION_MAJOR || end > datagram.length || end - at > RECORD_HEADER + LONGEST) return;
    yield {
      type: datagram.readUInt8(at), epoch: datagram.readUInt16BE(at + 3), sequence: datagram.readUIntBE(at + 5, 6),
      place: datagram.subarray(at + 3, at + 11), body: datagram.subarray(at + RECORD_HEADER, end),
    };
    at = end;
  }
}

/** Records on their way out: both epochs, each with its own numbers. */
export class RecordWriter {
  private readonly next = [0, 0];

  /** Epoch 1; epoch 0 has none. */
  cipher: RecordCipher | undefined;

  overhead(epoch: 0 | 1): number {
    return RECORD_HEADER + (epoch === 1 ? this.cipher?.overhead ?? 0 : 0);
  }

  /** `first`: a ClientHello's record, before a version is agreed on. */
  write(type: number, epoch: 0 | 1, text: Buffer, first = false): Buffer {
    const sequence = this.next[epoch] ?? 0;
    this.next[epoch] = sequence + 1;
    const place = Buffer.concat([uint(epoch, 2), uint(sequence, 6)]);
    const body = epoch === 1 && this.cipher !== undefined ? this.cipher.seal(type, place, text) : text;
    return Buffer.concat([uint(type, 1), uint(first ? DTLS_1_0 : DTLS_1_2, 2), place, uint(body.length, 2), body]);
  }
}

/** Records that come in the epoch of the ciphers; each once (RFC 6347 §4.1.2.6). */
export class RecordReader {
  private readonly window = new ReplayWindow();

  constructor(private readonly cipher: RecordCipher) {}

  /** The text of an authentic record that was not there before. */
  open({ type, sequence, place, body }: DtlsRecord): Buffer | undefined {
    if (!this.window.isNew(sequence)) return undefined;
    const text = this.cipher.open(type, place, body);
    if (text !== undefined) this.window.take(sequence);
    return text;
  }
}

/** What a suite does with single packets: it knows keys, but neither SSRCs nor what came before. Lengths in bytes. */
export interface Protection {
  /** What SRTP and SRTCP add to a packet. */
  readonly rtpTrailer: number;
  readonly rtcpTrailer: number;
  /** From the end of an SRTCP packet back to the word with the E flag and the index. */
  readonly indexFromEnd: number;
  /** A new buffer; `packet` is not written to. `header`: the length of its header. */
  sealRtp(packet: Buffer, header: number, rollover: number): Buffer;
  sealRtcp(packet: Buffer, index: number): Buffer;
  /** Opens a packet of at least `header + rtpTrailer` bytes in its own buffer and gives a view of that. Null, and the buffer as it was: not authentic, or another MKI. */
  openRtp(packet: Buffer, header: number, rollover: number): Buffer | null;
  /** The same with at least `8 + rtcpTrailer` bytes; `word`: the word at `indexFromEnd`. */
  openRtcp(packet: Buffer, word: number): Buffer | null;
}

/** The E flag of SRTCP: encrypted (RFC 3711 §3.4). */
export const ENCRYPTED = 0x80000000;

/** Copies bytes `from` to `to` to the same place of the target; faster than copy() for the few bytes of a header. */
export function carry(packet: Buffer, from: number, to: number, target: Buffer): void {
  for (let at = from; at < to; at++) target[at] = packet[at] ?? 0;
}

/** Puts `bytes` where they belong. */
export function put(bytes: Buffer, length: number, target: Buffer, at: number): void {
  for (let i = 0; i < length; i++) target[at + i] = bytes[i] ?? 0;
}

/** Whether the first `length` bytes of `expected` stand at `at`; takes as long wherever they differ. */
export function stands(expected: Buffer, length: number, packet: Buffer, at: number): boolean {
  let difference = 0;
  for (let i = 0; i < length; i++) difference |= (expected[i] ?? 0) ^ (packet[at + i] ?? 0);
  return difference === 0;
}

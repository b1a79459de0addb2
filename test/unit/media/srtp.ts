// Packets for the tests of SRTP.
export const hex = (text: string): Buffer => Buffer.from(text, 'hex');

export const SSRC = 0xcafebabe;

/** An RTP packet (RFC 3550 §5.1). `extension`: its body, in whole words. */
export function rtp({ sequence, ssrc = SSRC, timestamp = 160 * sequence, type = 0, payload = Buffer.alloc(0), csrcs = [], extension = null }: {
  sequence: number; ssrc?: number; timestamp?: number; type?: number; payload?: Buffer; csrcs?: readonly number[]; extension?: Buffer | null;
}): Buffer {
  const header = Buffer.alloc(12 + 4 * csrcs.length + (extension === null ? 0 : 4));
  header[0] = 0x80 | (extension === null ? 0 : 0x10) | csrcs.length;
  header[1] = type;
  header.writeUInt16BE(sequence & 0xffff, 2);
  header.writeUInt32BE(timestamp >>> 0, 4);
  header.writeUInt32BE(ssrc, 8);
  csrcs.forEach((csrc, i) => header.writeUInt32BE(csrc, 12 + 4 * i));
  if (extension !== null) {
    header.writeUInt16BE(0xbede, header.length - 4);
    header.writeUInt16BE(extension.length / 4, header.length - 2);
  }
  return Buffer.concat([header, extension ?? Buffer.alloc(0), payload]);
}

/** A receiver report without a block, and whatever follows it. */
export function rtcp({ ssrc = SSRC, rest = Buffer.alloc(0) }: { ssrc?: number; rest?: Buffer } = {}): Buffer {
  const header = Buffer.from([0x80, 201, 0, 1, 0, 0, 0, 0]);
  header.writeUInt32BE(ssrc, 4);
  return Buffer.concat([header, rest]);
}

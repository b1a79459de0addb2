// RTP headers (RFC 3550 §5.1): read and written as plain values.

export interface RtpPacket {
  payloadType: number;
  marker: boolean;
  sequence: number;
  timestamp: number;
  ssrc: number;
  payload: Buffer;
}

/** What a datagram on a media port is, by its first bytes (RFC 7983 §7, RFC 5761 §4). */
export function kindOf(datagram: Buffer): 'stun' | 'dtls' | 'rtp' | 'rtcp' | 'unknown' {
  const first = datagram[0];
  const second = datagram[1];
  if (first === undefined || second === undefined) return 'unknown';
  if (first <= 3) return 'stun';
  if (first >= 20 && first <= 63) return 'dtls';
  if (first < 128 || first > 191) return 'unknown';
  return second >= 192 && second <= 223 ? 'rtcp' : 'rtp';
}

/** Reads a packet; undefined when it is no RTP version 2 packet or is cut short. */
export function parseRtp(bytes: Buffer): RtpPacket | undefined {
  const first = bytes[0];
  const second = bytes[1];
  if (bytes.length < 12 || first === undefined || second === undefined || first >> 6 !== 2) return undefined;
  let start = 12 + 4 * (first & 0x0f);
  if ((first & 0x10) !== 0) {
    if (bytes.length < start + 4) return undefined;
    start += 4 + 4 * bytes.readUInt16BE(start + 2);
  }
  let end = bytes.length;
  if ((first & 0x20) !== 0) end -= bytes[bytes.length - 1] ?? 0;
  if (start > end) return undefined;
  return {
    payloadType: second & 0x7f, marker: (second & 0x80) !== 0, sequence: bytes.readUInt16BE(2), timestamp: bytes.readUInt32BE(4),
    ssrc: bytes.readUInt32BE(8), payload: bytes.subarray(start, end),
  };
}

/** The same for a packet whose payload is still encrypted: header fields only, payload left as it is. */
export function peekRtp(bytes: Buffer): Omit<RtpPacket, 'payload'> | undefined {
  const first = bytes[0];
  const second = bytes[1];
  if (bytes.length < 12 || first === undefined || second === undefined || first >> 6 !== 2) return undefined;
  return {
    payloadType: second & 0x7f, marker: (second & 0x80) !== 0, sequence: bytes.readUInt16BE(2), timestamp: bytes.readUInt32BE(4), ssrc: bytes.readUInt32BE(8),
  };
}

/** Writes a packet without padding, extension or contributing sources. */
export function writeRtp(packet: RtpPacket): Buffer {
  const bytes = Buffer.allocUnsafe(12 + packet.payload.length);
  bytes[0] = 0x80;
  bytes[1] = packet.payloadType | (packet.marker ? 0x80 : 0);
  bytes.writeUInt16BE(packet.sequence, 2);
  bytes.writeUInt32BE(packet.timestamp, 4);
  bytes.writeUInt32BE(packet.ssrc, 8);
  packet.payload.copy(bytes, 12);
  return bytes;
}

/** Length of the header of an RTP packet with its CSRCs and extension (RFC 3550 §5.1, §5.3.1), in bytes; 0 when it is none. */
export function rtpHeaderLength(packet: Buffer): number {
  if (packet.length < 12) return 0;
  const first = packet[0] ?? 0;
  if (first >> 6 !== 2) return 0;
  let length = 12 + 4 * (first & 15);
  if ((first & 16) !== 0) {
    if (packet.length < length + 4) return 0;
    length += 4 + 4 * packet.readUInt16BE(length + 2);
  }
  return length <= packet.length ? length : 0;
}

/** Whether there is the header and the SSRC of an RTCP packet (RFC 3550 §6.4). */
export function isRtcp(packet: Buffer): boolean {
  return packet.length >= 8 && (packet[0] ?? 0) >> 6 === 2;
}

/**
 * The rollover counter that a sequence number most likely belongs to (RFC 3711 §3.3.1, appendix A); -1: before the first wrap.
 * `highest`: the highest index of 48 bits so far.
 */
export function rolloverOf(highest: number, sequence: number): number {
  const last = highest & 0xffff;
  const rollover = Math.floor(highest / 0x10000);
  if (last < 0x8000) return sequence - last > 0x8000 ? rollover - 1 : rollover;
  return last - 0x8000 > sequence ? rollover + 1 : rollover;
}

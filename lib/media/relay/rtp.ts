import { makeEncoder } from '../codec/index.js';

/** The fixed part of an RTP header (RFC 3550 §5.1). */
export const RTP_HEADER = 12;

/** Milliseconds of audio in one packet towards Meta (META-SIP §6.2: ptime 20). */
export const FRAME_MS = 20;

/** Whether a datagram is RTP version 2 and not RTCP multiplexed with it (RFC 5761 §4: types 64-95 with the marker bit are RTCP). */
export function isRtp(packet: Buffer): boolean {
  if (packet.length < RTP_HEADER || ((packet[0] as number) & 0xc0) !== 0x80) return false;
  const type = (packet[1] as number) & 0x7f;
  return type < 64 || type > 95;
}

/** The same with a bare header, in its own buffer: CSRCs, header extension and padding are between its sender and us. Null when it is shorter than it says. */
export function barePacket(packet: Buffer): Buffer | null {
  const first = packet[0] as number;
  if (first === 0x80) return packet;
  const offset = payloadOffset(packet);
  const padding = (first & 0x20) === 0 ? 0 : packet[packet.length - 1] as number;
  if (offset < 0 || padding > packet.length - offset || ((first & 0x20) !== 0 && padding === 0)) return null;
  packet.copyWithin(offset - RTP_HEADER, 0, RTP_HEADER);
  const bare = packet.subarray(offset - RTP_HEADER, packet.length - padding);
  bare[0] = 0x80;
  return bare;
}

/** Offset of the payload behind CSRCs and a header extension; -1 when the packet is shorter than it says. */
function payloadOffset(packet: Buffer): number {
  const first = packet[0] as number;
  let offset = RTP_HEADER + (first & 0x0f) * 4;
  if ((first & 0x10) !== 0) {
    if (packet.length < offset + 4) return -1;
    offset += 4 + packet.readUInt16BE(offset + 2) * 4;
  }
  return offset <= packet.length ? offset : -1;
}

/** Signed distance between two RTP timestamps, across the wrap. */
export function tsDistance(later: number, earlier: number): number {
  return (later - earlier) | 0;
}

/** Signed distance between two sequence numbers, across the wrap. */
export function seqDistance(later: number, earlier: number): number {
  return ((later - earlier) << 16) >> 16;
}

/** Samples at 48 kHz per frame, by the configuration number in an Opus TOC byte (RFC 6716 table 2). */
const opusFrame = Uint16Array.from({ length: 32 }, (_, config) => {
  if (config < 12) return [480, 960, 1920, 2880][config % 4] as number;
  if (config < 16) return config % 2 === 0 ? 480 : 960;
  return [120, 240, 480, 960][config % 4] as number;
});

/** Samples at 48 kHz in an Opus packet whose payload begins at `offset`; 0 when it is empty (RFC 6716 §3.1, §3.2). */
export function opusSamples(packet: Buffer, offset: number): number {
  const toc = packet[offset];
  if (toc === undefined) return 0;
  const frame = opusFrame[toc >> 3] as number;
  const code = toc & 3;
  if (code === 0) return frame;
  if (code < 3) return 2 * frame;
  return frame * ((packet[offset + 1] ?? 0) & 0x3f);
}

export type RelayCodec = 'opus' | 'PCMU' | 'PCMA' | 'G722';

/** What the coder makes of digital silence once it has settled: made once for a thread. */
const g722Silence = ((): (() => Buffer) => {
  let frame: Buffer | null = null;
  return () => {
    if (frame !== null) return frame;
    const encoder = makeEncoder('G722', 16_000);
    let made = Buffer.alloc(160);
    for (let count = 0; count < 10; count += 1) made = Buffer.from(encoder.encode(new Int16Array(320)));
    return frame = made;
  };
})();

/** 20 ms of silence: an Opus CELT frame that decodes to nothing (as META-SIP §6.2 [EKA] sends), or G.711's zero level. */
export function silenceFrame(codec: RelayCodec): Buffer {
  if (codec === 'opus') return Buffer.from([0xf8, 0xff, 0xfe]);
  if (codec === 'G722') return Buffer.from(g722Silence());
  return Buffer.alloc(160, codec === 'PCMU' ? 0xff : 0xd5);
}

/** Clock of the codec's timestamps in Hz (RFC 7587 §4.1; RFC 3551 §4.5.2: G.722's runs at 8 kHz although its audio has 16). */
export function clockRate(codec: RelayCodec): 48_000 | 8000 {
  return codec === 'opus' ? 48_000 : 8000;
}

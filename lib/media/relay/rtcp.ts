import type { InStream } from './inStream.js';
import type { OutStream } from './outStream.js';

const SENDER_REPORT = 200;
const RECEIVER_REPORT = 201;
/** Seconds between 1900 (NTP) and 1970. */
const NTP_OFFSET = 2_208_988_800;
/** Milliseconds between two reports before they are spread by half (RFC 3550 §6.2: five seconds at least). */
const INTERVAL = 5000;
/** A report has this part in what is known of late. */
const FORGETS = 4;
/** A round trip longer than this is a sender's error, in milliseconds. */
const ROUND_TRIP_LIMIT = 10_000;

/** Whether a datagram is RTCP (RFC 5761 §4). */
export function isRtcp(packet: Buffer): boolean {
  return packet.length >= 8 && ((packet[0] as number) & 0xc0) === 0x80 && (packet[1] as number) >= 192 && (packet[1] as number) <= 223;
}

/** Writes a report block about `incoming` (RFC 3550 §6.4.1). `sr`: the sender report it answers to, null when none came. */
function writeBlock(target: Buffer, offset: number, incoming: InStream, sr: { readonly middle: number; readonly delay: number } | null): void {
  const { ssrc, lost, highest, fractionLost, jitter } = incoming.report();
  target.writeUInt32BE(ssrc, offset);
  target[offset + 4] = fractionLost;
  target.writeUIntBE(Math.min(lost, 0x7f_ffff), offset + 5, 3);
  target.writeUInt32BE(highest >>> 0, offset + 8);
  target.writeUInt32BE(jitter >>> 0, offset + 12);
  target.writeUInt32BE(sr?.middle ?? 0, offset + 16);
  // A delay of nothing reads as "no sender report".
  target.writeUInt32BE(sr ? Math.max(1, Math.round(sr.delay * 65.536)) >>> 0 : 0, offset + 20);
}

/** A lone receiver report in answer to an engine's sender report: engines work out the far leg's figures only when the near one reports too. */
export function answerReport(senderReport: Buffer, incoming: InStream, ssrc: number): Buffer | null {
  if (senderReport[1] !== SENDER_REPORT || senderReport.length < 28) return null;
  const report = Buffer.alloc(32);
  report.writeUInt32BE(0x81c9_0007, 0);
  report.writeUInt32BE(ssrc, 4);
  writeBlock(report, 8, incoming, { middle: senderReport.readUInt32BE(10), delay: 0 });
  return report;
}

/**
 * RTCP of Meta's side, from our one SSRC: reports every five seconds from start() on, which also keeps a silent call alive (META-SIP §6.2),
 * and what Meta reports of our stream. rtpengine 10.5.3 cannot do it: what it generates on a multiplexed SRTP port carries keys of RTP.
 */
export class RtcpSession {
  /** Milliseconds; null until Meta answered a report of ours. */
  roundTripMs: number | null = null;
  /** Share of our packets that Meta missed, 0 to 1, over all its reports; null before the first. */
  remoteLoss: number | null = null;
  /** The same of late: a report of more counts at once, those of less by and by. */
  recentLoss: number | null = null;
  readonly #incoming: InStream;
  readonly #outgoing: OutStream;
  readonly #cname: Buffer;
  #due = Infinity;
  #reports = 0;
  #heard: { middle: number; at: number } | null = null;

  constructor(incoming: InStream, outgoing: OutStream, cname: string) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#cname = Buffer.from(cname);
  }

  start(now: number): void {
    if (this.#due === Infinity) this.#due = now + INTERVAL / 2;
  }

  /** The report that is due now, or null. */
  tick(now: number): Buffer | null {
    if (now < this.#due) return null;
    // RFC 3550 §6.2: between half and one and a half times the interval.
    this.#due = now + INTERVAL * (0.5 + Math.random());
    return Buffer.concat([this.#senderReport(now), this.#description()]);
  }

  #senderReport(now: number): Buffer {
    const heard = this.#incoming.packets > 0;
    const report = Buffer.alloc(heard ? 52 : 28);
    report.writeUInt32BE((heard ? 0x81c8_0000 : 0x80c8_0000) + report.length / 4 - 1, 0);
    report.writeUInt32BE(this.#outgoing.ssrc, 4);
    const wall = Date.now() / 1000 + NTP_OFFSET;
    report.writeUInt32BE(Math.floor(wall) >>> 0, 8);
    report.writeUInt32BE(Math.floor((wall % 1) * 0x1_0000_0000) >>> 0, 12);
    report.writeUInt32BE(this.#outgoing.timestampAt(now), 16);
    report.writeUInt32BE(this.#outgoing.packets >>> 0, 20);
    report.writeUInt32BE(this.#outgoing.bytes >>> 0, 24);
    if (heard) writeBlock(report, 28, this.#incoming, this.#heard && { middle: this.#heard.middle, delay: now - this.#heard.at });
    return report;
  }

  /** RFC 3550 §6.5: one chunk with our CNAME, ended by a zero and filled up to 32 bits. */
  #description(): Buffer {
    const length = 8 + Math.ceil((2 + this.#cname.length + 1) / 4) * 4;
    const packet = Buffer.alloc(length);
    packet.writeUInt32BE(0x81ca_0000 + length / 4 - 1, 0);
    packet.writeUInt32BE(this.#outgoing.ssrc, 4);
    packet[8] = 1;
    packet[9] = this.#cname.length;
    this.#cname.copy(packet, 10);
    return packet;
  }

  /** Takes a compound packet of Meta's; what is malformed ends the reading. */
  take(compound: Buffer, now: number): void {
    for (let at = 0; at + 8 <= compound.length;) {
      const end = at + 4 * (compound.readUInt16BE(at + 2) + 1);
      const type = compound[at + 1] as number;
      if (end > compound.length || type < SENDER_REPORT) return;
      if (type === SENDER_REPORT && end - at >= 28) this.#heard = { middle: compound.readUInt32BE(at + 10), at: now };
      const blocks = (compound[at] as number) & 0x1f;
      const first = at + (type === SENDER_REPORT ? 28 : 8);
      if (type <= RECEIVER_REPORT) for (let i = 0; i < blocks && first + 24 * (i + 1) <= end; i += 1) this.#block(compound, first + 24 * i);
      at = end;
    }
  }

  #block(packet: Buffer, at: number): void {
    if (packet.readUInt32BE(at) !== this.#outgoing.ssrc) return;
    const loss = (packet[at + 4] as number) / 256;
    this.remoteLoss = ((this.remoteLoss ?? 0) * this.#reports + loss) / (this.#reports + 1);
    this.recentLoss = Math.max(loss, this.recentLoss === null ? 0 : this.recentLoss + (loss - this.recentLoss) / FORGETS);
    this.#reports += 1;
    const sent = packet.readUInt32BE(at + 16);
    if (sent === 0) return;
    // RFC 3550 §6.4.1: now, less when it was sent, less the time it lay there, in 1/65536 s.
    const wall = Math.floor(((Date.now() / 1000 + NTP_OFFSET) % 65_536) * 65_536);
    const trip = ((wall - sent - packet.readUInt32BE(at + 20)) | 0) / 65.536;
    if (trip >= 0 && trip < ROUND_TRIP_LIMIT) this.roundTripMs = this.roundTripMs === null ? trip : this.roundTripMs + (trip - this.roundTripMs) / 4;
  }
}

// The RTCP side of one endpoint: our reports, and what the far end reports of us.
import { middleOf, ntpOf, parseCompound, writeReport } from './rtcp.js';
import type { ReportBlock } from './rtcp.js';
import type { Reception } from './reception.js';

/** Figures out of RTCP. `farLost` and `farJitterMs` are what the far end says of our stream. */
export interface RtcpReport {
  sent: number;
  received: number;
  /** RFC 3550 §6.4.1: arrival − LSR − DLSR, ms. */
  roundTripMs: number | undefined;
  farLost: number | undefined;
  bye: boolean;
}

export class RtcpSession {
  private sent = 0;
  private received = 0;
  private lastSr: { middle: number; at: number } | undefined;
  private roundTripMs: number | undefined;
  private farLost: number | undefined;
  private bye = false;
  private expectedPrior = 0;
  private receivedPrior = 0;

  constructor(public ssrc: number, private readonly cname: string) {}

  /** The next compound packet to send. `wall` is Unix time in ms, `now` the monotonic clock. */
  write(wall: number, now: number, stream: { rtpTimestamp: number; packets: number; octets: number }, reception: Reception): Buffer {
    this.sent++;
    const sender = stream.packets > 0 ? { ntp: ntpOf(wall), ...stream } : undefined;
    return writeReport(this.ssrc, this.cname, sender, this.block(reception, now));
  }

  read(bytes: Buffer, wall: number, now: number): void {
    this.received++;
    const { reports, bye } = parseCompound(bytes);
    this.bye ||= bye;
    for (const report of reports) {
      if (report.sender !== undefined) this.lastSr = { middle: middleOf(report.sender.ntp), at: now };
      const block = report.blocks.find((b) => b.ssrc === this.ssrc);
      if (block === undefined) continue;
      this.farLost = block.lost;
      if (block.lastSenderReport === 0) continue;
      const trip = (middleOf(ntpOf(wall)) - block.lastSenderReport - block.delaySinceLast) | 0;
      this.roundTripMs = Math.max(0, Math.round((trip / 65536) * 10000) / 10);
    }
  }

  report(): RtcpReport {
    return { sent: this.sent, received: this.received, roundTripMs: this.roundTripMs, farLost: this.farLost, bye: this.bye };
  }

  private block(reception: Reception, now: number): ReportBlock[] {
    if (reception.ssrc === undefined) return [];
    const expected = reception.expected - this.expectedPrior;
    const received = reception.received - this.receivedPrior;
    this.expectedPrior = reception.expected;
    this.receivedPrior = reception.received;
    const lost = Math.max(0, expected - received);
    return [{
      ssrc: reception.ssrc, fractionLost: expected > 0 ? Math.min(255, Math.floor((256 * lost) / expected)) : 0,
      lost: reception.expected - reception.received, highest: reception.highestSequence, jitter: reception.jitterUnits,
      lastSenderReport: this.lastSr?.middle ?? 0, delaySinceLast: this.lastSr === undefined ? 0 : Math.round(((now - this.lastSr.at) / 1000) * 65536),
    }];
  }
}

// Counting what arrives on a media port: sources, sequence, loss, jitter, gaps (RFC 3550 A.1, A.3, A.8).
import type { RtpPacket } from './rtp.js';

/** Figures of reception; times in ms. `lost` can be negative where packets were doubled. */
export interface ReceptionReport {
  packets: number;
  octets: number;
  lost: number;
  outOfOrder: number;
  duplicates: number;
  /** RFC 3550 A.8, converted to ms. */
  jitterMs: number;
  /** Longest time between two packets, from the first to the end of the session. */
  maxGapMs: number;
  /** First packet, on `performance.now()`'s clock. */
  firstAt: number | undefined;
  lastAt: number | undefined;
  ssrcs: number[];
  /** Steps of the sequence number by more than 100 or backwards by more than 100. */
  sequenceJumps: number;
  /** Timestamps more than 200 ms away from where both arrival time and sequence number put them. */
  timestampJumps: number;
  payloadTypes: Record<string, number>;
  /** Packets by duration of their audio, ms. */
  ptimes: Record<string, number>;
  /** `address:port` of every sender. */
  sources: string[];
}

type Header = Omit<RtpPacket, 'payload'>;

export class Reception {
  private packets = 0;
  private octets = 0;
  private outOfOrder = 0;
  private duplicates = 0;
  private jitter = 0;
  private transit: number | undefined;
  private maxGap = 0;
  private firstAt: number | undefined;
  private readonly ssrcs = new Set<number>();
  private readonly sources = new Set<string>();
  private readonly payloadTypes: Record<string, number> = {};
  private readonly ptimes: Record<string, number> = {};
  private sequenceJumps = 0;
  private timestampJumps = 0;
  private highest = 0;         // extended sequence number
  private base = 0;
  private expectedBefore = 0;  // packets expected before the last jump or change of source
  private recent = new Set<number>();
  private clock: { timestamp: number; at: number; sequence: number } | undefined;
  private endedAt: number | undefined;
  lastAt: number | undefined;
  ssrc: number | undefined;

  constructor(private readonly clockRate: number) {}

  /** Takes one packet. `timed` is false for telephone-events, whose timestamp stands still. */
  feed(header: Header, size: number, from: string, now: number, timed: boolean): void {
    this.packets++;
    this.octets += size;
    this.firstAt ??= now;
    if (this.lastAt !== undefined) this.maxGap = Math.max(this.maxGap, now - this.lastAt);
    this.lastAt = now;
    this.sources.add(from);
    this.ssrcs.add(header.ssrc);
    this.payloadTypes[header.payloadType] = (this.payloadTypes[header.payloadType] ?? 0) + 1;
    this.follow(header);
    if (timed) this.time(header, now);
  }

  /** Counts the duration of a packet's audio. */
  ptime(ms: number): void {
    this.ptimes[ms] = (this.ptimes[ms] ?? 0) + 1;
  }

  /** The session is over: the silence up to now counts as a gap, later silence does not. */
  end(now: number): void {
    if (this.endedAt !== undefined) return;
    this.endedAt = now;
    if (this.lastAt !== undefined) this.maxGap = Math.max(this.maxGap, now - this.lastAt);
  }

  get expected(): number {
    return this.ssrc === undefined ? 0 : this.expectedBefore + this.highest - this.base + 1;
  }

  get received(): number {
    return this.packets;
  }

  get highestSequence(): number {
    return this.highest;
  }

  /** Jitter in timestamp units, as reports carry it. */
  get jitterUnits(): number {
    return this.jitter;
  }

  report(): ReceptionReport {
    const round = (n: number): number => Math.round(n * 10) / 10;
    return {
      packets: this.packets, octets: this.octets, lost: this.expected - this.packets + this.duplicates, outOfOrder: this.outOfOrder,
      duplicates: this.duplicates, jitterMs: round((1000 * this.jitter) / this.clockRate), maxGapMs: round(this.maxGap), firstAt: this.firstAt, lastAt: this.lastAt,
      ssrcs: [...this.ssrcs], sequenceJumps: this.sequenceJumps, timestampJumps: this.timestampJumps,
      payloadTypes: { ...this.payloadTypes }, ptimes: { ...this.ptimes }, sources: [...this.sources],
    };
  }

  private follow(header: Header): void {
    if (this.ssrc !== header.ssrc) {
      this.expectedBefore = this.expected;
      this.restart(header);
      return;
    }
    const step = ((header.sequence - (this.highest & 0xffff) + 0x18000) & 0xffff) - 0x8000;
    if (Math.abs(step) > 100) {
      this.sequenceJumps++;
      this.expectedBefore = this.expected;
      this.restart(header);
    } else if (step > 0) {
      this.highest += step;
      this.remember();
    } else if (this.recent.has(header.sequence)) this.duplicates++;
    else {
      this.outOfOrder++;
      this.recent.add(header.sequence);
    }
  }

  private restart(header: Header): void {
    this.ssrc = header.ssrc;
    this.base = this.highest = header.sequence;
    this.recent = new Set([header.sequence]);
    this.transit = undefined;
    this.clock = undefined;
  }

  private remember(): void {
    this.recent.add(this.highest & 0xffff);
    if (this.recent.size > 256) {
      const oldest = this.recent.values().next().value;
      if (oldest !== undefined) this.recent.delete(oldest);
    }
  }

  private time(header: Header, now: number): void {
    const transit = (now * this.clockRate) / 1000 - header.timestamp;
    if (this.transit !== undefined) {
      const d = Math.abs(transit - this.transit);
      // A wrap of the timestamp is no jitter.
      if (d < 2 ** 31) this.jitter += (d - this.jitter) / 16;
    }
    this.transit = transit;
    if (this.clock !== undefined) {
      const elapsed = ((now - this.clock.at) * this.clockRate) / 1000;
      const advance = (header.timestamp - this.clock.timestamp) | 0;
      // Packets that waited together arrive together: then the sequence number tells how much time they stand for.
      const counted = ((((header.sequence - this.clock.sequence) << 16) >> 16) * this.clockRate) / 50;
      const off = Math.min(Math.abs(advance - elapsed), Math.abs(advance - counted));
      if (off > 0.2 * this.clockRate) this.timestampJumps++;
    }
    this.clock = { timestamp: header.timestamp, at: now, sequence: header.sequence };
  }
}

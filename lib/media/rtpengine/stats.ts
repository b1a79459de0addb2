import type { SideCounters } from '../anchor/messages.js';
import type { LegMediaStats } from '../types.js';
import type { Bencoded } from './bencode.js';
import type { NgAnswer } from './ngClient.js';

/** What an engine knows of one side of one of its calls. */
export interface EngineFigures {
  readonly packets: number;
  readonly bytes: number;
  /** Seconds since 1970 of the last packet, RTCP counted; 0: none. */
  readonly lastPacket: number;
  readonly roundTripMs: number | null;
  readonly mos: number | null;
}

type Dictionary = { readonly [key: string]: Bencoded };

function dictionary(value: Bencoded | undefined): Dictionary {
  return typeof value === 'object' && !Array.isArray(value) ? value as Dictionary : {};
}

function list(value: Bencoded | undefined): readonly Bencoded[] {
  return Array.isArray(value) ? value as readonly Bencoded[] : [];
}

function number(value: Bencoded | undefined): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

/** Reads the side with this tag out of a query or delete answer (rtpengine README, "query Message"). */
export function engineFigures(answer: NgAnswer | null, tag: string): EngineFigures | null {
  if (!answer) return null;
  const side = dictionary(dictionary(answer['tags'])[tag]);
  const sources = dictionary(answer['SSRC']);
  const figures = { packets: 0, bytes: 0, lastPacket: 0, roundTripMs: null as number | null, mos: null as number | null };
  for (const stream of list(dictionary(list(side['medias'])[0])['streams']).map(dictionary)) {
    const stats = dictionary(stream['stats']);
    const packets = number(stats['packets']);
    if (packets > 0) figures.lastPacket = Math.max(figures.lastPacket, number(stream['last packet']));
    if (list(stream['flags']).includes('RTP')) {
      figures.packets += packets;
      figures.bytes += number(stats['bytes']);
    }
    // The engine averages what RTCP told it; MOS comes times ten, round trips in microseconds.
    const average = dictionary(dictionary(sources[String(number(stream['SSRC']))])['average MOS']);
    const mos = number(average['MOS']) / 10;
    const roundTrip = number(average['round-trip time leg']);
    if (roundTrip > 0) figures.roundTripMs = roundTrip / 1000;
    if (mos >= 1) figures.mos = mos;
  }
  return figures;
}

/**
 * Listening quality from loss and delay by the E-model in its simple form (ITU-T G.107 and G.113 appendix I: Bpl 10 with
 * concealment, Ie 0); delay is half the round trip and twice the jitter.
 */
export function estimateMos(lossShare: number, jitterMs: number, roundTripMs: number | null): number {
  const delay = (roundTripMs ?? 0) / 2 + 2 * jitterMs + 40;
  const delayLoss = 0.024 * delay + (delay > 177.3 ? 0.11 * (delay - 177.3) : 0);
  const loss = Math.min(1, Math.max(0, lossShare)) * 100;
  const r = Math.max(0, Math.min(100, 93.2 - delayLoss - (95 * loss) / (loss + 10)));
  const mos = 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6;
  return Math.round(Math.min(4.5, Math.max(1, mos)) * 10) / 10;
}

const NO_COUNTERS: SideCounters = { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, silentOut: 0, lost: 0, jitterMs: 0, roundTripMs: null, remoteLoss: null };

/** Joins the anchor's counters and the engine's figures into a leg's statistics. */
export function legStats(codec: string | null, keying: LegMediaStats['keying'], counters: SideCounters | null, engine: EngineFigures | null): LegMediaStats {
  const seen = counters ?? NO_COUNTERS;
  const packetsIn = Math.max(seen.packetsIn, engine?.packets ?? 0);
  const jitterMs = seen.packetsIn > 1 ? Math.round(seen.jitterMs * 10) / 10 : null;
  const lossShare = packetsIn + seen.lost > 0 ? seen.lost / (packetsIn + seen.lost) : 0;
  const roundTrip = seen.roundTripMs ?? engine?.roundTripMs ?? null;
  const roundTripMs = roundTrip === null ? null : Math.round(roundTrip * 10) / 10;
  return {
    codec, keying, packetsIn,
    bytesIn: seen.packetsIn >= (engine?.packets ?? 0) ? seen.bytesIn : engine?.bytes ?? 0,
    packetsOut: seen.packetsOut, bytesOut: seen.bytesOut, lost: seen.lost, jitterMs,
    roundTripMs,
    // Of the two directions the worse one is what is complained of.
    mos: packetsIn === 0 ? null : engine?.mos ?? estimateMos(Math.max(lossShare, seen.remoteLoss ?? 0), jitterMs ?? 0, roundTripMs),
  };
}

import type { SideCounters } from '../relay/messages.js';
import { FRAME_MS } from '../relay/rtp.js';
import type { LegMediaStats } from '../types.js';

/** What an engine knows of one side of one of its calls. */
export interface EngineFigures {
  /** RTP packets that came, and their octets with headers. */
  readonly packets: number;
  readonly bytes: number;
  readonly roundTripMs: number | null;
  readonly mos: number | null;
}

/**
 * Listening quality from loss and delay by the E-model in its simple form (ITU-T G.107 and G.113 appendix I: Bpl 10 with
 * concealment, Ie 0); delay is half the round trip and twice the jitter.
 */
function estimateMos(lossShare: number, jitterMs: number, roundTripMs: number | null): number {
  const delay = (roundTripMs ?? 0) / 2 + 2 * jitterMs + 40;
  const delayLoss = 0.024 * delay + (delay > 177.3 ? 0.11 * (delay - 177.3) : 0);
  const loss = Math.min(1, Math.max(0, lossShare)) * 100;
  const r = Math.max(0, Math.min(100, 93.2 - delayLoss - (95 * loss) / (loss + 10)));
  const mos = 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6;
  return Math.round(Math.min(4.5, Math.max(1, mos)) * 10) / 10;
}

const NO_COUNTERS: SideCounters = {
  packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, silentOut: 0, eventsOut: 0,
  lost: 0, jitterMs: 0, roundTripMs: null, remoteLoss: null, silentMs: Infinity, missedMs: 0, taken: 0,
};

/** How a peer's wire differs from the relay's side of its engine call. */
export interface PeerWire {
  readonly codec: string;
  readonly keying: 'sdes' | 'dtls' | 'none';
  /** The engine passes packets on as they come. */
  readonly passes: boolean;
  /** Milliseconds of audio in the packets towards the peer. */
  readonly ptime: number;
}

/** What went over a leg's own wire. */
type Traffic = Pick<LegMediaStats, 'packetsIn' | 'packetsOut' | 'bytesIn' | 'bytesOut'>;

const RTP_HEADER = 12;
/** RFC 4733 §2.3. */
const EVENT_OCTETS = 4;
/** Octets of payload in a millisecond: 64 kbit/s for G.711 and G.722; Opus as we have the engine encode it (20 kbit/s). */
const octetsPerMs = (codec: string): number => (codec === 'opus' ? 2.5 : 8);

/** Statistics of Meta's leg: nothing is transcoded there, and the relay sees every packet that could be decrypted. */
export function metaStats(codec: string | null, keying: LegMediaStats['keying'], counters: SideCounters | null): LegMediaStats {
  const seen = counters ?? NO_COUNTERS;
  return legStats(codec, keying, seen, seen, null);
}

/** Statistics of a peer's leg; `wire` null: never negotiated. */
export function peerStats(wire: PeerWire | null, counters: SideCounters | null, engine: EngineFigures | null): LegMediaStats {
  const seen = counters ?? NO_COUNTERS;
  if (wire === null) return legStats(null, null, seen, seen, null);
  return legStats(wire.codec, wire.keying, seen, { ...incoming(wire, seen, engine), ...outgoing(wire, seen) }, engine);
}

function incoming(wire: PeerWire, seen: SideCounters, engine: EngineFigures | null): Pick<Traffic, 'packetsIn' | 'bytesIn'> {
  // What is passed on the relay counts itself; what is transcoded the engine counts without SRTP's tag.
  if (wire.passes || !engine || engine.packets === 0) return seen;
  return { packetsIn: engine.packets, bytesIn: engine.bytes - engine.packets * RTP_HEADER };
}

/** rtpengine 10.5.3 does not tell what it sends; what it makes of our steady stream follows from codec and packet length. */
function outgoing(wire: PeerWire, seen: SideCounters): Pick<Traffic, 'packetsOut' | 'bytesOut'> {
  if (wire.passes) return seen;
  const ms = (seen.packetsOut - seen.eventsOut) * FRAME_MS;
  return { packetsOut: Math.floor(ms / wire.ptime) + seen.eventsOut, bytesOut: Math.round(ms * octetsPerMs(wire.codec)) + seen.eventsOut * EVENT_OCTETS };
}

/** Loss and jitter are the relay's: the engine keeps the gaps in the sequence also where it transcodes. */
function legStats(codec: string | null, keying: LegMediaStats['keying'], seen: SideCounters, traffic: Traffic, engine: EngineFigures | null): LegMediaStats {
  const { packetsIn, packetsOut, bytesIn, bytesOut } = traffic;
  const jitterMs = seen.packetsIn > 1 ? Math.round(seen.jitterMs * 10) / 10 : null;
  const lossShare = packetsIn + seen.lost > 0 ? seen.lost / (packetsIn + seen.lost) : 0;
  const roundTrip = seen.roundTripMs ?? engine?.roundTripMs ?? null;
  const roundTripMs = roundTrip === null ? null : Math.round(roundTrip * 10) / 10;
  const estimated = estimateMos(Math.max(lossShare, seen.remoteLoss ?? 0), jitterMs ?? 0, roundTripMs);
  return {
    codec, keying, packetsIn, bytesIn, packetsOut, bytesOut, lost: seen.lost, silentMs: seen.missedMs, jitterMs, roundTripMs,
    // Of the two directions the worse one is what is complained of.
    mos: packetsIn === 0 ? null : Math.min(estimated, engine?.mos ?? estimated),
  };
}

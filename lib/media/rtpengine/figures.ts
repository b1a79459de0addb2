import type { EngineFigures } from '../anchored/stats.js';
import type { Bencoded } from './bencode.js';
import type { NgAnswer } from './ngClient.js';

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
  const figures = { packets: 0, bytes: 0, roundTripMs: null as number | null, mos: null as number | null };
  for (const stream of list(dictionary(list(side['medias'])[0])['streams']).map(dictionary)) {
    if (list(stream['flags']).includes('RTP')) {
      const stats = dictionary(stream['stats']);
      figures.packets += number(stats['packets']);
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

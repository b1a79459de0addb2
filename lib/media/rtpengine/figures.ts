import type { EngineFigures } from '../session/stats.js';
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

/** The address that packets of the side with this tag come from; null: the engine has heard none, or has no such side. */
export function engineSource(answer: NgAnswer | null, tag: string): string | null {
  const side = dictionary(dictionary(answer?.['tags'])[tag]);
  const stream = list(dictionary(list(side['medias'])[0])['streams']).map(dictionary).find(({ flags }) => list(flags).includes('RTP') && list(flags).includes('confirmed'));
  const address = dictionary(stream?.['endpoint'])['address'];
  return typeof address === 'string' ? address : null;
}

/** Packets of the side with this tag that the engine took, RTP and RTCP; null: it does not say. */
export function enginePackets(answer: NgAnswer | null, tag: string): number | null {
  const medias = dictionary(dictionary(answer?.['tags'])[tag])['medias'];
  if (medias === undefined) return null;
  const streams = list(medias).flatMap((media) => list(dictionary(media)['streams'])).map((stream) => dictionary(dictionary(stream)['stats']));
  return streams.reduce((sum, stats) => sum + Math.max(0, number(stats['packets']) - number(stats['errors'])), 0);
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
      // What it drops, a stranger's for one, it counts beside the others and as errors.
      const packets = number(stats['packets']);
      const taken = Math.max(0, packets - number(stats['errors']));
      figures.packets += taken;
      figures.bytes += packets > 0 ? Math.round((number(stats['bytes']) * taken) / packets) : 0;
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

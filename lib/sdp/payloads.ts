import type { SdpCodec } from './types.js';

/** One codec and its telephone events, as a description names them. */
interface Named { readonly codec: SdpCodec; readonly events: SdpCodec | null }

/**
 * Payload numbers of one stream, seen from us. The offer's and the answer's numbers are two maps: each names what its writer wants to receive, and
 * an answer may give a codec another number than the offer did (RFC 3264 §5.1, §6.1).
 */
export interface PayloadMap {
  /** What we send under: their numbers. */
  readonly sends: { readonly audio: number; readonly events: number | null };
  /** What we take: our numbers, and theirs too, as many send under those. Where both gave a number to different things, ours counts. */
  readonly takes: { readonly audio: readonly number[]; readonly events: readonly number[] };
}

/** `named`: the codec lines of our own description of this stream; `theirs`: what was chosen from the other side's. */
export function payloadMap(named: readonly SdpCodec[], { codec, events }: Named): PayloadMap {
  const taken = (wanted: SdpCodec): number[] => {
    const ours = named.filter((one) => sameCodec(one, wanted)).map(({ payloadType }) => payloadType);
    return named.some(({ payloadType }) => payloadType === wanted.payloadType) ? ours : [...ours, wanted.payloadType];
  };
  return {
    sends: { audio: codec.payloadType, events: events?.payloadType ?? null },
    takes: { audio: taken(codec), events: events === null ? [] : taken(events) },
  };
}

/** Their choice under our numbers, for an engine that has been told ours; what we did not name keeps its own. */
export function underOurNumbers<T extends Named>(named: readonly SdpCodec[], theirs: T): T {
  const ours = <C extends SdpCodec>(wanted: C): C => ({ ...wanted, payloadType: named.find((one) => sameCodec(one, wanted))?.payloadType ?? wanted.payloadType });
  return { ...theirs, codec: ours(theirs.codec), events: theirs.events && ours(theirs.events) };
}

/** Whether they gave what they chose the numbers that we gave it. */
export function numberedAlike(named: readonly SdpCodec[], theirs: Named): boolean {
  const { codec, events } = underOurNumbers(named, theirs);
  return codec.payloadType === theirs.codec.payloadType && events?.payloadType === theirs.events?.payloadType;
}

/** RFC 8866 §6.6: a codec is its encoding name, clock rate and channels. */
function sameCodec(a: SdpCodec, b: SdpCodec): boolean {
  return a.name === b.name && a.clockRate === b.clockRate && a.channels === b.channels;
}

import { isNowhere, type PeerMedia } from '../../sdp/index.js';

/** The same with the address it had: a hold with c=0.0.0.0 leaves that standing, for the resume. */
export function keepAddress(media: PeerMedia, before: PeerMedia): PeerMedia {
  return { ...media, audio: { ...media.audio, address: before.audio.address } };
}

/** Nothing changed that the engine would have to know: a hold, a resume, a refresh. */
export function sameStream(a: PeerMedia, b: PeerMedia): boolean {
  const essence = ({ audio: { port, rtcp, protocol, sdes, ice, dtls }, codec, events }: PeerMedia): string =>
    JSON.stringify([port, rtcp?.port ?? null, protocol, sdes, ice, dtls?.fingerprints ?? null, codec.name, codec.payloadType, events?.payloadType ?? null]);
  const sameAddress = a.audio.address === b.audio.address || isNowhere(b.audio.address);
  return sameAddress && essence(a) === essence(b) && (b.audio.ptime === null || a.audio.ptime === b.audio.ptime);
}

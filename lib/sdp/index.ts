export * from './types.js';
export { audioCodec, eventCodec, isAudioCodec, META_OPUS_FMTP } from './codecs.js';
export { isNowhere } from './direction.js';
export { numberedAlike, payloadMap, underOurNumbers, type PayloadMap } from './payloads.js';
export { readSdp } from './read.js';
export { SDES_SUITE } from './security.js';
export { writeSdp } from './write.js';
export { metaAnswer, metaOffer, metaOfferCodecs, readMetaAnswer, readMetaOffer, type EnginePort, type MetaMedia, type OwnSource } from './meta.js';
export { peerAnswer, peerOffer, peerOfferCodecs, readPeerAnswer, readPeerOffer, type OfferedTypes, type PeerMedia, type PeerSdpProfile } from './peer.js';

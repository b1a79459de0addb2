// SRTP and SRTCP (RFC 3711): pure, on every packet of a media thread.
export { SrtpReceiver } from './receiver.js';
export { SrtpSender } from './sender.js';
export { DTLS_PROFILES, keysOf, newKeys, SUITES, type SrtpKeys } from './suites.js';

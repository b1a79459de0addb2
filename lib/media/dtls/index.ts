// DTLS-SRTP of our own: who keys a call's media with Meta's and browsers' way needs nothing but Node.
export { makeCertificate } from './certificate.js';
export type { DtlsCertificate } from './certificate.js';
export { DtlsEndpoint } from './endpoint.js';
export type { DtlsEvents, DtlsOptions } from './endpoint.js';

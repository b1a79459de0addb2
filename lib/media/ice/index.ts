export type { IceAddress } from './address.js';
export { IceAgent } from './agent.js';
export { hostCandidate, newIceCredentials } from './candidate.js';
export type { IceCredentials, IceEvents, IceOptions, IceRemote } from './types.js';

/** RFC 3261 §17 and RFC 6026 over `../transport/`: see TransactionLayer, whose user is the core in `../core/`. */
export { TransactionLayer } from './layer.js';
export type { LayerOptions, TransactionCounters, TransactionUser } from './options.js';
export { ServerTransaction } from './server.js';
export type { ServerTransactionUser } from './server.js';
export { ClientTransaction } from './client.js';
export type { ClientTransactionUser } from './client.js';
export { CallIds } from './callIds.js';
export { newBranch, randomToken } from './keys.js';
export { DEFAULT_TIMERS, lifetime } from './timers.js';
export type { Timers } from './timers.js';

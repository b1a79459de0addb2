/** Where requests go (RFC 3263) and under which address we stand in them. */
export { SystemNameService } from './dns.js';
export type { NameService, Naptr, Srv } from './dns.js';
export { isRoutable, resolve } from './resolve.js';
export type { Hop, NoWay, ResolveOptions, TargetRule, TlsRule } from './resolve.js';
export { isLoopback, isWildcard, Presence } from './presence.js';
export type { Presented } from './presence.js';
export { Network } from './network.js';
export type { NetworkOptions } from './network.js';
export { Delivery, withVia } from './delivery.js';
export type { DeliveryUser } from './delivery.js';

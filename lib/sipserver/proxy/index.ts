/** RFC 3261 §16: stateful proxying of one request, and the Record-Routes that keep us in its dialog. */
export { forwarded, nextHops, RouteMark } from './forward.js';
export { Proxy } from './proxy.js';
export type { ProxyOptions, Target } from './proxy.js';

import * as is from './checks.js';
import { about, leaf, valuesOf, type Group } from './schemaForm.js';

/** `node`: which of several this one is, and where the others are. */
export const nodeSchema = {
  [about]: { doc: 'This node among several (docs/guides/cluster.md). With addresses and secret, a request of a call that another node has is handed to it.' },
  name: leaf("Its name, another one for each node; null: the host's name.", is.orNull(is.nodeName), null),
  secret: leaf('What only the nodes know, the same for all of them, e.g. "${NODE_SECRET}"; by it they believe each other; null: no request is handed on.', is.orNull(is.bearerToken), null, { secret: true, sensitive: true }),
  addresses: valuesOf(
    'Where each node is reached by the others, by name: tcp:host:port or udp:host:port of its sip.listen, e.g. { a: "tcp:10.0.0.4:5060", b: "tcp:10.0.0.5:5060" }; the same on all of them.',
    is.nodeName, is.nodeAddress,
  ),
} satisfies Group;

import * as is from './checks.js';
import { leaf, secret, valuesOf, type Group } from './schemaForm.js';

/** `nodes`: several of us behind one address. */
export const nodesSchema = {
  name: leaf("This node's name in addresses; null: the host's name.", is.orNull(is.nodesName), null),
  secret: secret('What only the nodes know, the same for all of them; by it they believe each other.', { check: is.bearerToken }),
  addresses: valuesOf('Where each node is reached by the others, by name: tcp:host:port or udp:host:port of its sip.listen, e.g. { a: "tcp:10.0.0.4:5060", b: "tcp:10.0.0.5:5060" }; the same on all of them.', is.nodesName, is.nodeAddress),
} satisfies Group;

import { graphClient, type GraphClient } from '../graph/client.js';
import { PermissionGate, type Ruling } from '../graph/permission/gate.js';
import { PermissionLedger } from '../graph/permission/ledger.js';
import type { Config } from '../config/types.js';
import type { Logger } from '../observe/logger.js';
import type { State } from './state.js';

export interface Permissions { readonly gate: PermissionGate; readonly ledger: PermissionLedger }

/** Gives the client of the configuration in force; null where that has no `graph`. A reload that changes `graph` gives a new one. */
export function graphAccess(config: () => Pick<Config, 'graph'>): () => GraphClient | null {
  let made: { readonly of: string; readonly client: GraphClient } | null = null;
  return () => {
    const { graph } = config();
    if (graph === null) return null;
    const of = JSON.stringify(graph);
    if (made?.of !== of) made = { of, client: graphClient(graph) };
    return made.client;
  };
}

/** What is known of users' permissions, and who asks for the rest. */
export function openPermissions(state: State, graph: () => GraphClient | null, log: Logger, onRuling: (ruling: Ruling) => void): Permissions {
  const config = (): Config => state.rules.config;
  const part = log.child({ part: 'permissions' });
  const { shared } = state;
  const ledger = new PermissionLedger({
    nodes: shared === null ? null : { own: shared.instance, alive: (process) => shared.limits.alive(process) },
    config, names: (user) => state.userNames.all(user), store: state.permissions, now: Date.now, log: part, onChanged: (number, user, permission) => state.news.permission(number, user, permission),
  });
  const gate = new PermissionGate({
    ledger, api: graph, whenDown: () => config().graph?.whenDown ?? 'allow', timeout: () => (config().graph?.timeout ?? 1) * 1000, now: Date.now, log: part, onRuling,
    onNames: (user, userId, parentUserId) => state.userNames.learn(user, userId, parentUserId),
  });
  return { gate, ledger };
}

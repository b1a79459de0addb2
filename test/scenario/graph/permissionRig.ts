// What of the service knows of permissions, without SIP: state file, ledger, gate and webhook listener, as the service builds them.
import { join } from 'node:path';
import type { Calls } from '../../../lib/app/calls.js';
import { graphAccess, openPermissions, type Permissions } from '../../../lib/app/permissions.js';
import { compileRules } from '../../../lib/app/rules.js';
import { SettingsWatch } from '../../../lib/app/settingsWatch.js';
import { openState, type State } from '../../../lib/app/state.js';
import type { Undo } from '../../../lib/app/undo.js';
import { openWebhooks } from '../../../lib/app/webhooks.js';
import { ToldCalls } from '../../../lib/call/meta/told.js';
import { parseConfig } from '../../../lib/config/load.js';
import type { Config } from '../../../lib/config/types.js';
import { createLogger } from '../../../lib/observe/logger.js';
import { Metrics } from '../../../lib/observe/metrics.js';
import { Guard } from '../../../lib/util/guard.js';
import { writeConfig, type Overlay } from '../../helpers/service.js';
import { nothingToTell } from '../../helpers/metricSources.js';

export interface Business extends Permissions {
  readonly config: Config;
  readonly state: State;
  readonly settings: SettingsWatch;
  readonly metrics: Metrics;
  /** host:port of the webhooks. */
  readonly webhooks: string;
  readonly log: string[];
  close(): Promise<void>;
}

/** `state` in `dir`; a second one on the same folder finds what the first has left. */
export async function openBusiness(dir: string, overlay: Overlay): Promise<Business> {
  const { text } = await writeConfig(dir, { metaPort: null, peers: { pbx: { port: 5060 } }, overlay: { state: `file:${join(dir, 'state')}`, ...overlay } });
  const config = parseConfig(text, { env: {}, path: 'test' });
  const lines: string[] = [];
  const log = createLogger('info', { write: (line: string) => { lines.push(line); } });
  const undo: Undo = [];
  const faults = new Guard(() => undefined, (place, error) => { lines.push(`fault at ${place}: ${error.message}`); });
  const start = { config, version: '0', log, faults, undo };
  const state = await openState(start, await compileRules(config));
  const graph = graphAccess(() => state.rules.config);
  const metrics = new Metrics(nothingToTell);
  const permissions = openPermissions(state, graph, log, (ruling) => metrics.permissionJudged(ruling));
  const settings = new SettingsWatch(() => state.rules.config, graph, log, faults);
  const told = new ToldCalls({ table: state.table, keyOf: (user) => state.userNames.keyOf(user), log, onMissed: ({ number, reached }) => metrics.callMissed(number, reached) });
  const calls: Pick<Calls, 'metrics' | 'permissions' | 'told' | 'graph' | 'settings'> = { metrics, permissions, told, graph, settings };
  const server = await openWebhooks(start, state, calls);
  return {
    ...permissions, config, state, settings, metrics, webhooks: server?.address ?? '', log: lines,
    async close() {
      settings.close();
      for (const step of undo.reverse().splice(0)) await step();
    },
  };
}

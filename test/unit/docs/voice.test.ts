// docs/guides/voice.md and config/examples/voice.yaml: what they give can be used, and what is said of a leak is what check says.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadConfig, parseConfig } from '../../../lib/config/load.js';
import type { Config } from '../../../lib/config/types.js';
import { compilePolicy, formatPolicyFault, prove } from '../../../lib/policy/index.js';
import { compileRouting, routingFaults } from '../../../lib/routing/index.js';
import { root } from './tables.js';

const env = { WA_PASSWORD: 'x' };
const guide = readFileSync(join(root, 'docs/guides/voice.md'), 'utf8');
const example = readFileSync(join(root, 'config/examples/voice.yaml'), 'utf8');

/** As `check` judges it. */
function faultsOf(config: Config): string[] {
  compileRouting(config);
  return [...routingFaults(config).map(({ message }) => message), ...prove(compilePolicy(config)).faults.map(formatPolicyFault)];
}

t.test('each configuration is good', (t) => {
  t.same(faultsOf(loadConfig(join(root, 'config/examples/voice.yaml'), env)), []);
  const blocks = [...guide.matchAll(/```yaml\n([^]*?)```/g)].map(([, text = '']) => text);
  t.ok(blocks.length > 0);
  for (const text of blocks) t.same(faultsOf(parseConfig(text, { env, path: 'voice.md' })), []);
  t.end();
});

t.test('the leak of the guide, planted into the example', (t) => {
  const planted = example.replace('"2": { to: [{ peer: pbx, user: "6101" }', '"2": { to: [{ peer: gw, user: "6101" }')
    .replace('\npeers:\n', '\npeers:\n  gw: { uri: "sip:10.0.0.9", pstn: carrier trunk, users: ["6[0-9]{3}"] }\n');
  const [fault = ''] = faultsOf(parseConfig(planted, { env, path: 'voice.yaml' }));
  for (const line of fault.split('\n')) t.ok(guide.includes(line.trim()), line);
  t.end();
});

// What deploy/cluster and config/examples/cluster.yaml say fits together, and HAProxy takes its part.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseConfig } from '../../../lib/config/load.js';
import { metaSources } from '../../../lib/config/metaSources.js';
import { root } from '../docs/tables.js';

const file = join(root, 'deploy/cluster/haproxy.cfg');
const balancer = readFileSync(file, 'utf8');
const env = {
  WA_PASSWORD: 'a', REDIS_PASSWORD: 'b', NODE_SECRET: 'the-nodes-only-0123456789', OPS_TOKEN: 'ops-0123456789abcdef', NODE_PUBLIC: '203.0.113.4', NODE_NAME: 'a', NODE_ADDRESS: '10.0.0.4',
};
const read = (more: object) => parseConfig(readFileSync(join(root, 'config/examples/cluster.yaml'), 'utf8'), { env: { ...env, ...more }, path: 'cluster.yaml' });

t.test('each node is behind the balancer, at the address that the others have of it', (t) => {
  const { node, meta } = read({});
  t.same(meta.sources, [...metaSources, '10.0.0.3/32'], 'Meta, and the balancer');
  for (const [name, address] of Object.entries(node.addresses)) {
    const host = address?.split(':')[1] ?? '';
    t.ok(balancer.includes(`  server ${name} ${host}:5061\n`), name);
    t.equal(read({ NODE_NAME: name, NODE_ADDRESS: host }).node.name, name);
  }
  t.throws(() => read({ NODE_NAME: 'c' }), /node\.addresses: has no c/);
  t.end();
});

t.test('HAProxy takes it', { skip: spawnSync('haproxy', ['-v']).error === undefined ? false : 'no haproxy: Debian package haproxy' }, (t) => {
  const { status, stderr } = spawnSync('haproxy', ['-c', '-f', file], { encoding: 'utf8' });
  t.equal(status, 0, stderr);
  t.end();
});

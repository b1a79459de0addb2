import { parse, stringify } from 'yaml';
import { readFileSync } from 'node:fs';
import { ConfigFaults } from '../../../lib/config/faults.js';
import type { ConfigFault } from '../../../lib/config/faults.js';
import { parseConfig } from '../../../lib/config/load.js';
import type { Config } from '../../../lib/config/types.js';

export type Tree = { [key: string]: unknown };

export const env = {
  WA_PASSWORD: 'wa-secret', PBX_PASSWORD: 'pbx-secret', DRACHTIO_SECRET: 'd-secret', METRICS_TOKEN: 'metrics-token-0123456789', ESL_SECRET: 'esl-secret',
  PHONE_6001: 'p1', PHONE_6002: 'p2', ASTERISK_PASSWORD: 'a', FREESWITCH_IN: 'b', FREESWITCH_OUT: 'c',
};

/** A good file in which every key of the schema has a value. */
export function fullDocument(): Tree {
  const tree = parse(readFileSync('config/default.yaml', 'utf8')) as Tree;
  setAt(tree, 'sip.drachtio', [{ host: '127.0.0.1', port: 9022, secret: '${DRACHTIO_SECRET}' }]);
  setAt(tree, 'sip.scanners', ['friendly-scanner']);
  setAt(tree, 'sip.advertise', { meta: 'sbc.example.net', peers: '203.0.113.4' });
  setAt(tree, 'media.freeswitch', [{ host: '10.0.0.6', port: 8021, secret: '${ESL_SECRET}' }]);
  setAt(tree, 'media.engine', 'rtpengine');
  setAt(tree, 'media.interface', { meta: '10.0.0.4!203.0.113.4', peers: '10.0.0.4' });
  setAt(tree, 'media.rtpengine.interface', { meta: '10.0.0.4!203.0.113.4', peers: '10.0.0.4' });
  setAt(tree, 'media.rtpengine.spawn', false);
  setAt(tree, 'media.rtpengine.control', ['10.0.0.5:22222']);
  setAt(tree, 'meta.sources', ['192.0.2.0/24']);
  setAt(tree, 'peers.pbx.digest', { username: 'pbx', password: '${PBX_PASSWORD}' });
  setAt(tree, 'peers.pbx.auth', { username: 'us', password: '${PBX_PASSWORD}' });
  setAt(tree, 'peers.pbx.mayTransferTo', ['pbx']);
  setAt(tree, 'peers.pbx.transports', ['udp', 'tcp']);
  setAt(tree, 'peers.pbx.media', ['10.0.0.0/24']);
  setAt(tree, 'peers.phones', { register: true, pstn: 'none', accounts: { 6001: { password: '${PHONE_6001}', maxConcurrentCalls: 2, callsPerDay: 50 } }, registration: { minExpires: 60, maxExpires: 3600, maxContacts: 5, keepAlive: 25 } });
  setAt(tree, 'http.hosts', ['sbc.example.net']);
  setAt(tree, 'api.tokens', [{ name: 'prometheus', token: '${METRICS_TOKEN}', scopes: ['read'] }]);
  setAt(tree, 'policy.carriers', ['carrier.example', '198.51.100.0/24']);
  setAt(tree, 'policy.leaks', { forwarded181: 'enforce' });
  return tree;
}

/** 'a.b[0].c' as steps; a number's key holds no dot. */
function steps(path: string): (string | number)[] {
  return path.split('.').flatMap((part) => {
    const [key, ...indexes] = part.split('[');
    return [key!, ...indexes.map((index) => Number(index.replace(']', '')))];
  });
}

function parentOf(tree: Tree, path: string): { parent: Tree; last: string } {
  const all = steps(path);
  let parent: Tree = tree;
  for (const step of all.slice(0, -1)) parent = parent[step] as Tree;
  return { parent, last: String(all.at(-1)) };
}

export function setAt(tree: Tree, path: string, value: unknown): void {
  const { parent, last } = parentOf(tree, path);
  parent[last] = value;
}

export function removeAt(tree: Tree, path: string): void {
  const { parent, last } = parentOf(tree, path);
  delete parent[last];
}

export function parseTree(tree: Tree): Config {
  return parseConfig(stringify(tree), { env, path: 'test.yaml' });
}

/** The faults of a text; an empty list when it is good. */
export function faultsOf(text: string): readonly ConfigFault[] {
  try {
    parseConfig(text, { env, path: 'test.yaml' });
    return [];
  } catch (error) {
    if (error instanceof ConfigFaults) return error.faults;
    throw error;
  }
}

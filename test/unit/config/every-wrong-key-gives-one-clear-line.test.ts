import t from 'tap';
import { parseDocument, stringify, type Node, type YAMLMap } from 'yaml';
import { formatFault } from '../../../lib/config/faults.js';
import type { Group } from '../../../lib/config/schema.js';
import { isLeaf, schema } from '../../../lib/config/schema.js';
import { faultsOf, fullDocument, parseTree, removeAt, setAt, steps } from './documents.js';

interface Key { readonly path: string; readonly kind: 'scalar' | 'list' | 'group' | 'table'; readonly required: boolean; readonly secret: boolean; readonly item: boolean }

/** Every key path of the schema, lists and tables entered at the one entry the full document has. */
function keysOf(group: Group, path: string): Key[] {
  const entries: Record<string, string> = { 'node.addresses': 'a', domains: 'sbc.example.org', numbers: '+447700900001', peers: 'pbx', 'peers.pbx.accounts': '6001', 'policy.leaks': 'forwarded181', hours: 'office', 'hours.office.week': 'fri', menus: 'main', 'menus.main.keys': '1', queues: 'support', 'queues.support.keys': '1', voicemail: 'sales',
    'numbers.+447700900001.settings.userParams': 'tgrp', 'peers.pbx.headers': 'X-Key', 'routes[0].tee.headers': 'X-Key',
  };
  return Object.entries(group).flatMap(([key, child]): Key[] => {
    const at = path === '' ? key : `${path}.${key}`;
    if (!isLeaf(child)) return [{ path: at, kind: 'group', required: false, secret: false, item: false }, ...keysOf(child, at)];
    const self = { path: at, required: child.required === true, secret: child.secret === true, item: false };
    if (child.optional) return [{ ...self, kind: 'group' }, ...keysOf(child.children!, at)];
    if (child.keys) {
      const entry = `${at}.${entries[at]}`;
      if (child.list) return [{ ...self, kind: 'table' }, { ...self, required: false, path: entry, kind: 'list', item: true }, { ...self, required: false, path: `${entry}[0]`, kind: 'scalar', item: true }];
      return [{ ...self, kind: 'table' }, ...(child.children ? keysOf(child.children, entry) : [{ ...self, path: entry, kind: 'scalar' as const, item: true }])];
    }
    if (!child.list) return [{ ...self, kind: 'scalar' }];
    const item = `${at}[0]`;
    return [{ ...self, kind: 'list' }, ...(child.children ? [{ ...self, required: false, path: item, kind: 'group' as const, item: true }, ...keysOf(child.children, item)]
      : [{ ...self, required: false, path: item, kind: 'scalar' as const, item: true }])];
  });
}

// The peer whose users register is another than the one with a uri, and so is a voice agent.
const keys = keysOf(schema, '').map((key) => ({ ...key, path: key.path.replace(/^peers\.pbx\.(accounts|registration)\b/, 'peers.phones.$1').replace(/^peers\.pbx\.(websocket|dialect|sampleRate|headers|tls)\b/, 'peers.bot.$1') }));

t.test('the document the other tests spoil is good and has every key', (t) => {
  const tree = fullDocument();
  t.equal(parseTree(tree).domain, 'sbc.example.net');
  for (const key of keys) {
    t.doesNotThrow(() => removeAt(fullDocument(), key.path), key.path);
  }
  t.ok(keys.length > 90, `${keys.length} keys`);
  t.end();
});

t.test('a value of the wrong kind', (t) => {
  const wrong: Record<Key['kind'], unknown[]> = {
    scalar: [['a', 'list'], { a: 'mapping' }],
    list: ['scalar', { a: 'mapping' }],
    group: [['a', 'list'], 'scalar'],
    table: [['a', 'list'], 'scalar'],
  };
  for (const key of keys) {
    // One secret stands for a list of one.
    for (const value of key.path === 'webhooks.appSecret' ? [{ a: 'mapping' }] : wrong[key.kind]) {
      const tree = fullDocument();
      setAt(tree, key.path, value);
      const faults = faultsOf(stringify(tree));
      t.equal(faults.length, 1, `${key.path} = ${JSON.stringify(value)}: ${JSON.stringify(faults)}`);
      t.equal(faults[0]?.path, key.path);
      t.ok(faults[0]!.line! > 0, 'has its line');
    }
  }
  t.end();
});

t.test('a scalar that is out of its range', (t) => {
  for (const key of keys.filter((k) => k.kind === 'scalar')) {
    for (const value of ['', -1, '\u0000 no such thing \u0001', null]) {
      // Without it a peer is a SIP peer, which lacks much else.
      if (key.path === 'peers.bot.websocket' && value === null) continue;
      const tree = fullDocument();
      setAt(tree, key.path, value);
      const faults = faultsOf(stringify(tree));
      if (faults.length === 0) {
        t.ok(allowed(key.path, value), `${key.path} = ${JSON.stringify(value)} is accepted`);
        continue;
      }
      t.equal(faults.length, 1, `${key.path} = ${JSON.stringify(value)}: ${JSON.stringify(faults)}`);
      // null for one of two keys that go together is told at the mapping that holds both.
      t.ok(key.path === faults[0]!.path || key.path.startsWith(`${faults[0]!.path}.`), faults[0]!.path);
      const line = formatFault('f.yaml', faults[0]!);
      t.match(line, /^f\.yaml:[0-9]+: [a-zA-Z]/);
      t.notMatch(line, /\n|undefined|\[object/);
    }
  }
  t.end();
});

/** Free text and keys that may be null. */
function allowed(path: string, value: unknown): boolean {
  if (value === null && path.startsWith('node.')) return true;
  if (value === null) return /^(sip\.(advertise|tls)\.|meta\.(ca|address|sourcesFile)$|(^|\.)music$|policy\.audit|http\.(listen|phoneServer)|api\.(listen|sounds)$|cdr\.(file|index|rates|sinks\[0\]\.(http|authorization|syslog)))|^media\.(rtpengine\.)?(interface\.(meta|peers)|ports)$|(^|\.)music$|\.country$|\.payload$|\.downMessage$|\.record\.(announce|pauseKey)$|^recording\.upload\.(presign|authorization)$|^(routes|menus|queues|voicemail)\b.*\.(hours|menu|queue|voicemail|play|status|wrong|repeat|file|greeting|confirm|refused)$|\.auth\.|\.id$|\.passwordFile$|^numbers\..*\.domain$|\.lookup\.authorization$|\.settings\.(callback|hours|icon)$|^graph\.(waba|appId)$|\.permissionRequest\.|webhooks\.voicemail|hep\.(password|ca)|^traces\.authorization$|\.accounts\.6001\.(maxConcurrentCalls|callsPerDay)$|(bot|tee)\.(sampleRate|tls\.ca)$/.test(path);
  return typeof value === 'string' && value !== ''
    && /(secret|password|username|[cC]ert|[kK]ey|ca|program|music|downMessage|announce|recording\.directory|prompt|play|wrong|greeting|confirm|refused|directory|places\[0\]|pstn|audit|file|sourcesFile|users\[0\]|payload|permissionRequest\.text|appSecret\[0\]|verifyToken|voicemail|sounds|cdr\.index|rates)$/.test(path);
}

t.test('a key that does not exist, in every mapping', (t) => {
  const groups = ['', ...keys.filter((k) => k.kind === 'group').map((k) => k.path), 'numbers.+447700900001', 'peers.pbx'];
  for (const path of groups) {
    const tree = fullDocument();
    const key = path === '' ? 'nonsense' : `${path}.nonsense`;
    setAt(tree, key, 1);
    const faults = faultsOf(stringify(tree));
    t.same(faults.map((f) => f.path), [key]);
    t.match(faults[0]!.message, /^unknown key/);
  }
  t.end();
});

t.test('a key that must be there and is not', (t) => {
  const required = keys.filter((k) => k.required && !k.item);
  t.ok(required.length >= 10);
  for (const key of required) {
    const tree = fullDocument();
    removeAt(tree, key.path);
    const faults = faultsOf(stringify(tree));
    t.same(faults.map((f) => [f.path, f.message]), [[key.path, 'is required']]);
  }
  t.end();
});

t.test('a key that is there twice, in every mapping', (t) => {
  const repeated = keys.filter((k) => !k.path.endsWith(']'));
  t.ok(repeated.length > 90);
  for (const key of repeated) {
    const doc = parseDocument(stringify(fullDocument()), { uniqueKeys: false });
    const at = steps(key.path);
    const parent = (at.length === 1 ? doc.contents : doc.getIn(at.slice(0, -1), true)) as YAMLMap;
    const pair = parent.items.find(({ key: name }) => String(name) === at.at(-1));
    if (pair === undefined) {
      t.fail(`${key.path} is not in the document`);
      continue;
    }
    parent.items.push(doc.createPair(at.at(-1), (pair.value as Node).toJS(doc)));
    const faults = faultsOf(String(doc));
    t.same(faults.map((f) => f.path), [key.path]);
    t.match(faults[0]?.message, /^is there twice, first on line [0-9]+$/);
  }
  t.end();
});

t.test('a secret is in no fault', (t) => {
  for (const key of keys.filter((k) => k.secret && k.kind === 'scalar')) {
    for (const value of [['hunter2'], { hunter2: 'hunter2' }, 1234567, '${HUNTER2_UNSET}x hunter2']) {
      const tree = fullDocument();
      setAt(tree, key.path, value);
      const faults = faultsOf(stringify(tree));
      t.equal(faults.length, 1, key.path);
      t.notMatch(JSON.stringify(faults), /hunter2|1234567/);
    }
  }
  t.end();
});

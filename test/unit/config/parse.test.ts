import t from 'tap';
import { stringify } from 'yaml';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig, parseConfig } from '../../../lib/config/load.js';
import { DEFAULT_LIMITS } from '../../../lib/sipserver/transport/index.js';
import { metaSources } from '../../../lib/config/metaSources.js';
import { env, faultsOf, fullDocument, parseTree, setAt } from './documents.js';
import type { Tree } from './documents.js';

const minimal = `
domain: sbc.example.net
sip: { listen: ["udp:127.0.0.1:0"] }
numbers: { "+447700900001": { password: "\${WA_PASSWORD}" } }
`;
const parse = (text: string) => parseConfig(text, { env, path: 'test.yaml' });

t.test('the shipped files are good', (t) => {
  t.equal(loadConfig('config/default.yaml', env).domain, 'sbc.example.net');
  for (const file of readdirSync('config/examples').filter((name) => name.endsWith('.yaml'))) t.doesNotThrow(() => loadConfig(`config/examples/${file}`, env), file);
  t.end();
});

t.test('what is left out has the default that default.yaml shows', (t) => {
  const shown = loadConfig('config/default.yaml', env);
  const config = parse(minimal);
  for (const key of ['meta', 'media', 'policy', 'http', 'cdr', 'state', 'log', 'limits'] as const) t.same(config[key], shown[key], key);
  t.same(config.numbers['+447700900001'], shown.numbers['+447700900001']);
  t.same(config.meta.sources, metaSources);
  t.equal(metaSources.length, 23);
  t.same(config.sip.limits, shown.sip.limits);
  // The server's own defaults, in milliseconds there.
  const { strangers, ...limits } = config.sip.limits;
  const { strangers: theirs, ...ours } = DEFAULT_LIMITS;
  for (const [given, defaults] of [[limits, ours], [strangers, theirs]] as [Record<string, number>, Record<string, number>][]) {
    for (const [key, value] of Object.entries(given)) t.equal(value, key.endsWith('Timeout') ? defaults[key.replace('Timeout', 'Time')]! / 1000 : defaults[key], `sip.limits ${key}`);
  }
  const bare = parse(`${minimal}peers: { a: { uri: "sip:a.example" } }`).peers['a']!;
  t.equal(bare.pstn, 'unknown', 'a peer nobody vouched for');
  t.same({ ...bare, uri: 0, sources: 0, pstn: 0, users: 0, mayCall: 0 }, { ...shown.peers['pbx']!, uri: 0, sources: 0, pstn: 0, users: 0, mayCall: 0 });
  t.end();
});

t.test('${ENV} is expanded inside strings, and for numbers and booleans', (t) => {
  const config = parseConfig(`${minimal}
limits: { drain: "\${DRAIN}" }
log: { fullNumbers: "\${FULL}" }
cdr: { file: "/var/\${DIR}/\$\${x}.jsonl" }
`, { env: { ...env, DRAIN: '7', FULL: 'true', DIR: 'wa' }, path: 'test.yaml' });
  t.equal(config.numbers['+447700900001']!.password, 'wa-secret');
  t.equal(config.limits.drain, 7);
  t.equal(config.log.fullNumbers, true);
  t.equal(config.cdr.file, '/var/wa/${x}.jsonl');
  t.same(faultsOf(minimal.replace('WA_PASSWORD', 'NOT_SET')).map((f) => f.message), ['the environment variable NOT_SET is not set']);
  t.match(faultsOf(minimal.replace('WA_PASSWORD', 'A-B'))[0]!.message, /does not name an environment variable/);
  t.match(faultsOf(minimal.replace('{WA_PASSWORD}', '{WA_PASSWORD'))[0]!.message, /does not name an environment variable/);
  t.end();
});

t.test('the result is frozen through and through', (t) => {
  const config = parseTree(fullDocument());
  const visit = (value: unknown): void => {
    if (value === null || typeof value !== 'object') return;
    t.ok(Object.isFrozen(value));
    Object.values(value).forEach(visit);
  };
  visit(config);
  t.end();
});

t.test('the hash is that of the meaning, without secrets', (t) => {
  const hash = (change: (tree: Tree) => void): string => {
    const tree = fullDocument();
    change(tree);
    return parseTree(tree).hash;
  };
  const plain = hash(() => {});
  t.match(plain, /^[0-9a-f]{64}$/);
  t.equal(hash((tree) => { const { domain, ...rest } = tree; for (const key of Object.keys(tree)) delete tree[key]; Object.assign(tree, rest, { domain }); }), plain, 'order of keys');
  t.equal(hash((tree) => setAt(tree, 'numbers.+447700900001.password', 'another')), plain, 'a password');
  t.equal(hash((tree) => setAt(tree, 'peers.pbx.digest.password', 'another')), plain, 'a password in a list');
  t.not(hash((tree) => setAt(tree, 'peers.pbx.users', ['support'])), plain, 'a user');
  t.not(hash((tree) => setAt(tree, 'peers.pbx.auth.username', 'other')), plain, 'a user name');
  t.end();
});

t.test('one interface is good for both sides of media', (t) => {
  const tree = fullDocument();
  setAt(tree, 'media.rtpengine.interface', '10.0.0.4!203.0.113.4');
  t.same(parseTree(tree).media.rtpengine.interface, { meta: '10.0.0.4!203.0.113.4', peers: '10.0.0.4!203.0.113.4' });
  t.same(parseTree(fullDocument()).media.rtpengine.interface, { meta: '10.0.0.4!203.0.113.4', peers: '10.0.0.4' });
  t.same(parseTree(fullDocument()).media.rtpengine.ports, { first: 40000, last: 49999 });
  t.end();
});

t.test('faults have their line and come in the order of the file', (t) => {
  const faults = faultsOf('domain: sbc.example.net\nnumbers:\n  "+447700900001":\n    password: x\n    keying: none\nhtpp: 1\nsip: { listen: ["udp:127.0.0.1:0"] }\n');
  t.same(faults.map((f) => [f.line, f.path]), [[5, 'numbers.+447700900001.keying'], [6, 'htpp']]);
  t.match(faults[1]!.message, /did you mean http\?/);
  t.end();
});

t.test('what YAML cannot read is told by line, and without quoting the file', (t) => {
  for (const bad of ['domain: *hunter2', 'a: b: c', 'x: "hunter2', '- a\nb: c', 'domain: !hunter2 x', '\tdomain: x', 'a: 1\n---\nb: 2', 'k: @hunter2', 'a: [hunter2']) {
    const faults = faultsOf(bad);
    t.ok(faults.length > 0, bad);
    for (const fault of faults) {
      t.ok(fault.line! > 0);
      t.notMatch(fault.message, /hunter2/);
    }
  }
  t.match(faultsOf('')[0]!.message, /is required/);
  t.match(faultsOf('just text')[0]!.message, /must be a mapping/);
  t.match(faultsOf(`${minimal}domain: b.example`)[0]!.message, /is there twice, first on line 2/);
  t.end();
});

t.test('names that every object has are no names', (t) => {
  for (const name of ['__proto__', 'constructor', 'toString']) {
    t.same(faultsOf(`${minimal}peers: { "${name}": { uri: "sip:a.example" } }`).map((f) => f.path), [`peers.${name}`]);
  }
  t.end();
});

t.test('an unquoted number keeps its plus as a key and is refused as a value', (t) => {
  t.ok(Object.hasOwn(parse(minimal.replace('"+447700900001"', '+447700900001')).numbers, '+447700900001'));
  const faults = faultsOf(`${minimal}peers: { a: { uri: "sip:a.example", sources: [10.0.0.1], mayCall: [+447700900001] } }`);
  t.match(faults[0]!.message, /written in quotes/);
  t.end();
});

t.test('keys that do not fit together', (t) => {
  const cases: [string, unknown, string, RegExp][] = [
    ['sip.tls', {}, 'sip.tls.cert', /is required because sip.listen has a tls socket/],
    ['routes[0].number', '+447700900002', 'routes[0].number', /no such number: \+447700900002; did you mean \+447700900001/],
    ['routes[0].to[0].peer', 'pbz', 'routes[0].to[0].peer', /did you mean pbx/],
    ['peers.pbx.mayCall', ['+447700900009'], 'peers.pbx.mayCall[0]', /no such number/],
    ['peers.pbx.mayTransferTo', ['pbz'], 'peers.pbx.mayTransferTo[0]', /no such peer: pbz; did you mean pbx/],
    ['peers.pbx.auth.password', null, 'peers.pbx.auth', /go together/],
    ['media.rtpengine.control', [], 'media.rtpengine.control', /must name a socket/],
    ['media.rtpengine.spawn', true, 'media.rtpengine.control', /is not used/],
    ['peers.pbx.uri', null, 'peers.pbx.uri', /^is required/],
    ['peers.pbx.accounts', { 7001: { password: 'x' } }, 'peers.pbx.accounts', /needs register: true/],
    ['peers.phones.uri', 'sip:a.example', 'peers.phones.uri', /must be left out with register/],
    ['peers.phones.users', ['6001'], 'peers.phones.users', /its accounts are its users/],
    ['peers.phones.accounts', {}, 'peers.phones.accounts', /must name a user/],
    ['peers.phones.digest', { username: 'a', password: 'b' }, 'peers.phones.digest', /each account has a password/],
    ['peers.phones.auth', { username: 'a', password: 'b' }, 'peers.phones.auth', /is not used with register/],
    ['peers.phones.registration.minExpires', 3600, 'peers.phones.registration.minExpires', /over maxExpires \(600\)/],
    ['peers.more', { register: true, accounts: { 6001: { password: 'x' } } }, 'peers.more.accounts.6001', /peer phones has this user name already/],
    ['peers.other', { uri: 'sip:b.example', digest: { username: 'pbx', password: 'x' } }, 'peers.other.digest.username', /already/],
  ];
  for (const [path, value, fault, message] of cases) {
    const tree = fullDocument();
    if (path.endsWith('minExpires')) setAt(tree, 'peers.phones.registration.maxExpires', 600);
    setAt(tree, path, value);
    const found = faultsOf(stringify(tree));
    t.equal(found[0]?.path, fault);
    t.match(found[0]?.message, message);
    t.ok(found[0]!.line! > 0, 'line of the nearest key');
  }
  const tree = fullDocument();
  (tree['routes'] as Tree[]).push({ ...(tree['routes'] as Tree[])[0]! });
  t.match(faultsOf(stringify(tree))[0]!.message, /routes\[0\] has this name already/);
  setAt(tree, 'routes', []);
  setAt(tree, 'menus', {});
  setAt(tree, 'queues', {});
  setAt(tree, 'peers.pbx', { uri: 'sip:a.example', mayCall: ['+447700900001'] });
  t.match(faultsOf(stringify(tree))[0]!.message, /needs sources, digest, tls\.ca or register/);
  setAt(tree, 'peers', { a: { uri: 'sip:a.example', sources: ['10.0.0.1'] }, b: { uri: 'sip:b.example', sources: ['10.0.0.1'] } });
  t.match(faultsOf(stringify(tree))[0]!.message, /peer a calls from this network already/);
  t.end();
});

t.test('a peer whose users register: its accounts are its users, at a host that resolves nowhere', (t) => {
  const { phones } = parseTree(fullDocument()).peers;
  t.match(phones, { uri: 'sip:phones.registered.invalid', users: ['6001'], accounts: { 6001: { password: 'p1' } } });
  const tree = fullDocument();
  setAt(tree, 'peers', { 'a.b': { register: true, accounts: { 6001: { password: 'x' } } } });
  setAt(tree, 'routes', []);
  setAt(tree, 'siprec', {});
  setAt(tree, 'menus', {});
  setAt(tree, 'queues', {});
  t.same(faultsOf(stringify(tree)).map((f) => f.path), ['peers.a.b']);
  t.match(faultsOf(stringify(tree))[0]!.message, /name of the peer must be letters/);
  t.end();
});

t.test('a file that cannot be read', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'wab-config-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  t.throws(() => loadConfig(join(dir, 'none.yaml'), env), { code: 'FILE_UNREADABLE', message: /ENOENT/ });
  writeFileSync(join(dir, 'a.yaml'), minimal);
  t.equal(loadConfig(join(dir, 'a.yaml'), env).domain, 'sbc.example.net');
  t.end();
});

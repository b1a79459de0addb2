// peers.*.tls of SIP peers, domains, numbers.*.domain: what goes together, and what the files on this machine are.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { stringify } from 'yaml';
import { sourcesOf, metaContactHost, tlsWithOf } from '../../../lib/app/embedded.js';
import { compileRules } from '../../../lib/app/rules.js';
import { issueLeaf, makeCa } from '../../../lib/cli/quickstart/certificates.js';
import { judgeCa, judgeCertificate, judgeHttpTls } from '../../../lib/config/certificate.js';
import { ConfigFaults } from '../../../lib/config/faults.js';
import { parseConfig } from '../../../lib/config/load.js';
import { openSockets } from '../../../lib/config/sockets.js';
import type { Config } from '../../../lib/config/types.js';
import { wantedOf } from '../../../lib/graph/provision/wanted.js';
import { sourceJudge } from '../../../lib/sip/source.js';

const number = '+447700900001';
const sbc = { uri: 'sip:SBC.example.com;transport=tls', pstn: 'none', users: ['6001'], tls: { ca: 'ca.pem' } };
const tree = (peers: object, more: object = {}, ofNumber: object = {}): object => ({
  domain: 'sbc.example.net', sip: { tls: { cert: 'c.pem', key: 'k.pem' } }, numbers: { [number]: { password: 'x', ...ofNumber } }, peers,
  routes: [{ name: 'r', number, to: [{ peer: Object.keys(peers)[0], user: '6001' }] }], ...more,
});
const parse = (from: object): Config => parseConfig(stringify(from), { env: {}, path: '/etc/wab/wab.yaml' });
const faults = (from: object): string[] => {
  try {
    parse(from);
    return [];
  } catch (error) {
    if (error instanceof ConfigFaults) return error.faults.map(({ path, message }) => `${path} ${message}`);
    throw error;
  }
};

t.test('a peer with a CA may call without sources, and its certificate says who it is', async (t) => {
  const config = parse(tree({ sbc: { ...sbc, hosts: ['sbc2.example.com'], mayCall: [number], tls: { ca: 'ca.pem', clientCert: 'own.pem', clientKey: 'own.key' } }, pbx: { ...sbc, uri: 'sip:10.0.0.7', tls: {}, sources: ['10.0.0.7'] } }));
  const { clients, unasked, guests } = sourcesOf(config);
  t.same(clients, [{ name: 'sbc', hosts: ['sbc.example.com', 'sbc2.example.com'], ca: '/etc/wab/ca.pem' }]);
  t.same(guests, []);
  t.same(unasked, config.meta.sources);
  t.same(Object.keys(tlsWithOf(config)), ['sbc.example.com', 'sbc2.example.com']);
  t.match(tlsWithOf(config)['sbc2.example.com'], { verify: true, ca: '/etc/wab/ca.pem', cert: '/etc/wab/own.pem', key: '/etc/wab/own.key' });
  const judge = sourceJudge({ metaSources: ['192.0.2.0/24'], peers: config.peers, certified: ['sbc'] });
  t.same(judge('198.51.100.1', 'tls', 'sbc'), { kind: 'peer', peer: 'sbc' });
  t.same(judge('10.0.0.7', 'tls', 'sbc'), { kind: 'peer', peer: 'sbc' }, 'it proves more than an address');
  t.same(judge('192.0.2.1', 'tls', 'sbc'), { kind: 'meta' });
  for (const name of ['nobody', 'pbx']) t.same(judge('198.51.100.1', 'tls', name), { kind: 'stranger' }, 'only who is known so');
  const { judgeSource } = await compileRules(config);
  t.same(['sbc', 'pbx'].map((name) => judgeSource('198.51.100.1', 'tls', name).kind), ['peer', 'stranger']);
  const both = parse(tree({ sbc: { ...sbc, mayCall: [number], digest: { username: 'sbc', password: 'p' } } }));
  t.same(sourcesOf(both).guests, [], 'with digest: its password alone, from anywhere, is not enough');
});

t.test('what does not go together', async (t) => {
  const one = (from: object): string => faults(from).join('\n');
  t.match(one(tree({ sbc: { ...sbc, tls: {}, mayCall: [number] } })), /needs sources, digest, tls\.ca or register/);
  t.match(one(tree({ sbc: { ...sbc, tls: { clientCert: 'a' } } })), /clientCert and clientKey go together/);
  const loose = { ...sbc, tls: { verify: false } };
  t.match(one(tree({ a: loose, b: { uri: 'sip:sbc.example.com:5071;transport=tls', pstn: 'none' } })), /peers\.a\.tls would hold for peer b as well, which is sbc\.example\.com too/);
  t.match(one(tree({ a: { ...loose, hosts: ['WA.meta.vc'] } })), /peers\.a\.tls would hold for Meta, as a is wa\.meta\.vc too/);
  t.match(one(tree({ a: sbc, b: { ...sbc, tls: { ca: 'other.pem' } } })), /peers\.b\.tls is another than that of peer a, which is sbc\.example\.com too/);
  t.match(one(tree({ a: sbc, b: { ...sbc, uri: 'sip:sbc.example.com:5071;transport=tls' } })), /peers\.b\.tls\.ca makes peer a known by the same certificates/);
  t.same(faults(tree({ a: sbc, b: { ...sbc, uri: 'sip:sbc3.example.com;transport=tls' } })), [], 'one CA, two names');
  t.match(one(tree({ phones: { register: true, pstn: 'none', accounts: { 6001: { password: 'x' } }, tls: { ca: 'ca.pem' } } })), /phones\.tls is not used with register: true/);
  for (const uri of ['sip:10.0.0.7', 'sip:sbc.example.com:5060', 'sip:sbc.example.com;transport=tcp', 'sip:[2001:db8::7]']) {
    t.match(one(tree({ sbc: { ...sbc, uri } })), /peers\.sbc\.tls is not used: uri is not called by TLS/, uri);
    t.match(one(tree({ sbc: { ...sbc, uri, tls: { clientCert: 'a', clientKey: 'b' }, transports: ['udp', 'tls'] } })), /peers\.sbc\.tls is not used/, uri);
    t.same(faults(tree({ sbc: { ...sbc, uri, transports: ['udp', 'tls'] } })), [], 'it calls by TLS, and says so');
  }
  t.same(faults(tree({ sbc: { ...sbc, uri: 'sip:sbc.example.com' } })), [], 'its name may have records of TLS');
  const six = { ...sbc, uri: 'sip:[2001:db8:0:0::7]:5061;transport=tls' };
  t.match(one(tree({ a: six, b: { ...sbc, uri: 'sip:[2001:DB8::7]:5071;transport=tls' } })), /makes peer a known by the same certificates, as it is 2001:db8::7 too/);
  const drachtio = { sip: { server: 'drachtio', drachtio: [{ host: '127.0.0.1', secret: 'x' }] } };
  t.match(one(tree({ sbc }, drachtio)), /peers\.sbc\.tls needs sip\.server: embedded/);
  const files = { tls: { cert: 'o.pem', key: 'o.key' } };
  t.match(one(tree({ pbx: { ...sbc, tls: {} } }, { ...drachtio, domains: { 'sbc.example.org': files } })), /domains\.sbc\.example\.org needs sip\.server: embedded/);
  t.match(one(tree({ sbc }, { domains: { 'sbc.example.net': files } })), /is domain, whose certificate is that of sip\.tls/);
  t.match(one(tree({ sbc }, {}, { domain: 'sbc.example.org' })), /neither domain nor one of domains/);
  t.match(openSockets(parse(tree({ sbc: { ...sbc, tls: { verify: false } } }))), [{ path: 'peers.sbc.tls.verify', message: /whoever is on the way/ }]);
});

t.test('a proxy between Meta and us is Meta by its certificate, and Meta is reached by it', async (t) => {
  const proxy = { uri: 'sip:10.0.0.5:5061;transport=tls', ca: 'inner.pem', clientCert: 'own.pem', clientKey: 'own.key' };
  const config = parse(tree({ sbc }, { meta: { proxy } }));
  t.match(sourcesOf(config).clients, [{ name: ':meta', hosts: ['10.0.0.5'], ca: '/etc/wab/inner.pem' }, { name: 'sbc' }]);
  t.match(tlsWithOf(config)['10.0.0.5'], { verify: true, ca: '/etc/wab/inner.pem', cert: '/etc/wab/own.pem', key: '/etc/wab/own.key' });
  const { judgeSource } = await compileRules(config);
  t.same([judgeSource('10.0.0.5', 'tls', ':meta'), judgeSource('10.0.0.5', 'tls'), judgeSource('10.0.0.5', 'tcp', 'sbc')], [{ kind: 'meta' }, { kind: 'stranger' }, { kind: 'peer', peer: 'sbc' }], 'by its certificate, not by its address');
  const without = await compileRules(parse(tree({ sbc })));
  t.same(without.judgeSource('10.0.0.5', 'tls', ':meta'), { kind: 'stranger' });

  const one = (from: object): string => faults(from).join('\n');
  t.match(one(tree({ sbc }, { meta: { proxy, challenge: [] } })), /meta\.challenge must not be empty with meta\.proxy/);
  t.match(one(tree({ sbc }, { meta: { proxy: { ...proxy, clientKey: null } } })), /meta\.proxy clientCert and clientKey go together/);
  t.match(one(tree({ sbc }, { meta: { proxy: { ...proxy, uri: 'sip:10.0.0.5:5061' } } })), /meta\.proxy\.uri must be sip:host:port;transport=tls/);
  t.match(one(tree({ sbc }, { meta: { proxy: { ...proxy, uri: 'sip:WA.meta.vc;transport=tls' } } })), /meta\.proxy would hold for Meta/);
  t.match(one(tree({ sbc: { ...sbc, tls: { ca: 'inner.pem', clientCert: 'own.pem', clientKey: 'own.key' }, uri: 'sip:10.0.0.5:5071;transport=tls' } }, { meta: { proxy } })), /peers\.sbc\.tls\.ca makes meta\.proxy known by the same certificates/);
  t.match(one(tree({ pbx: { ...sbc, tls: {}, uri: 'sip:10.0.0.5:5071;transport=tls', sources: ['10.0.0.5'] } }, { meta: { proxy } })), /meta\.proxy would hold for peer pbx as well/);
  t.match(one(tree({ pbx: { ...sbc, tls: {} } }, { meta: { proxy }, sip: { server: 'drachtio', drachtio: [{ host: '127.0.0.1', secret: 'x' }] } })), /meta\.proxy needs sip\.server: embedded/);
});

t.test('a number of another domain has that in its Contact and at Meta', async (t) => {
  const domains = { 'sbc.example.org': { tls: { cert: 'o.pem', key: 'o.key' } } };
  const settings = { id: '100000000000001', settings: { callback: true } };
  const config = parse({ ...tree({ sbc }, { domains, graph: { token: 'x' } }, { domain: 'SBC.example.org', ...settings }) });
  t.equal(metaContactHost(config, number, ['tls:0.0.0.0:5061'], null), 'sbc.example.org:5061', 'in lower case, as it is set at Meta');
  t.equal(metaContactHost(config, null, ['tls:0.0.0.0:5061'], null), 'sbc.example.net:5061');
  t.equal(wantedOf(config, number, 0)?.server.hostname, 'sbc.example.org');
  const natted = parse(tree({ sbc }, { domains, sip: { advertise: { meta: 'public.example.net:6061' }, tls: { cert: 'c.pem', key: 'k.pem' } } }, { domain: 'sbc.example.org' }));
  t.equal(metaContactHost(natted, number, [], 5061), 'sbc.example.org:6061', 'at the public port');
  t.equal(metaContactHost(natted, null, [], 5061), 'public.example.net:6061');
  const same = parse(tree({ sbc }, { sip: { advertise: { meta: 'public.example.net:6061' }, tls: { cert: 'c.pem', key: 'k.pem' } } }, { domain: 'SBC.Example.NET' }));
  t.equal(metaContactHost(same, number, [], 5061), 'public.example.net:6061', 'domain itself, in other letters');
});

t.test('every file is looked at, by its key', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'wab-domains-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const ca = makeCa(dir);
  const [main, org, other] = ['sbc.example.net', 'sbc.example.org', 'sbc.example.edu'].map((name) => issueLeaf(dir, name, [name]));
  const base = { sip: { tls: main }, meta: { ca } };
  const bad = async (peers: object, domains: object, { ofNumber = {}, now = Date.now() }: { ofNumber?: object; now?: number } = {}): Promise<string[]> => {
    const config = parse(tree(peers, { ...base, domains }, ofNumber));
    return [...await judgeCertificate(config, now), ...await judgeCa(config, now), ...await judgeHttpTls(config, now)].filter(({ level }) => level !== 'ok').map(({ key, text }) => `${key} ${text}`);
  };
  const good = { ...sbc, tls: { ca, clientCert: main!.cert, clientKey: main!.key } };
  t.same(await bad({ sbc: good }, { 'sbc.example.org': { tls: org } }), []);
  t.match(await bad({ sbc: good }, { 'sbc.example.org': { tls: other } }), [/^domains\.sbc\.example\.org\.tls\.cert does not name sbc\.example\.org/]);
  t.match(await bad({ sbc: good }, { 'sbc.example.org': { tls: { ...org, key: other!.key } } }), [/^domains\.sbc\.example\.org\.tls\.key .* is not the key/]);
  t.match(await bad({ sbc: { ...good, tls: { ca: main!.key, clientCert: org!.cert, clientKey: main!.key } } }, {}), [/^peers\.sbc\.tls\.ca .* holds no certificate/, /^peers\.sbc\.tls\.clientKey .* is not the key/]);
  t.match(await bad({ sbc: { ...good, tls: { ca: join(dir, 'gone.pem') } } }, {}), [/^peers\.sbc\.tls\.ca .* cannot be read/]);
  const later = await bad({ sbc: good }, {}, { now: Date.now() + 20 * 86_400_000 });
  t.match(later, [/^sip\.tls\.cert valid for/, /^peers\.sbc\.tls\.ca valid for 9 more days/, /^peers\.sbc\.tls\.clientCert valid for 9 more days/]);
  t.match(await bad({ sbc: good }, {}, { now: Date.now() + 40 * 86_400_000 }), [/^sip/, /^peers\.sbc\.tls\.ca expired on/, /^peers\.sbc\.tls\.clientCert expired on/]);
});

t.test('a CA that has not issued itself makes nobody known; a name for peers alone needs no public CA', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'wab-domains-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const [root, own] = [makeCa(join(dir, 'root')), makeCa(join(dir, 'own'))];
  const main = issueLeaf(join(dir, 'root'), 'main', ['sbc.example.net']);
  // Some other certificate that a CA has issued, and not itself: an intermediate looks the same here.
  const intermediate = issueLeaf(join(dir, 'own'), 'intermediate', ['intermediate.example.org']).cert;
  const judge = async (peers: object): Promise<string[]> => (await judgeCa(parse(tree(peers, { sip: { tls: main } })), Date.now())).filter(({ level }) => level !== 'ok').map(({ key, kind, text }) => `${key} ${kind} ${text}`);
  const using = (ca: string): object => ({ ...sbc, tls: { ca } });
  t.match(await judge({ sbc: using(intermediate) }), [/^peers\.sbc\.tls\.ca unfit .* and not the CA that has issued it, CN=wa-b2bua throw-away CA/]);
  const both = join(dir, 'both.pem');
  await writeFile(both, await readFile(intermediate, 'utf8') + await readFile(own, 'utf8'));
  t.same(await judge({ sbc: using(both) }), []);
  t.same(await judge({ sbc: using(intermediate), other: { ...using(own), uri: 'sip:other.example.com;transport=tls' } }), [], 'who connects is verified against the files of all');

  const foreign = issueLeaf(join(dir, 'own'), 'foreign', ['sbc.example.org']);
  const domains = { 'sbc.example.org': { tls: foreign } };
  const found = async (ofNumber: object): Promise<string[]> => {
    const config = parse(tree({ sbc: using(own) }, { sip: { tls: main }, meta: { ca: root }, domains }, ofNumber));
    return (await judgeCertificate(config, Date.now())).filter(({ key }) => key.startsWith('domains')).map(({ level, text }) => `${level} ${text}`);
  };
  t.match(await found({}), [/^ok certificate and key/, /^ok names sbc\.example\.org/, /^ok valid/, /^ok no number is registered at this name/]);
  t.match((await found({ domain: 'SBC.example.org' })).at(-1), /^fail its chain ends at/);
});

t.test('a node among several needs the secret, the addresses and our own SIP server', async (t) => {
  const one = (more: object): string => faults(tree({ pbx: { ...sbc, tls: {} } }, more)).join('\n');
  const node = { name: 'a', secret: 'the-nodes-only-0123456789', addresses: { a: 'tcp:10.0.0.4:5060' } };
  t.equal(one({ node }), '');
  t.match(one({ node: { ...node, secret: null } }), /^node has addresses and no secret/);
  t.match(one({ node: { ...node, addresses: {} } }), /^node has a secret and no addresses/);
  t.match(one({ node: { ...node, name: 'c' } }), /^node\.addresses has no c, which is this node/);
  t.match(one({ node, sip: { server: 'drachtio', drachtio: [{ host: '127.0.0.1', secret: 'x' }] } }), /^node\.secret needs sip\.server: embedded/);
});

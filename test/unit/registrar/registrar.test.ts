import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { parseConfig } from '../../../lib/config/load.js';
import type { PeerConfig } from '../../../lib/config/types.js';
import { createLogger } from '../../../lib/observe/logger.js';
import { Authenticator } from '../../../lib/registrar/authenticator.js';
import { Guard } from '../../../lib/registrar/guard.js';
import { KnownPlaces } from '../../../lib/registrar/knownPlaces.js';
import { Registrar } from '../../../lib/registrar/registrar.js';
import { answerChallenge } from '../../../lib/sip/digestClient.js';
import { DigestServer } from '../../../lib/sip/digestServer.js';
import type { SipRequest, SipResponse } from '../../../lib/sip/drachtio.js';
import { Remembered } from '../../../lib/state/index.js';

const domain = 'sbc.example.net';

function peersOf(peers: object): Readonly<Record<string, PeerConfig>> {
  return parseConfig(stringify({ domain, sip: { listen: ['udp:127.0.0.1:0'] }, numbers: { '+447700900001': { password: 'x' } }, peers }), { env: {}, path: 'test' }).peers;
}

const phones = { register: true, pstn: 'none', accounts: { 6001: { password: 'one' }, 6002: { password: 'two' } } };

interface Answer { status: number; headers: Record<string, string> }

/** A registrar with a clock of its own, and phones that speak to it without a network. */
function open(t: Test, options: { flowTokens?: boolean } = {}) {
  const state = { now: 1_000_000, peers: peersOf({ phones }), forbidden: '' };
  const log: string[] = [];
  const logger = createLogger('info', { write: (line: string) => { log.push((JSON.parse(line) as { msg: string }).msg); } });
  const authenticator = new Authenticator({
    digest: new DigestServer({ realm: domain, algorithms: ['MD5'], nonceLifetime: 60_000, now: () => state.now }),
    guard: new Guard(() => ({ after: 5, first: 60, longest: 3600 }), new KnownPlaces(new Remembered({ prefix: 'k', capacity: 1000, lifetime: 3_600_000, now: () => state.now }))),
    now: () => state.now, log: logger,
  });
  const registrar = new Registrar({
    peers: () => state.peers, owns: (host) => host === domain, objects: (uri) => (uri.host === state.forbidden ? 'not there' : null), flowTokens: options.flowTokens ?? false,
    authenticator, now: () => state.now, sweepInterval: 5, log: logger,
  });
  t.teardown(() => {
    registrar.close();
    authenticator.close();
  });
  let cseq = 0;
  const once = (headers: Record<string, string>, address: string): Promise<Answer> => new Promise((resolve) => {
    const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
    const get = (name: string): string | undefined => lower[name.toLowerCase()];
    const req = { method: 'REGISTER', uri: `sip:${domain}`, source_address: address, source_port: 5060, protocol: 'udp', headers: lower, get, has: (name: string) => get(name) !== undefined };
    registrar.take(req as unknown as SipRequest, { send: (status: number, more?: { headers?: Record<string, string> }) => resolve({ status, headers: more?.headers ?? {} }) } as unknown as SipResponse);
  });
  const register = async (user: string, password: string, more: Record<string, string> = {}, address = '192.0.2.1'): Promise<Answer> => {
    const headers = { To: `<sip:${user}@${domain}>`, 'Call-ID': 'c', Via: 'SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1', CSeq: `${++cseq} REGISTER`, Contact: `<sip:${user}@10.0.0.1>`, Expires: '60', ...more };
    const asked = await once(headers, address);
    if (asked.status !== 401) return asked;
    const reply = answerChallenge([asked.headers['WWW-Authenticate']!], { username: user, password }, { method: 'REGISTER', uri: `sip:${domain}` });
    return once({ ...headers, CSeq: `${++cseq} REGISTER`, ...(reply.ok ? { Authorization: reply.value } : {}) }, address);
  };
  return { registrar, authenticator, state, log, register };
}

t.test('registrations that are not refreshed end, and are said to', async (t) => {
  const { registrar, state, log, register } = open(t);
  t.equal((await register('6001', 'one')).status, 200);
  t.equal(registrar.contacts('phones', '6001').length, 1);
  t.same(registrar.contacts('other', '6001'), []);
  t.same(registrar.devices(), { phones: 1 });
  t.equal(registrar.peerAt('192.0.2.1', 5060), 'phones');
  state.now += 60_001;
  t.same(registrar.contacts('phones', '6001'), [], 'at once, whether swept or not');
  t.equal(registrar.peerAt('192.0.2.1', 5060), null);
  for (let i = 0; i < 400 && !log.some((line) => line.includes('not refreshed in time')); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  t.match(log, [/user 6001 at udp:192\.0\.2\.1:5060 registered/, /unregistered: not refreshed in time/]);
  t.same(registrar.devices(), { phones: 0 });
});

t.test('a reload forgets what its rules allow no more, and keeps the rest', async (t) => {
  const { registrar, state, register } = open(t);
  const users = (): string[] => registrar.all().map(({ user }) => user);
  await register('6001', 'one');
  await register('6002', 'two', { Contact: '<sip:6002@10.0.0.2>' });
  registrar.reload();
  t.same(users(), ['6001', '6002']);
  state.forbidden = '10.0.0.2';
  registrar.reload();
  t.same(users(), ['6001'], 'a Contact that is not to be used any more');
  state.peers = peersOf({ phones: { ...phones, sources: ['198.51.100.0/24'] } });
  registrar.reload();
  t.same(users(), [], 'from an address that is not let in any more');
  t.equal((await register('6001', 'one')).status, 403);
  t.equal((await register('6001', 'one', {}, '198.51.100.7')).status, 200);
  t.equal(registrar.serves('192.0.2.1'), false);
  t.equal(registrar.account('6001', '192.0.2.1'), null);
  t.match(registrar.account('6001', '198.51.100.7'), { peer: 'phones', password: 'one' });
  state.peers = peersOf({ phones: { ...phones, accounts: { 6002: { password: 'two' } } } });
  registrar.reload();
  t.same(users(), [], 'an account that is gone');
});

t.test('L10: an account with a new password keeps no device that registered by the old one', async (t) => {
  const { registrar, state, log, register } = open(t);
  await register('6001', 'one');
  await register('6002', 'two', { Contact: '<sip:6002@10.0.0.2>' });
  state.peers = peersOf({ phones: { ...phones, accounts: { 6001: { password: 'new' }, 6002: { password: 'two' } } } });
  registrar.reload();
  t.same(registrar.all().map(({ user }) => user), ['6002']);
  t.match(log.at(-1), /unregistered: its password is another now/);
  t.equal((await register('6001', 'one')).status, 403);
  t.equal((await register('6001', 'new')).status, 200);
  registrar.reload();
  t.equal(registrar.all().length, 2);
});

t.test('answers to guesses are held back, and not given any more once it is closed', async (t) => {
  const { registrar, authenticator, register, log } = open(t);
  t.equal((await register('6001', 'guess')).status, 403);
  let answered = false;
  const second = register('6001', 'guess').then(() => { answered = true; });
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.notOk(answered);
  authenticator.close();
  await Promise.race([second, new Promise((resolve) => setTimeout(resolve, 1000))]);
  t.notOk(answered);
  t.match(registrar.counts(), { wrongPassword: 2, challenged: 2, ok: 0 });
  t.ok(log.every((line) => !line.includes('guess')), 'no password in the log');
});

t.test('unknown users are told the same as those with a wrong password, and are banned by address', async (t) => {
  const { register } = open(t);
  const unknown = await register('7777', 'x', {}, '203.0.113.1');
  const wrong = await register('6001', 'x', {}, '203.0.113.2');
  t.same(unknown, wrong);
});

t.test('Path: of proxies it is kept and given back; of the SIP server it names the flow; of the phone itself it counts for nothing', async (t) => {
  const vias = 'SIP/2.0/UDP edge.example, SIP/2.0/UDP 10.0.0.1';
  const path = '<sip:edge.example;lr>';
  const plain = open(t);
  const through = await plain.register('6001', 'one', { Via: vias, Path: path, Supported: 'path' });
  t.equal(through.headers['Path'], path);
  t.match(plain.registrar.contacts('phones', '6001'), [{ path: [path], flow: null }]);
  t.equal((await plain.register('6002', 'two', { Path: path, Supported: 'path' })).headers['Path'], undefined);
  t.match(plain.registrar.contacts('phones', '6002'), [{ path: { length: 0 }, flow: null }]);
  t.equal((await plain.register('6002', 'two', { Via: vias, Path: 'nonsense <' })).status, 400);
  const tokens = open(t, { flowTokens: true });
  await tokens.register('6001', 'one', { Path: '<sip:token@sbc.example.net;lr;ob>', Supported: 'outbound, path', Contact: '<sip:6001@10.0.0.1>;+sip.instance="<urn:uuid:1>";reg-id=1' });
  t.match(tokens.registrar.contacts('phones', '6001'), [{ path: { length: 0 }, flow: 'sip:token@sbc.example.net;lr;ob', device: '<urn:uuid:1> 1' }]);
  const again = await tokens.register('6001', 'one', { Supported: 'outbound', Contact: '<sip:6001@10.0.0.9>;+sip.instance="<urn:uuid:1>";reg-id=1' });
  t.match(again.headers, { Require: 'outbound', 'Flow-Timer': '120', Contact: '<sip:6001@10.0.0.9>;expires=60' });
});

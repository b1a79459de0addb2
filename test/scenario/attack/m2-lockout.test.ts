// M2, L3: who is held to be guilty of what anybody could have sent.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { engines } from '../../helpers/engines.js';
import { digestValue, nonceOf, RawPhone } from '../../helpers/rawPhone.js';
import { domain, number, plainListener } from '../../helpers/service.js';
import { openStage, pause, type Stage, type StageOptions } from '../harness.js';

const good = { username: '6001', password: 'pw-6001' };
const wrong = { username: '6001', password: 'a guess' };
const victim = '127.0.0.10';
const elsewhere = '127.0.0.11';

async function stageOf(t: Test, overlay: StageOptions['overlay'] = {}): Promise<{ stage: Stage; at(address: string, transport?: 'udp' | 'tcp', port?: number): Promise<RawPhone>; bans(): Promise<string[]> }> {
  const stage = await openStage({
    external: {},
    overlay: {
      peers: { phones: { register: true, pstn: 'none', accounts: { 6001: { password: 'pw-6001' }, 6002: { password: 'pw-6002' } }, mayCall: [number] } },
      routes: [{ name: 'main', number, to: [{ peer: 'phones', user: '6001' }] }],
      meta: { sources: ['127.0.0.2/32'] }, limits: { ban: { after: 4, first: 60, longest: 3600 } }, ...overlay,
    },
  });
  t.teardown(() => stage.close());
  return {
    stage,
    async at(address, transport = 'udp', port = 0) {
      const [host, to] = plainListener(stage.running, transport).split(':');
      const phone = await RawPhone.open(domain, transport, { host: host!, port: Number(to) }, address, port);
      t.teardown(() => phone.close());
      return phone;
    },
    bans: async () => (await (await fetch(`http://${stage.running.service.http}/status`)).json() as { bans: { who: string }[] }).bans.map(({ who }) => who),
  };
}

t.test('datagrams that anybody could have sent lock nobody out, whatever stands in them', async (t) => {
  const { at, bans } = await stageOf(t);
  const [phone, forger, stranger] = [await at(victim), await at(victim), await at(elsewhere)];
  t.equal((await phone.authenticated({}, good)).status, 200);
  // What a forger may have got for himself: a nonce of ours, for a Call-ID of his choice.
  const callId = RawPhone.newCallId();
  const nonce = nonceOf(await stranger.ask({ callId }));
  const forged: Record<string, string> = {
    'another realm': 'Digest realm="x"', 'our realm alone': `Digest realm="${domain}"`, 'no digest': 'Digest', nonsense: '"', Basic: 'Basic NjAwMTpndWVzcw==',
    'an algorithm that was not offered': digestValue({ ...wrong, realm: domain, nonce: 'x' }).replace('algorithm=MD5', 'algorithm=SHA-512-256'),
    'a made-up nonce': digestValue({ ...wrong, realm: domain, nonce: 'made.up.nonce' }), 'a nonce that went to another': digestValue({ ...wrong, realm: domain, nonce }),
    'two values': `${digestValue({ ...wrong, realm: domain, nonce })}, ${digestValue({ ...good, realm: domain, nonce })}`,
  };
  for (const [what, value] of Object.entries(forged)) {
    for (let i = 0; i < 6; i++) forger.throw({ callId, cseq: 10 + i, lines: [`Authorization: ${value}`] });
    await pause(100);
    t.same(await bans(), [], what);
  }
  for (const method of ['OPTIONS', 'INVITE', 'MESSAGE', 'SUBSCRIBE']) for (let i = 0; i < 6; i++) forger.throw({ method, lines: [`Authorization: ${forged['a made-up nonce']}`] });
  await pause(200);
  t.same(await bans(), []);
  t.same([...new Set(forger.heard.map(({ status }) => status))].filter((status) => status >= 200 && !(engines.sip === 'drachtio' ? [400, 401, 403, 405, 481] : [401, 403, 405, 481]).includes(status)), [], 'and each was answered or not as any other');
  t.equal((await phone.authenticated({ callId: 'later' }, good)).status, 200, 'the phone goes on');
  t.equal((await (await at('127.0.0.12')).authenticated({}, good)).status, 200, 'also from where it has not been before');
});

t.test('guesses behind a nonce of ours count where they came from; what a guesser sees is the same for made-up names', async (t) => {
  const { at, bans } = await stageOf(t);
  const phone = await at(victim);
  t.equal((await phone.authenticated({}, good)).status, 200);
  const sees = async (address: string, user: string): Promise<unknown> => {
    const guesser = await at(address);
    const out: [number, number][] = [];
    for (let i = 0; i < 4; i++) {
      const began = Date.now();
      const { status } = await guesser.authenticated({ user }, { username: user, password: `guess ${i}` });
      out.push([status, Math.round((Date.now() - began) / 1000)]);
    }
    return out;
  };
  const [account, made] = await Promise.all([sees('127.0.0.21', '6001'), sees('127.0.0.22', '7777')]);
  t.same(account, [[403, 0], [403, 1], [403, 2], [403, 4]]);
  t.same(made, account);
  t.same((await bans()).sort(), ['127.0.0.21', '127.0.0.22', 'user 6001']);
  const fresh = await at('127.0.0.23');
  t.equal((await fresh.ask({ user: '6001' })).status, 401, 'that 6001 is closed is not told before anybody has shown anything');
  t.equal((await fresh.authenticated({}, good)).status, 403, 'closed elsewhere, also to the right password, as it might be guessed');
  t.equal((await phone.authenticated({ callId: 'later' }, good)).status, 200, 'but not where it is known');
});

t.test('a connection proves its address: guesses over TCP count whatever their nonce', { skip: engines.sip === 'embedded' ? false : 'drachtio-server always answers' }, async (t) => {
  const { at, bans } = await stageOf(t);
  const guesser = await at(elsewhere, 'tcp');
  for (let i = 0; i < 4; i++) {
    const answer = await guesser.ask({ lines: [`Authorization: ${digestValue({ username: '6002', password: `guess ${i}`, realm: domain, nonce: `made.up.${i}` })}`] });
    t.equal(answer.status, 401);
    t.notMatch(answer.get('www-authenticate'), /stale/);
  }
  t.same((await bans()).sort(), [elsewhere], 'the To names another account than the credentials: only the address is at fault');
  const trunk = await at('127.0.0.31', 'tcp');
  for (let i = 0; i < 8; i++) t.equal((await trunk.ask({ method: 'OPTIONS' })).status, 403);
  t.same(await bans(), [elsewhere], 'who has not shown a password yet may ask whether we are there');
  for (let i = 0; i < 4; i++) (await at('127.0.0.31', 'tcp')).throw({ method: 'OPTIONS', lines: ['Max-Forwards: x'] });
  await pause(300);
  t.same((await bans()).sort(), [elsewhere, '127.0.0.31'], 'what is malformed counts');
});

t.test('over UDP a made-up nonce tells a guesser little: after twenty wrong ones every answer is the same', async (t) => {
  const { at, bans } = await stageOf(t);
  const guesser = await at(elsewhere);
  const stale = async (password: string, user = '6001'): Promise<boolean> => {
    const answer = await guesser.ask({ user, lines: [`Authorization: ${digestValue({ username: user, password, realm: domain, nonce: 'made.up.nonce' })}`] });
    t.equal(answer.status, 401);
    return /stale=true/.test(answer.get('www-authenticate') ?? '');
  };
  const told: boolean[] = [];
  for (let i = 0; i < 20; i++) told.push(await stale(`guess ${i}`, i % 2 === 0 ? '6001' : '7777'));
  t.same(new Set(told), new Set([false]));
  t.ok(await stale('one more'));
  t.ok(await stale('pw-6001'));
  t.ok(await stale('made up too', '7777'));
  t.same(await bans(), []);
  t.equal((await guesser.authenticated({}, good)).status, 200, 'and nobody is locked out');
});

t.test('where an account is known outlives a restart', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'wab-known-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const state = `file:${join(dir, 'state')}`;
  const first = await stageOf(t, { state });
  t.equal((await (await first.at(victim)).authenticated({}, good)).status, 200);
  await first.stage.close();
  const second = await stageOf(t, { state });
  await Promise.all(['127.0.0.41', '127.0.0.42'].map(async (address) => {
    const guesser = await second.at(address);
    for (let i = 0; i < 2; i++) await guesser.authenticated({}, { username: '6001', password: `guess ${i}` });
  }));
  t.same(await second.bans(), ['user 6001']);
  t.equal((await (await second.at('127.0.0.43')).authenticated({}, good)).status, 403);
  t.equal((await (await second.at(victim)).authenticated({}, good)).status, 200);
});

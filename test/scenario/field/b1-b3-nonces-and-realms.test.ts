// B1, B2, B3: a phone with the right password is asked again, told that only its nonce is old, and never blamed.
import t, { type Test } from 'tap';
import { sdp } from '../../helpers/rawPeer.js';
import { challengeOf, digestValue, nonceOf, RawPhone, type RawRequest } from '../../helpers/rawPhone.js';
import { domain, number, plainListener } from '../../helpers/service.js';
import { openStage, type Stage } from '../harness.js';

const who = { username: '6001', password: 'pw-6001' };
const user = '+447700900101';
const invite = { method: 'INVITE', uri: `sip:${user}@${domain}`, body: sdp() };

async function stageOf(t: Test): Promise<{ stage: Stage; open(transport: 'udp' | 'tcp'): Promise<RawPhone>; blamed(): Promise<number> }> {
  const stage = await openStage({
    external: {},
    overlay: {
      peers: {
        phones: { register: true, pstn: 'none', accounts: { 6001: { password: 'pw-6001' } }, mayCall: [number] },
        trunk: { uri: 'sip:127.0.0.1:5999', sources: [], digest: { username: 'trunk', password: 'pw-trunk' }, pstn: 'none', users: ['7001'], mayCall: [number], health: { interval: 0 } },
      },
      routes: [{ name: 'main', number, to: [{ peer: 'phones', user: '6001' }] }],
      meta: { mediaTimeout: 0 }, limits: { ban: { after: 3, first: 60, longest: 3600 } },
    },
  });
  t.teardown(() => stage.close());
  await stage.answerAsMeta({ media: 'none', behaviour: 'noPermission' });
  return {
    stage,
    async open(transport) {
      const [host, port] = plainListener(stage.running, transport).split(':');
      const phone = await RawPhone.open(domain, transport, { host: host!, port: Number(port) });
      t.teardown(() => phone.close());
      return phone;
    },
    blamed: async () => {
      const { bans } = await (await fetch(`http://${stage.running.service.http}/status`)).json() as { bans: unknown[] };
      return bans.length + stage.running.log.filter((line) => line.includes('wrong password')).length;
    },
  };
}

const kinds: [string, RawRequest, { username: string; password: string }, number][] = [
  ['REGISTER', {}, who, 200], ['INVITE of a phone', invite, who, 403], ['INVITE of a trunk', invite, { username: 'trunk', password: 'pw-trunk' }, 403],
];

t.test('B1: a right digest for a nonce of before a restart is told that the nonce is stale; what comes then gets in', async (t) => {
  const { open, blamed } = await stageOf(t);
  for (const transport of ['udp', 'tcp'] as const) {
    const phone = await open(transport);
    for (const [what, request, account, status] of kinds) {
      const callId = RawPhone.newCallId();
      const show = (nonce: string, cseq: number, more: object = {}) => phone.ask({
        ...request, callId, cseq, lines: [`Authorization: ${digestValue({ ...account, realm: domain, nonce, method: request.method ?? 'REGISTER', uri: request.uri ?? `sip:${domain}`, ...more })}`],
      });
      const answer = await show('m5x1.c2FsdHNhbHRzYWx0.of-an-earlier-process', 1);
      t.equal(answer.status, 401, `${what} over ${transport}`);
      t.equal(challengeOf(answer).get('stale'), 'true');
      t.equal((await show(nonceOf(answer), 2)).status, status);
    }
  }
  t.equal(await blamed(), 0);
});

t.test('B1: a wrong digest is not told so', async (t) => {
  const { open } = await stageOf(t);
  const phone = await open('udp');
  const answer = await phone.ask({ lines: [`Authorization: ${digestValue({ ...who, password: 'wrong', realm: domain, nonce: 'old' })}`] });
  t.equal(answer.status, 401);
  t.equal(challengeOf(answer).get('stale'), undefined);
  t.equal((await phone.authenticated({}, { ...who, password: 'wrong' })).status, 403);
});

t.test('B2: a nonce count that comes again is asked for a new nonce, as often as it comes', async (t) => {
  const { open, blamed } = await stageOf(t);
  for (const transport of ['udp', 'tcp'] as const) {
    const phone = await open(transport);
    for (const [what, request, account, status] of kinds) {
      const callId = RawPhone.newCallId();
      const nonce = nonceOf(await phone.ask({ ...request, callId }));
      const show = (cseq: number, nc: string, from = nonce) => phone.ask({
        ...request, callId, cseq, lines: [`Authorization: ${digestValue({ ...account, realm: domain, nonce: from, nc, method: request.method ?? 'REGISTER', uri: request.uri ?? `sip:${domain}` })}`],
      });
      t.equal((await show(2, '00000001')).status, status, `${what} over ${transport}`);
      for (let i = 0; i < 5; i++) {
        const again = await show(3 + i, '00000001');
        t.equal(again.status, 401);
        t.equal(challengeOf(again).get('stale'), 'true');
        t.not(nonceOf(again), nonce);
      }
      t.equal((await show(9, '00000002')).status, status, 'counted on, the nonce still serves');
    }
  }
  t.equal(await blamed(), 0);
});

t.test('B3: credentials for another realm are not for us; ours are found among several', async (t) => {
  const { open, blamed } = await stageOf(t);
  const phone = await open('udp');
  const old = digestValue({ username: 'someone', password: 'x', realm: 'old.example.net', nonce: 'theirs' });
  for (const [what, request, account, status] of kinds) {
    for (const line of [`Authorization: ${old}`, `Proxy-Authorization: ${old}`, `Authorization: ${old}, ${old.replace('old.', 'older.')}`, 'Authorization: Bearer abc.def']) {
      for (let i = 0; i < 4; i++) t.equal((await phone.ask({ ...request, lines: [line] })).status, 401, `${what}: ${line.slice(0, 60)}`);
      t.equal((await phone.authenticated({ ...request, lines: [line] }, account)).status, status);
    }
    t.equal((await phone.authenticated(request, account, (ours) => [`Authorization: ${old}, ${ours}`])).status, status);
    t.equal((await phone.authenticated(request, account, (ours) => [`Authorization: ${ours}`, `Authorization: ${old}`])).status, status);
  }
  t.equal(await blamed(), 0);
});

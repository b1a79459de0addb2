// Any request of ours may be challenged, not an INVITE only (RFC 3261 §22.2): each is sent again with credentials, once.
import t, { type Test } from 'tap';
import type { SipMessage } from '../../../lib/sipserver/parser/index.js';
import { RawPeer, sdp } from '../../helpers/rawPeer.js';
import { number, type Overlay } from '../../helpers/service.js';
import { openStage, pause, type Stage } from '../harness.js';
import { until } from '../pbx/steps.js';
import { auth, challengeOf, proofsIn, type Demand } from './challenge.js';

interface Field { readonly stage: Stage; readonly pbx: RawPeer; readonly requests: SipMessage[] }

/** A PBX that answers calls, and asks for credentials in requests of these methods; every such request is kept. */
async function open(t: Test, demand: Demand, methods: readonly string[], config: Overlay = { auth }): Promise<Field> {
  const pbx = await RawPeer.open();
  t.teardown(() => pbx.close());
  const requests: SipMessage[] = [];
  pbx.script((invite, peer) => peer.answer(invite, 200, { body: sdp() }));
  pbx.meets((request, peer) => {
    requests.push(request);
    if (!methods.includes(request.method) || proofsIn(request, demand.status).length > 0) return false;
    peer.answer(request, demand.status, { headers: [challengeOf(demand)] });
    return true;
  });
  const stage = await openStage({ external: { pbx: { port: pbx.port, mayCall: [number], dtmf: 'info', ...config } }, overlay: { meta: { mediaTimeout: 0 } } });
  t.teardown(() => stage.close());
  return { stage, pbx, requests };
}

const of = (requests: readonly SipMessage[], method: string): SipMessage[] => requests.filter((request) => request.method === method);
const cseqOf = (request: SipMessage): number => Number(request.get('cseq')!.split(' ')[0]);

for (const demand of [{ status: 407 }, { status: 401, algorithm: 'SHA-256' }, { status: 407, algorithm: 'MD5', realm: 'another \\"realm\\", of theirs' }] as const) {
  t.test(`a BYE answered ${demand.status} ${'algorithm' in demand ? demand.algorithm : ''} goes again with credentials`, async (t) => {
    const { stage, requests } = await open(t, { ...demand }, ['BYE']);
    const user = stage.user();
    t.equal(await user.place(), 200);
    await user.hangUp();
    await until(() => of(requests, 'BYE').length === 2, 'the second BYE');
    const [first, second] = of(requests, 'BYE');
    t.equal(proofsIn(second!, demand.status).length, 1, 'right credentials, over the URI of the request');
    t.equal(cseqOf(second!), cseqOf(first!) + 1);
    for (const name of ['call-id', 'from', 'to', 'reason']) t.equal(second!.get(name), first!.get(name), name);
    await pause(200);
    t.equal(of(requests, 'BYE').length, 2, 'and no third');
  });
}

t.test('a business-initiated call: our BYE to the caller is challenged', async (t) => {
  const { stage, pbx, requests } = await open(t, { status: 407 }, ['BYE']);
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noring' });
  t.equal((await pbx.call(stage.running.udp, `sip:+447700900101@127.0.0.1:${stage.running.udp.port}`, {}, `<sip:${number}@pbx.example>`)).status, 200);
  await until(() => meta.liveCalls.length === 1, 'the call stands');
  await meta.liveCalls[0]!.hangUp();
  await until(() => of(requests, 'BYE').length === 2, 'the second BYE');
  t.equal(proofsIn(of(requests, 'BYE')[1]!, 407).length, 1);
});

t.test('INFO is challenged: the digit comes once more, and the BYE shows the same nonce at once, counted on', async (t) => {
  const { stage, requests } = await open(t, { status: 401, nonce: 'keep' }, ['INFO', 'BYE']);
  const user = stage.user();
  t.equal(await user.place(), 200);
  await user.press('5', 100);
  await until(() => of(requests, 'INFO').length === 2, 'the second INFO');
  t.equal(of(requests, 'INFO')[1]!.body, of(requests, 'INFO')[0]!.body);
  await user.hangUp();
  await until(() => of(requests, 'BYE').length === 1, 'BYE');
  t.match(proofsIn(of(requests, 'BYE')[0]!, 401), [{ nonce: 'keep', nc: '00000002' }]);
  t.match(proofsIn(of(requests, 'INFO')[1]!, 401), [{ nonce: 'keep', nc: '00000001' }]);
  await pause(200);
  t.equal(of(requests, 'BYE').length, 1);
});

t.test('the NOTIFYs of a transfer are challenged', async (t) => {
  const { stage, pbx, requests } = await open(t, { status: 407 }, ['NOTIFY']);
  const invites: SipMessage[] = [];
  pbx.script((invite, peer) => {
    invites.push(invite);
    peer.answer(invite, invites.length === 1 ? 200 : 486, invites.length === 1 ? { body: sdp() } : {});
  });
  const user = stage.user();
  t.equal(await user.place(), 200);
  t.equal((await pbx.ask(invites[0]!, 'REFER', { headers: [['Refer-To', `<sip:6002@127.0.0.1:${pbx.port}>`]] })).status, 202);
  await until(() => of(requests, 'NOTIFY').some((request) => request.body.includes('486') && proofsIn(request, 407).length > 0), 'the outcome is told');
  t.equal(of(requests, 'NOTIFY').filter((request) => proofsIn(request, 407).length === 0).length, 1, 'challenged once');
  await user.hangUp();
});

t.test('a stale nonce is answered once more; a wrong password, or none, is not tried again, and said in the log', async (t) => {
  const { stage, pbx, requests } = await open(t, { status: 407 }, []);
  let count = 0;
  pbx.meets((request, peer) => {
    requests.push(request);
    if (request.method !== 'BYE' || ++count > 2) return false;
    peer.answer(request, 407, { headers: [challengeOf({ status: 407, nonce: `n${count}`, stale: count === 2 })] });
    return true;
  });
  const user = stage.user();
  t.equal(await user.place(), 200);
  await user.hangUp();
  await until(() => of(requests, 'BYE').length === 3, 'the third BYE');
  t.match(proofsIn(of(requests, 'BYE')[2]!, 407), [{ nonce: 'n2' }]);

  for (const config of [{ auth: { ...auth, password: 'not it' } }, {}]) {
    const wrong = await open(t, { status: 407 }, ['BYE'], config);
    const caller = wrong.stage.user();
    t.equal(await caller.place(), 200);
    await caller.hangUp();
    await until(() => wrong.stage.running.log.some((line) => line.includes('peers.pbx.auth')), 'the log names the key');
    await wrong.stage.running.records(1);
    t.equal(of(wrong.requests, 'BYE').length, 'auth' in config ? 2 : 1);
  }
});

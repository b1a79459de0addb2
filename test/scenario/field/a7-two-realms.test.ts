// Several servers on the way may each ask for credentials, and each for a longer session interval (RFC 3261 §22.3, RFC 4028 §7.3).
import t, { type Test } from 'tap';
import type { SipMessage } from '../../../lib/sipserver/parser/index.js';
import { RawPeer, sdp, type Extra } from '../../helpers/rawPeer.js';
import type { Overlay } from '../../helpers/service.js';
import { openStage } from '../harness.js';
import { auth, challengeOf, proofsIn, type Demand } from './challenge.js';

type Answer = readonly [status: number, extra: Extra];
const asks = (...demands: Demand[]): Answer => [demands[0]!.status, { headers: demands.map(challengeOf) }];

/** One call to a PBX that answers its INVITEs so, one after the other, then 200; gives the status at Meta and the INVITEs. */
async function call(t: Test, answers: readonly Answer[], config: Overlay = { auth }): Promise<{ status: number; invites: SipMessage[] }> {
  const pbx = await RawPeer.open();
  const invites: SipMessage[] = [];
  pbx.script((invite, peer) => {
    invites.push(invite);
    const [status, extra] = answers[invites.length - 1] ?? [200, { body: sdp() }];
    peer.answer(invite, status, extra);
  });
  const stage = await openStage({ external: { pbx: { port: pbx.port, ...config } }, overlay: { meta: { mediaTimeout: 0 } } });
  const { status } = await stage.call({}, 100);
  await stage.close();
  pbx.close();
  t.same(invites.map((invite) => Number(invite.get('cseq')!.split(' ')[0])), invites.map((_, index) => index + 1));
  t.equal(new Set(invites.map((invite) => `${invite.get('call-id')} ${invite.get('from')}`)).size, 1);
  return { status, invites };
}

t.test('407 of the edge, then 401 of the PBX: the third INVITE carries both', async (t) => {
  const edge = { status: 407, realm: 'edge.example.net', nonce: 'e' } as const;
  const pbx = { status: 401, realm: 'pbx.example.net', nonce: 'p', algorithm: 'SHA-256' } as const;
  const { status, invites } = await call(t, [asks(edge), asks(pbx)]);
  t.equal(status, 200);
  t.equal(invites.length, 3);
  t.match(proofsIn(invites[2]!, 407), [{ realm: 'edge.example.net', nonce: 'e', nc: '00000002' }]);
  t.match(proofsIn(invites[2]!, 401), [{ realm: 'pbx.example.net', nonce: 'p', nc: '00000001' }]);
});

t.test('two proxies, the second with the first one\'s realm stale meanwhile; the same realm of both headers', async (t) => {
  const two = await call(t, [asks({ status: 407, realm: 'a', nonce: '1' }), asks({ status: 407, realm: 'b', nonce: '2' }), asks({ status: 407, realm: 'a', nonce: '3', stale: true })]);
  t.equal(two.status, 200);
  t.match(proofsIn(two.invites[3]!, 407).sort((x, y) => x.realm.localeCompare(y.realm)), [{ realm: 'a', nonce: '3', nc: '00000001' }, { realm: 'b', nonce: '2', nc: '00000002' }]);
  const same = await call(t, [asks({ status: 407, realm: 'a', nonce: '1' }), asks({ status: 401, realm: 'a', nonce: '2' })]);
  t.equal(same.status, 200);
});

t.test('one response that asks for two realms is answered for both (RFC 3261 §16.7, step 7)', async (t) => {
  const { status, invites } = await call(t, [asks({ status: 407, realm: 'a' }, { status: 407, realm: 'b' }, { status: 401, realm: 'c' })]);
  t.equal(status, 200);
  t.same([...proofsIn(invites[1]!, 407), ...proofsIn(invites[1]!, 401)].map(({ realm }) => realm).sort(), ['a', 'b', 'c']);
});

t.test('each is tried once: a realm that asks again is not answered, nor ever new ones without end', async (t) => {
  const again = await call(t, [asks({ status: 407, realm: 'a', nonce: '1' }), asks({ status: 407, realm: 'a', nonce: '2' })]);
  t.same([again.status, again.invites.length], [480, 2]);
  const stale = await call(t, ['1', '2', '3'].map((nonce) => asks({ status: 401, nonce, stale: nonce !== '1' })));
  t.same([stale.status, stale.invites.length], [480, 3], 'stale once');
  const endless = await call(t, Array.from({ length: 20 }, (_, index) => asks({ status: 407, realm: `r${index}` })));
  t.equal(endless.status, 480);
  t.ok(endless.invites.length <= 6, `${endless.invites.length} INVITEs`);
});

t.test('422: asked again while Min-SE grows (A8)', async (t) => {
  const small = (seconds: number): Answer => [422, { headers: [['Min-SE', String(seconds)]] }];
  const timed = { auth, sessionExpires: 1800 };
  const two = await call(t, [small(3600), small(7200)], timed);
  t.equal(two.status, 200);
  t.same(two.invites.map((invite) => [invite.get('session-expires'), invite.get('min-se')]), [['1800;refresher=uas', '90'], ['3600;refresher=uas', '3600'], ['7200;refresher=uas', '7200']]);
  t.equal((await call(t, [small(3600), small(3600)], timed)).invites.length, 2, 'it has to grow');
  t.equal((await call(t, [small(7200), small(3600)], timed)).invites.length, 2);
  t.ok((await call(t, Array.from({ length: 20 }, (_, index) => small(2000 + index)), timed)).invites.length <= 5, 'and comes to an end');
  const mixed = await call(t, [small(3600), asks({ status: 407 }), small(7200)], timed);
  t.equal(mixed.status, 200);
  t.equal(proofsIn(mixed.invites[3]!, 407).length, 1, 'with the credentials');
});

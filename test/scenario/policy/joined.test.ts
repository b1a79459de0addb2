import t from 'tap';
import type { Extra, RawPeer } from '../../helpers/rawPeer.js';
import { RawPeer as Raw, sdp } from '../../helpers/rawPeer.js';
import { number } from '../../helpers/service.js';
import { openStage, pause } from '../harness.js';
import { openPolicyStage } from './stage.js';

type Invite = Parameters<Parameters<RawPeer['script']>[0]>[0];

t.test('a pick-up that would bring the telephone network into a call is refused, and the call goes on', async (t) => {
  const { stage, pbx, audit } = await openPolicyStage(t);
  const { udp } = stage.running;
  let invite: Invite | undefined;
  pbx.script((received, peer) => {
    invite = received;
    peer.answer(received, 200, { body: sdp() });
  });
  const user = stage.user({ expect: [] });
  t.equal(await user.place(), 200);
  const tag = /tag=([^;]+)/.exec(invite!.get('from')!)![1]!;
  const replaces = ['Replaces', `${invite!.get('call-id')!};to-tag=${tag};from-tag=raw-${pbx.port}`] as const;
  const rows: readonly (readonly [what: string, extra: Extra, from: string | undefined, code: string])[] = [
    ['Diversion', { headers: [replaces, ['Diversion', '<tel:+12025550123>']] }, undefined, 'origin.diversion'], ['P-Asserted-Identity', { headers: [replaces, ['P-Asserted-Identity', '<tel:+12025550123>']] }, undefined, 'origin.identity'],
    ['a number as the caller', { headers: [replaces] }, '<sip:+12025550123@pbx.example>', 'caller.number'], ['cpc', { headers: [replaces] }, '<sip:6002@pbx.example;cpc=ordinary>', 'origin.params'], ['ISUP', { headers: [replaces], body: 'x', type: 'application/ISUP' }, undefined, 'origin.isup'],
    ["a carrier's media", { headers: [replaces], body: sdp('127.0.0.3') }, undefined, 'origin.media'], ['somebody who is not on-net', { headers: [replaces] }, '<sip:boss@pbx.example>', 'target.user'], ['a short number that is not on-net', { headers: [replaces] }, '<sip:0800@pbx.example>', 'target.number'],
  ];
  for (const [what, extra, from, code] of rows) {
    const response = await pbx.call(udp, `sip:${number}@127.0.0.1:${udp.port}`, extra, from ?? '<sip:6002@pbx.example>');
    t.equal(response.status, 403, what);
    t.equal((await audit()).at(-1)!.code, code, what);
  }
  t.equal(user.report().endedBy, 'nobody');
  t.notOk(pbx.heard.some((line) => line.startsWith('BYE')), 'the call goes on where it was');

  const picked = await pbx.call(udp, `sip:${number}@127.0.0.1:${udp.port}`, { headers: [replaces] }, '<sip:6002@pbx.example>');
  t.equal(picked.status, 200, 'an on-net user may');
  t.match((await audit()).at(-1), { allow: true, facts: { origin: 'replaces', by: 'pbx' } });
  await user.hangUp();
});

t.test('in a business-initiated call, too, the PBX may send the user to on-net users only', async (t) => {
  const [gateway, stranger] = [await Raw.open('127.0.0.4'), await Raw.open()];
  t.teardown(() => [gateway, stranger].forEach((peer) => peer.close()));
  const stage = await openStage({
    peers: { pbx: { config: { mayCall: [number], sources: ['127.0.0.1/32'], mayTransferTo: [] } }, next: { config: { users: ['7001'], sources: ['127.0.1.1/32'] } } },
    external: { gateway: { port: gateway.port, uri: `sip:${gateway.address}`, pstn: 'carrier', sources: ['127.0.0.4/32'] } },
    overlay: { routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }] }] },
  });
  t.teardown(() => stage.close());
  const meta = await stage.answerAsMeta();
  const call = await stage.peers.pbx!.call(`sip:+447700900101@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>` });
  t.equal(await call.final, 200);
  const { port } = stage.peers.pbx!;
  for (const target of [
    'tel:+12025550123', 'sip:+12025550123@127.0.0.1', `sip:+12025550123@127.0.0.1:${port}`, `sip:6002@127.0.0.1:${port};user=phone`, `sip:6002@${gateway.address}`, `sip:6002@${stranger.address}`, `sip:7001@127.0.0.1:${stage.peers.next!.port}`,
    'sip:+447700900102@wa.meta.vc;transport=tls', 'sip:+447700900102@sbc.example.net',
  ]) t.equal(await call.refer(target), 403, target);
  await pause(200);
  t.same([gateway.packets, stranger.packets, stage.peers.next!.lastCall, stage.peers.pbx!.lastCall], [0, 0, undefined, call]);
  await call.bye();
  await stage.running.records(1);
  t.same(meta.reports.flatMap(({ violations }) => violations), []);
  t.equal(meta.reports.length, 1, 'one call at Meta');
});

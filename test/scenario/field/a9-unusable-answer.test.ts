// Ending one leg waits for nobody: a peer whose answer cannot be used, and that is dead to our BYE, holds up neither the next target nor the refusal.
import t, { type Test } from 'tap';
import { RawPeer, sdp } from '../../helpers/rawPeer.js';
import { number } from '../../helpers/service.js';
import { openStage, type Stage } from '../harness.js';

/** Answers with this, and never again says a word. */
async function dead(t: Test, body: string): Promise<RawPeer> {
  const peer = await RawPeer.open();
  t.teardown(() => peer.close());
  peer.script((invite) => peer.answer(invite, 200, { body }));
  peer.meets(({ method }) => method === 'BYE');
  return peer;
}

async function open(t: Test, peers: Record<string, RawPeer>, strategy: 'failover' | 'ring-all'): Promise<Stage> {
  const stage = await openStage({
    external: Object.fromEntries(Object.entries(peers).map(([name, { port }]) => [name, { port }])),
    overlay: { meta: { mediaTimeout: 0 }, routes: [{ name: 'main', number, to: Object.keys(peers).map((peer) => ({ peer, user: '6001' })), strategy }] },
  });
  t.teardown(() => stage.close());
  return stage;
}

const answers: Record<string, string> = {
  'no audio': 'v=0\r\no=x 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 4000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n',
  'no codec of ours': sdp().replace('RTP/AVP 0 101', 'RTP/AVP 18 101').replace('0 PCMU', '18 G729'),
  nothing: '',
};

for (const [what, body] of Object.entries(answers)) {
  t.test(`${what}: Meta is told at once`, async (t) => {
    const pbx = await dead(t, body);
    const stage = await open(t, { pbx }, 'failover');
    const bye = pbx.next('BYE', ({ method }) => method === 'BYE');
    const started = Date.now();
    t.equal((await stage.call()).status, 480);
    t.ok(Date.now() - started < 3000, `told after ${Date.now() - started} ms`);
    t.match((await bye).get('reason'), /^SIP;cause=488/);
    t.match((await stage.running.records(1))[0]!.termination, { by: 'peer', reason: 'badSdp' });
    t.equal(stage.running.service.table.onPeer('pbx'), 0, 'its place is free');
  });
}

for (const strategy of ['failover', 'ring-all'] as const) {
  t.test(`${strategy}: the other target has the call at once`, async (t) => {
    const other = await RawPeer.open();
    t.teardown(() => other.close());
    other.script((invite) => { setTimeout(() => other.answer(invite, 200, { body: sdp() }), strategy === 'ring-all' ? 300 : 0); });
    const stage = await open(t, { pbx: await dead(t, answers['no codec of ours']!), other }, strategy);
    const user = stage.user();
    const started = Date.now();
    t.equal(await user.place(), 200);
    t.ok(Date.now() - started < 3000, `answered after ${Date.now() - started} ms`);
    await user.hangUp();
    t.match((await stage.running.records(1))[0], { peer: 'other' });
  });
}

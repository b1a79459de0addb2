import t from 'tap';
import { number } from '../helpers/service.js';
import { openStage, pause, type Stage } from './harness.js';

const user = '+447700900101';

function dial(stage: Stage, more: object = {}): ReturnType<Stage['peers'][string]['call']> {
  return stage.peers.pbx!.call(`sip:${user}@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>`, ...more });
}

for (const codec of ['PCMU', 'opus'] as const) {
  t.test(`a peer that wants early media: 183 and a ringing tone, then the user, ${codec}`, async (t) => {
    const stage = await openStage({ peers: { pbx: { codecs: [codec], expect: [425, 600, 900], config: { codecs: [codec], mayCall: [number], earlyMedia: true } } } });
    t.teardown(() => stage.close());
    const meta = await stage.answerAsMeta({ behaviour: 'tone,ring=3' });
    const call = await dial(stage);
    const ringing = new Promise((resolve) => call.once('ringing', resolve));
    t.equal(await ringing, 183);
    await pause(1500);
    const early = call.report();
    t.same(early.media!.tone.frequencies, [425], 'the ringing tone is heard');
    t.ok(early.media!.received.packets > 50, `${early.media!.received.packets} packets before the answer`);
    t.equal(meta.liveCalls[0]!.report().audio?.packetsReceived ?? 0, 0, 'Meta gets no media before its 200');
    t.equal(await call.final, 200);
    await pause(2500);
    await call.bye();
    await stage.running.records(1);
    const [report] = meta.reports;
    t.same(report!.violations, []);
    t.ok(report!.audio!.toneHeard, 'the user hears the PBX');
    const tones = call.report().media!.tone;
    t.ok(tones.frequencies.includes(600) || tones.frequencies.includes(900), `the PBX hears the user: ${tones.frequencies.join(', ')} Hz`);
    t.same(call.report().faults, []);
  });
}

t.test('early media cannot be had without an offer: 180', async (t) => {
  const stage = await openStage({ peers: { pbx: { config: { mayCall: [number], earlyMedia: true } } } });
  t.teardown(() => stage.close());
  await stage.answerAsMeta({ behaviour: 'tone,ring=0.3' });
  const call = await dial(stage, { delayedOffer: true });
  t.equal(await new Promise((resolve) => call.once('ringing', resolve)), 180);
  t.equal(await call.final, 200);
  await call.bye();
});

t.test('Meta that never rings: no 180 either', async (t) => {
  const stage = await openStage({ peers: { pbx: { config: { mayCall: [number] } } } });
  t.teardown(() => stage.close());
  await stage.answerAsMeta({ behaviour: 'tone,noring,ring=0.3' });
  const call = await dial(stage);
  let rang = 0;
  call.on('ringing', (status) => { rang = status; });
  t.equal(await call.final, 200);
  t.equal(rang, 0);
  await call.bye();
});

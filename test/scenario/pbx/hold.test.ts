import t from 'tap';
import { number } from '../../helpers/service.js';
import { openStage } from '../harness.js';
import { assertQuietLeg, dial, hears, recordOf, tonesOf } from './steps.js';

const stage = await openStage({ peers: { pbx: { answer: 'tone', tones: tonesOf.pbx, expect: tonesOf.user, config: { mayCall: [number] } } } });
t.teardown(() => stage.close());

for (const how of ['sendonly', 'inactive', 'zero'] as const) {
  t.test(`hold by re-INVITE, ${how}: music, then both ways again`, async (t) => {
    const user = stage.user({ expect: tonesOf.pbx });
    t.equal(await user.place(), 200);
    const call = stage.peers.pbx!.lastCall!;
    await hears(user, 'tone');
    await hears(call, 'tone');
    t.equal(await call.hold(how), 200);
    await hears(user, 'music', 50);
    t.equal(await call.resume('tone'), 200);
    const [there, back] = await Promise.all([hears(user, 'tone', 2), hears(call, 'tone', 2)]);
    const late = user.report().pacerLateMs;
    t.ok(there < 200 + late && back < 200 + late, `heard again after ${Math.round(there)} and ${Math.round(back)} ms`);
    await user.hangUp();
    assertQuietLeg(t, user.report());
    t.same(call.report().faults, []);
    t.equal(call.report().theirDirections.at(-1), 'sendrecv');
    t.equal(call.report().theirDirections.at(-2), { sendonly: 'recvonly', inactive: 'inactive', zero: 'sendrecv' }[how], 'the answer to the hold (RFC 3264 §6.1)');
    t.match(await recordOf(stage, user), { termination: { by: 'user', reason: 'hangup' }, peer: 'pbx', target: '6001' });
  });
}

for (const direction of ['user-initiated', 'business-initiated'] as const) {
  t.test(`${direction}: hold by UPDATE, resume without an offer; refreshes; one re-INVITE during another`, async (t) => {
    const meta = await stage.answerAsMeta({ behaviour: 'tone', tones: tonesOf.user, expect: tonesOf.pbx });
    const user = stage.user({ expect: tonesOf.pbx });
    const call = direction === 'business-initiated' ? await dial(stage) : (t.equal(await user.place(), 200), stage.peers.pbx!.lastCall!);
    await hears(call, 'tone');
    const whatsapp = meta.liveCalls[0] ?? user;
    for (let round = 0; round < 2; round += 1) {
      await hears(whatsapp, 'tone');
      t.equal(await call.update('sendonly'), 200);
      call.say('silence');
      await hears(whatsapp, 'music', 30);
      t.equal(await call.reinviteOfferless('tone'), 200);
      await Promise.all([hears(whatsapp, 'tone'), hears(call, 'tone')]);
    }
    t.equal(await call.update(), 200, 'a refresh without an offer');
    t.equal(await call.reinvite('sendrecv', false), 200, 'a refresh with one');
    // RFC 3261 §14.2: the second gets 500 with Retry-After, unless the first was done with by then.
    const both = await Promise.all([call.reinvite('sendrecv', false), call.reinvite('sendrecv', false)]);
    t.equal(both[0], 200);
    t.ok([200, 500].includes(both[1]), `the second: ${both[1]}`);
    await hears(whatsapp, 'tone');
    await whatsapp.hangUp();
    assertQuietLeg(t, whatsapp.report());
    t.same(call.report().faults, []);
    t.match(await recordOf(stage, whatsapp), { direction, termination: { by: 'user', reason: 'hangup' } });
    await meta.close();
  });
}

t.test('silence on hold where the route says so, and a file of its own', async (t) => {
  const quiet = await openStage({
    peers: { pbx: { answer: 'tone', tones: tonesOf.pbx } },
    overlay: { media: { music: '/nonexistent/music.wav' }, routes: [
      { name: 'quiet', number, payload: '^quiet', to: [{ peer: 'pbx', user: '6001' }], music: 'none' },
      { name: 'broken', number, to: [{ peer: 'pbx', user: '6001' }] },
    ] },
  });
  t.teardown(() => quiet.close());
  for (const [payload, kind] of [['quiet', 'silence'], ['other', 'music']] as const) {
    const user = quiet.user({ expect: tonesOf.pbx, payload });
    t.equal(await user.place(), 200);
    const call = quiet.peers.pbx!.lastCall!;
    await hears(user, 'tone');
    t.equal(await call.hold('inactive'), 200);
    await hears(user, kind, 30);
    t.equal(await call.resume('tone'), 200);
    await hears(user, 'tone');
    await user.hangUp();
    assertQuietLeg(t, user.report());
  }
  t.ok(quiet.running.log.some((line) => line.includes('/nonexistent/music.wav') && line.includes('cannot be played')), 'a file that cannot be read is named, and ours is played');
});

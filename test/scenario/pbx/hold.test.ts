import t from 'tap';
import { number } from '../../helpers/service.js';
import { openStage } from '../harness.js';
import { assertQuietLeg, hears, recordOf, tonesOf } from './steps.js';

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

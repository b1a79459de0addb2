import t from 'tap';
import { number } from '../helpers/service.js';
import { openStage } from '../scenario/harness.js';
import { assertQuietLeg, hears, recordOf, tonesOf, until } from '../scenario/pbx/steps.js';
import { absent, startScenario } from './programs.js';

t.test('sipp as a PBX user: 422, PRACK, UPDATE while ringing, OPTIONS, NOTIFY, INFO, hold, offerless resume, codec change, refresh', { skip: absent('sipp') }, async (t) => {
  const sipp = await startScenario('uas-in-call.xml');
  t.teardown(() => sipp.close());
  const stage = await openStage({ external: { pbx: { port: sipp.port, codecs: ['PCMU', 'PCMA'] } } });
  t.teardown(() => stage.close());
  const user = stage.user({ expect: tonesOf.user });
  t.equal(await user.place(), 200);
  await hears(user, 'tone');
  await hears(user, 'music', 30);
  await hears(user, 'tone');
  await until(() => user.ended, 'sipp hangs up', 40_000);
  t.equal(await sipp.exit, 0, 'every step came as the scenario says');
  const report = user.report();
  assertQuietLeg(t, report);
  t.equal(report.audio!.digits, '5#7', 'each digit once, the last during hold');
  t.match(await recordOf(stage, user), { termination: { by: 'peer', reason: 'hangup' }, media: { peer: { codec: 'PCMA' } } });
});

t.test('sipp: a 200 that says something else than the 183, which is heard; 491 for an offer that meets ours', { skip: absent('sipp') }, async (t) => {
  const sipp = await startScenario('uas-offers.xml');
  t.teardown(() => sipp.close());
  const stage = await openStage({
    external: { pbx: { port: sipp.port, codecs: ['PCMU', 'PCMA'] } },
    overlay: { routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }], answerOnEarlyMedia: true }] },
  });
  t.teardown(() => stage.close());
  const user = stage.user({ expect: tonesOf.user });
  t.equal(await user.place(), 200, 'at the announcement');
  // What sipp sends back.
  await hears(user, 'tone', 50);
  await until(() => user.ended, 'sipp hangs up', 40_000);
  t.equal(await sipp.exit, 0, 'every step came as the scenario says');
  const report = user.report();
  assertQuietLeg(t, report);
  const { heard, silent, other } = report.audio!.detail.tone;
  t.ok(heard > 3 * (silent + other), `through all of it: ${heard} of ${heard + silent + other} frames`);
  t.match(await recordOf(stage, user), { termination: { by: 'peer', reason: 'hangup' }, media: { peer: { codec: 'PCMU' } } });
});

import t from 'tap';
import { engines } from '../helpers/engines.js';
import { openStage } from '../scenario/harness.js';
import { assertQuietLeg, recordOf, tonesOf, until } from '../scenario/pbx/steps.js';
import { absent, startScenario } from './programs.js';

// drachtio-server refreshes by itself and does not tell: the INVITE that meets it comes to us like any other and gets 200.
const skip = absent('sipp') || (engines.sip === 'drachtio' ? 'drachtio-server does not say when it refreshes: no glare is seen' : false);

// 45 s of it are half of the shortest interval there is (RFC 4028 §4).
t.test('sipp has us refresh the session by re-INVITE; its own meets ours: 491 both ways, and once more', { skip }, async (t) => {
  const sipp = await startScenario('uas-refresh.xml', ['-timeout', '90']);
  t.teardown(() => sipp.close());
  const stage = await openStage({ external: { pbx: { port: sipp.port, sessionExpires: 90 } } });
  t.teardown(() => stage.close());
  const user = stage.user({ expect: tonesOf.user });
  t.equal(await user.place(), 200);
  await until(() => user.ended, 'sipp hangs up', 80_000);
  t.equal(await sipp.exit, 0, 'every step came as the scenario says');
  const report = user.report();
  assertQuietLeg(t, report);
  t.ok(report.audio!.detail.tone.fraction > 0.9, 'audio all the while');
  t.match(await recordOf(stage, user), { termination: { by: 'peer', reason: 'hangup' } });
});

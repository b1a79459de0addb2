import t from 'tap';
import { engines } from '../helpers/engines.js';
import { openStage } from './harness.js';

t.test('a whole call with the SIP server in a thread of its own: audio, CDR, ladder and metrics as ever', { skip: engines.sip === 'embedded' ? false : 'the embedded SIP server is not used' }, async (t) => {
  const stage = await openStage({ overlay: { sip: { thread: true } } });
  t.teardown(() => stage.close());
  const report = await stage.call();
  t.same(report.violations, []);
  t.ok(report.ok);
  const [cdr] = await stage.running.records(1);
  t.match(cdr, { termination: { by: 'user', reason: 'hangup', status: 200 } });
  t.match(stage.running.service.ladder(cdr!.id), /Meta\s+wa-b2bua\s+pbx/);
  const metrics = await (await fetch(`http://${stage.running.service.http}/metrics`)).text();
  t.match(metrics, /wab_sipserver_events_total\{event="received"\} [1-9]/);
});

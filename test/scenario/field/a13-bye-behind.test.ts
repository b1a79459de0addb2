// A request and a BYE right behind it: a REFER is carried out, a change of the session that is over gets 487 (RFC 3261 §15.1.2).
import t, { type Test } from 'tap';
import { engines } from '../../helpers/engines.js';
import { sdp } from '../../helpers/rawPeer.js';
import { pause, type Stage } from '../harness.js';
import { openRawPbx, type RawPbx } from './rawPbx.js';
import { until } from '../pbx/steps.js';

// drachtio-server answers whatever is pending at a BYE 500 by itself.
const skip = engines.sip === 'embedded' ? false : 'drachtio-server answers 500 for the application';

async function called(t: Test): Promise<RawPbx & { user: ReturnType<Stage['user']> }> {
  const field = await openRawPbx(t);
  const user = field.stage.user();
  t.equal(await user.place(), 200);
  await pause(100);
  return { ...field, user };
}

t.test('REFER, then BYE: 202, 200, and the user is transferred', { skip }, async (t) => {
  const { stage, pbx, invites, user } = await called(t);
  const [refer, bye] = await Promise.all([
    pbx.ask(invites[0]!, 'REFER', { headers: [['Refer-To', `<sip:6002@127.0.0.1:${pbx.port}>`]] }), pbx.ask(invites[0]!, 'BYE'),
  ]);
  t.same([refer.status, bye.status], [202, 200]);
  await until(() => invites.length === 2, 'the target is called');
  t.match(invites[1]!.uri, 'sip:6002@');
  await pause(200);
  t.notOk(user.ended);
  await user.hangUp();
  const [cdr] = await stage.running.records(1);
  t.match(cdr, { target: '6002', transfers: [{ kind: 'blind', to: '6002@pbx', status: 200 }], termination: { by: 'user', reason: 'hangup' } });
});

t.test('a transfer that policy refuses: 403, and the BYE ends the call', { skip }, async (t) => {
  const { stage, pbx, invites } = await called(t);
  const [refer, bye] = await Promise.all([
    pbx.ask(invites[0]!, 'REFER', { headers: [['Refer-To', `<sip:+447700900555@127.0.0.1:${pbx.port}>`]] }), pbx.ask(invites[0]!, 'BYE'),
  ]);
  t.same([refer.status, bye.status], [403, 200]);
  t.match((await stage.running.records(1))[0]!.termination, { by: 'peer', reason: 'hangup' });
});

t.test('re-INVITE, UPDATE with an offer: 487', { skip }, async (t) => {
  for (const method of ['INVITE', 'UPDATE']) {
    const { pbx, invites } = await called(t);
    const [change, bye] = await Promise.all([pbx.ask(invites[0]!, method, { body: sdp().replace('1 1 IN', '1 2 IN') }), pbx.ask(invites[0]!, 'BYE')]);
    t.same([change.status, bye.status], [487, 200], method);
  }
});

t.test('INFO and OPTIONS are answered for what they are', { skip }, async (t) => {
  const { pbx, invites } = await called(t);
  const [info, options, bye] = await Promise.all([
    pbx.ask(invites[0]!, 'INFO', { body: 'rubbish', type: 'text/rubbish' }), pbx.ask(invites[0]!, 'OPTIONS'), pbx.ask(invites[0]!, 'BYE'),
  ]);
  t.same([info.status, options.status, bye.status], [415, 200, 200]);
});

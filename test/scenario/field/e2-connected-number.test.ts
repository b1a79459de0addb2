// A PBX that says it has connected the user to a telephone number: P-Asserted-Identity, Remote-Party-ID, a new From (RFC 4916), in any message.
import t, { type Test } from 'tap';
import type { SipMessage } from '../../../lib/sipserver/parser/index.js';
import { sdp, type Extra } from '../../helpers/rawPeer.js';
import { number } from '../../helpers/service.js';
import { pause } from '../harness.js';
import { until } from '../pbx/steps.js';
import { openPolicyStage, type PolicyStage } from '../policy/stage.js';

const pai = (uri: string): Extra => ({ headers: [['P-Asserted-Identity', `"Away" <${uri}>`]] });
const rpid = (uri: string): Extra => ({ headers: [['Remote-Party-ID', `<${uri}>;party=called;privacy=off;screen=no`]] });
const away = 'sip:+15551234567@127.0.0.1';

async function answered(t: Test, overlay: Record<string, unknown> = {}, extra: Extra = {}): Promise<PolicyStage & { invite: () => SipMessage; user: ReturnType<PolicyStage['stage']['user']>; status: number }> {
  const opened = await openPolicyStage(t, overlay);
  let invite: SipMessage | undefined;
  opened.pbx.script((request, peer) => {
    invite = request;
    peer.answer(request, 200, { body: sdp(), ...extra });
  });
  const user = opened.stage.user({ expect: [] });
  const status = await user.place();
  await pause(100);
  return { ...opened, user, status, invite: () => invite! };
}

for (const [method, extra] of [
  ['UPDATE', pai(away)], ['UPDATE', rpid(away)], ['UPDATE', { headers: [['P-Asserted-Identity', '<tel:+15551234567>']] }], ['UPDATE', pai('sip:0015551234567@pbx.example')],
  ['INVITE', { ...pai(away), body: sdp() }], ['INVITE', { ...rpid(away), body: sdp() }],
] as const) {
  t.test(`${method} with ${extra.headers![0]!.join(': ')}: the call is ended, and the audit log says why`, async (t) => {
    const { pbx, invite, user, stage, audit } = await answered(t);
    await pbx.ask(invite(), method, extra);
    await until(() => user.ended, 'the call is ended');
    t.match((await stage.running.records(1))[0]!.termination, { by: 'policy', reason: 'leak.connectedNumber', status: 603 });
    t.match((await audit()).filter(({ kind }) => kind === 'peerMessage'), [{ allow: false, code: 'leak.connectedNumber', enforced: true }]);
  });
}

t.test('in a 180 or in the 200: the user is refused', async (t) => {
  const { status, stage } = await answered(t, {}, pai(away));
  t.equal(status, 603);
  t.match((await stage.running.records(1))[0]!.termination, { reason: 'leak.connectedNumber' });
  const opened = await openPolicyStage(t);
  opened.pbx.script((request, peer) => peer.answer(request, 180, rpid(away)));
  t.equal(await opened.stage.user().place(), 603);
});

t.test('extensions, the business number, the user and whoever was called are nobody else', async (t) => {
  const { pbx, invite, user, audit } = await answered(t, {}, pai('sip:6002@127.0.0.1'));
  for (const extra of [pai('sip:6003@pbx.example'), pai('sip:support@pbx.example'), pai(`sip:${number}@pbx.example`), pai(`sip:${number.slice(1)}@pbx.example`), rpid('sip:+447700900101@pbx.example'),
    pai('sip:anonymous@anonymous.invalid'), pai('sip:2001@pbx.example'), { headers: [['P-Asserted-Identity', `<tel:${number}>`]] } as Extra]) {
    t.equal((await pbx.ask(invite(), 'UPDATE', extra)).status, 200, extra.headers![0]![1]);
  }
  t.notOk(user.ended);
  t.same((await audit()).filter(({ kind }) => kind === 'peerMessage'), []);
  await user.hangUp();
});

t.test('report: written down, and the call goes on', async (t) => {
  const { pbx, invite, user, audit } = await answered(t, { policy: { leaks: { connectedNumber: 'report' } } });
  t.equal((await pbx.ask(invite(), 'UPDATE', pai(away))).status, 200);
  await pause(200);
  t.notOk(user.ended);
  t.match((await audit()).filter(({ kind }) => kind === 'peerMessage'), [{ code: 'leak.connectedNumber', enforced: false }]);
  await user.hangUp();
});

for (const extra of [pai(away), rpid(away)]) {
  t.test(`an UPDATE right behind a re-INVITE that is not answered yet, as Asterisk sends it after a transfer, with ${extra.headers![0]![0]}`, async (t) => {
    const { pbx, invite, user, stage } = await answered(t);
    const both = Promise.all([pbx.ask(invite(), 'INVITE', { body: sdp() }), pbx.ask(invite(), 'UPDATE', extra)]);
    await until(() => user.ended, 'the call is ended');
    t.match((await stage.running.records(1))[0]!.termination, { by: 'policy', reason: 'leak.connectedNumber', status: 603 });
    // drachtio-server answers it itself where our BYE has passed our 200.
    const { status } = (await both)[1];
    t.ok(status === 200 || (process.env.WAB_SIP === 'drachtio' && [481, 500].includes(status)), `${status}`);
  });
}

t.test('an UPDATE behind a re-INVITE that says nothing wrong is answered, and the re-INVITE too; one with an offer waits its turn', async (t) => {
  const { pbx, invite, user } = await answered(t);
  const [reinvite, update] = await Promise.all([pbx.ask(invite(), 'INVITE', { body: sdp() }), pbx.ask(invite(), 'UPDATE', pai('sip:6003@pbx.example'))]);
  t.same([reinvite.status, update.status], [200, 200]);
  // RFC 3311 §5.2: 500 with Retry-After while another offer of theirs is being answered; our own engine may have answered it by then.
  const [again, offer] = await Promise.all([pbx.ask(invite(), 'INVITE', { body: sdp() }), pbx.ask(invite(), 'UPDATE', { body: sdp() })]);
  t.equal(again.status, 200);
  t.ok(offer.status === 200 || (offer.status === 500 && offer.get('retry-after') !== undefined), `${offer.status}`);
  t.notOk(user.ended);
  await user.hangUp();
});

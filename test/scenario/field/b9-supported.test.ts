// Every 2xx of ours says what we do (RFC 3261 §13.3.1.4, §11.2; RFC 3891 §6.2); what is demanded beyond that is refused by name (B10, §8.2.2.3).
import t, { type Test } from 'tap';
import type { SipMessage } from '../../../lib/sipserver/parser/index.js';
import { RawPeer, sdp } from '../../helpers/rawPeer.js';
import { number } from '../../helpers/service.js';
import type { Stage } from '../harness.js';
import { openRawPbx } from './rawPbx.js';
import { until } from '../pbx/steps.js';

const supported = 'timer, replaces, 100rel, norefersub';
const user = '+447700900101';

async function open(t: Test): Promise<{ stage: Stage; pbx: RawPeer; invites: SipMessage[]; dial: (headers?: [string, string][], body?: string) => Promise<SipMessage> }> {
  const { stage, pbx, invites } = await openRawPbx(t);
  const dial = (headers: [string, string][] = [], body = ''): Promise<SipMessage> => pbx.call(stage.running.udp, `sip:${user}@127.0.0.1:${stage.running.udp.port}`, { headers, body }, `<sip:${number}@pbx.example>`);
  return { stage, pbx, invites, dial };
}

const tells = (t: Test, response: SipMessage, what: string): void => {
  t.equal(response.status, 200, what);
  t.equal(response.get('supported'), supported, `Supported of ${what}`);
  t.match(response.get('allow'), /INVITE.*PRACK.*REFER/, `Allow of ${what}`);
};

t.test('2xx to INVITE, re-INVITE, UPDATE, OPTIONS, and to a pick-up', async (t) => {
  const { stage, pbx, invites, dial } = await open(t);
  const caller = stage.user();
  t.equal(await caller.place(), 200);
  const [invite] = invites;
  t.equal(invite!.get('supported'), supported, 'of our INVITE');
  tells(t, await pbx.ask(invite!, 'INVITE', { body: sdp() }), 're-INVITE');
  tells(t, await pbx.ask(invite!, 'INVITE', {}), 're-INVITE without an offer');
  await pbx.ask(invite!, 'BYE');
  const again = stage.user();
  t.equal(await again.place(), 200);
  tells(t, await pbx.ask(invites[1]!, 'UPDATE', { body: sdp() }), 'UPDATE');
  tells(t, await pbx.ask(invites[1]!, 'UPDATE'), 'UPDATE without an offer');
  tells(t, await pbx.ask(invites[1]!, 'OPTIONS'), 'OPTIONS');
  const tagOf = (value: string): string => /tag=([^;]+)/.exec(value)![1]!;
  const replaces = `${invites[1]!.get('call-id')};to-tag=${tagOf(invites[1]!.get('from')!)};from-tag=raw-${pbx.port}`;
  tells(t, await pbx.call(stage.running.udp, `sip:x@127.0.0.1:${stage.running.udp.port}`, { headers: [['Replaces', replaces]] }, '<sip:6005@pbx.example>'), 'a pick-up');
  await again.hangUp();
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noring' });
  tells(t, await dial(), 'INVITE');
  await until(() => meta.liveCalls.length === 1, 'the call stands');
  await meta.liveCalls[0]!.hangUp();
  const options = await pbx.outside(stage.running.udp, 'OPTIONS', `sip:127.0.0.1:${stage.running.udp.port}`);
  tells(t, options, 'OPTIONS outside a dialog');
});

t.test('an UPDATE in an early dialog', async (t) => {
  const { stage, pbx } = await open(t);
  let invite: SipMessage | undefined;
  pbx.script((request, peer) => {
    invite = request;
    peer.answer(request, 183, { headers: [['Require', '100rel'], ['RSeq', '1']], body: sdp() });
  });
  const caller = stage.user();
  const placed = caller.place();
  await pbx.next('PRACK', ({ method }) => method === 'PRACK');
  tells(t, await pbx.ask(invite!, 'UPDATE', { body: sdp() }), 'UPDATE');
  t.match(await pbx.ask(invite!, 'UPDATE', { headers: [['Require', 'precondition']], body: sdp() }), { status: 420 });
  pbx.answer(invite!, 200);
  t.equal(await placed, 200);
  await caller.hangUp();
});

for (const [header, value, unsupported] of [
  ['Require', 'precondition', 'precondition'], ['Require', '100rel, siprec', 'siprec'], ['Require', 'sec-agree', 'sec-agree'], ['Proxy-Require', 'sec-agree', 'sec-agree'],
  ['Require', 'timer,Join , answermode', 'Join, answermode'], ['Require', 'gruu', 'gruu'], ['Require', 'ice', 'ice'], ['Require', 'nobody-knows', 'nobody-knows'],
] as const) {
  t.test(`${header}: ${value} in a PBX's INVITE: 420 with ${unsupported}, and nobody rings`, async (t) => {
    const { stage, dial } = await open(t);
    const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noring' });
    const response = await dial([[header, value]]);
    t.equal(response.status, 420);
    t.equal(response.get('unsupported'), unsupported);
    t.equal(meta.reports.length + meta.liveCalls.length, 0);
  });
}

// One service a test: each end of one looks for channels that it left in the FreeSWITCH which they share.
for (const headers of [[['Require', 'timer, Replaces, 100rel, norefersub']], [['Proxy-Require', 'privacy'], ['Privacy', 'id']]] as [string, string][][]) {
  t.test(`what we do may be demanded; privacy of proxies too: ${JSON.stringify(headers)}`, async (t) => {
    const { stage, dial } = await open(t);
    await stage.answerAsMeta({ media: 'none', behaviour: 'noring' });
    t.equal((await dial(headers)).status, 200);
  });
}

t.test('in a dialog, and outside any: re-INVITE, UPDATE, REFER, INFO, OPTIONS; a pick-up', async (t) => {
  const { stage, pbx, invites } = await open(t);
  const caller = stage.user();
  t.equal(await caller.place(), 200);
  for (const method of ['INVITE', 'UPDATE', 'REFER', 'INFO', 'OPTIONS']) {
    const response = await pbx.ask(invites[0]!, method, { headers: [['Require', 'multiple-refer'], ['Refer-To', `<sip:6002@127.0.0.1:${pbx.port}>`]], body: method === 'REFER' ? '' : sdp() });
    t.same([response.status, response.get('unsupported')], [420, 'multiple-refer'], method);
  }
  t.notOk(caller.ended);
  await caller.hangUp();
  const { udp } = stage.running;
  t.match(await pbx.outside(udp, 'OPTIONS', `sip:127.0.0.1:${udp.port}`, { headers: [['Require', 'tdialog']] }), { status: 420 });
  t.match(await pbx.call(udp, `sip:x@127.0.0.1:${udp.port}`, { headers: [['Require', 'tdialog'], ['Replaces', 'a;to-tag=b;from-tag=c']] }, '<sip:6005@pbx.example>'), { status: 420 });
});

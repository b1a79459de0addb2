import t from 'tap';
import type { Extra, RawPeer } from '../../helpers/rawPeer.js';
import { sdp } from '../../helpers/rawPeer.js';
import { pause } from '../harness.js';
import { openPolicyStage } from './stage.js';

type Invite = Parameters<Parameters<RawPeer['script']>[0]>[0];

/** What the PBX says while it rings, and when it answers; null: rings only. */
interface Row { readonly what: string; readonly ringing?: readonly [status: number, extra: Extra]; readonly answer?: Extra; readonly sign: string; readonly enforced: boolean }

const isupPart = `--b\r\nContent-Type: application/sdp\r\n\r\n${sdp()}\r\n--b\r\nContent-Type: application/ISUP;version=itu-t92+\r\n\r\nx\r\n--b--\r\n`;

const rows: readonly Row[] = [
  { what: 'History-Info to a number in a 180', ringing: [180, { headers: [['History-Info', '<sip:6001@pbx.example>;index=1, <sip:+12025550123@pbx.example>;index=1.1']] }], sign: 'divertedToNumber', enforced: true },
  { what: 'Diversion to tel: in a 183', ringing: [183, { headers: [['Diversion', '<tel:+12025550123>;reason=unconditional']] }], sign: 'divertedToNumber', enforced: true },
  { what: 'ISUP in a 183', ringing: [183, { body: 'x', type: 'application/ISUP' }], sign: 'isupBody', enforced: true },
  { what: "early media from a carrier's address", ringing: [183, { body: sdp('127.0.0.3') }], sign: 'carrierMedia', enforced: true },
  { what: 'Contact at a carrier in a 180', ringing: [180, { contact: '<sip:x@carrier.example>' }], sign: 'contactAtGateway', enforced: true },
  { what: 'Contact at a gateway in a 200', answer: { contact: 'gateway' }, sign: 'contactAtGateway', enforced: true },
  { what: 'History-Info to a number in a 200', answer: { headers: [['History-Info', '<sip:002025550123@pbx.example>;index=1']] }, sign: 'divertedToNumber', enforced: true },
  { what: "media from a carrier's address in a 200", answer: { body: sdp('127.0.0.3') }, sign: 'carrierMedia', enforced: true },
  { what: 'ISUP beside the answer', answer: { body: isupPart, type: 'multipart/mixed;boundary=b' }, sign: 'isupBody', enforced: true },
  { what: '181', ringing: [181, {}], answer: {}, sign: 'forwarded181', enforced: false },
  { what: 'Q.850 in a 183', ringing: [183, { headers: [['Reason', 'Q.850;cause=127']] }], answer: {}, sign: 'q850Provisional', enforced: false },
];

t.test('signs that the PBX went out to the telephone network: sure ones end the call, weak ones are written down', async (t) => {
  const { stage, pbx, gateway, audit } = await openPolicyStage(t);
  for (const [index, { what, ringing, answer, sign, enforced }] of rows.entries()) {
    // ACK and BYE go to the Contact (RFC 3261 §12.2.1.1), or to where the 200 came from when the SIP server takes it for one behind NAT.
    const reasons = (): (string | undefined)[] => (answer?.contact === 'gateway' && gateway.reasons.length > 0 ? gateway.reasons : pbx.reasons);
    const contact = answer?.contact === 'gateway' ? { contact: `<sip:x@${gateway.address}>` } : {};
    const heard = (): number => pbx.reasons.length + gateway.reasons.length;
    const before = heard();
    pbx.script((invite, peer) => {
      if (ringing !== undefined) peer.answer(invite, ringing[0], ringing[1]);
      // A 200 directly behind shows that what came before it is judged first.
      if (answer !== undefined) setTimeout(() => peer.answer(invite, 200, { body: sdp(), ...answer, ...contact }), 50);
    });
    const report = await stage.call({ expect: [] }, 100);
    t.equal(report.status, enforced ? 603 : 200, what);
    const deadline = Date.now() + 5000;
    while (heard() === before && Date.now() < deadline) await pause(10);
    if (enforced) t.match(reasons().at(-1), /^SIP;cause=603;text="peer pbx: /, 'the PBX is told why');
    const cdr = (await stage.running.records(index + 1))[index]!;
    t.match(cdr.termination, enforced ? { by: 'policy', reason: `leak.${sign}`, rule: `leak.${sign}`, status: 603 } : { by: 'user', reason: 'hangup' }, what);
    const line = (await audit()).filter(({ kind }) => kind === 'peerMessage')[index]!;
    t.match(line, { allow: false, code: `leak.${sign}`, enforced }, what);
  }
});

t.test('in the middle of a call: a re-INVITE, an UPDATE and an INFO give it away, and both sides get BYE', async (t) => {
  const { stage, pbx } = await openPolicyStage(t);
  const asks: readonly (readonly [method: string, extra: Extra, sign: string])[] = [
    ['INVITE', { body: sdp('127.0.0.3') }, 'carrierMedia'], ['INVITE', { body: sdp(), contact: '<sip:x@127.0.0.4:5099>' }, 'contactAtGateway'], ['UPDATE', { body: sdp('127.0.0.3') }, 'carrierMedia'],
    ['INFO', { body: 'x', type: 'application/isup' }, 'isupBody'], ['INVITE', { body: sdp(), headers: [['Diversion', '<tel:+12025550123>']] }, 'divertedToNumber'],
  ];
  for (const [index, [method, extra, sign]] of asks.entries()) {
    let invite: Invite | undefined;
    pbx.script((received, peer) => {
      invite = received;
      peer.answer(received, 200, { body: sdp() });
    });
    const user = stage.user({ expect: [] });
    const ended = new Promise((resolve) => user.once('ended', resolve));
    t.equal(await user.place(), 200);
    const deadline = Date.now() + 5000;
    // The user has our 200; the call is up for us when we have the ACK.
    while (stage.running.service.table.all()[0]?.state !== 'answered' && Date.now() < deadline) await pause(5);
    const bye = pbx.next('BYE', (message) => message.method === 'BYE');
    await pbx.ask(invite!, method, extra);
    t.equal(await ended, 'business', `${method}: ${sign}`);
    t.match((await bye).get('reason'), 'SIP;cause=603');
    t.match(user.report().byeReason, /cause=603/);
    const cdr = (await stage.running.records(index + 1))[index]!;
    t.match(cdr.termination, { by: 'policy', reason: `leak.${sign}` });
    t.ok(cdr.durationMs !== null);
  }
});

t.test('a sign is enforced or reported as policy.leaks says', async (t) => {
  const { stage, pbx, audit } = await openPolicyStage(t, { policy: { leaks: { forwarded181: 'enforce', divertedToNumber: 'report' } } });
  pbx.script((invite, peer) => peer.answer(invite, 181));
  t.equal((await stage.call({ expect: [] })).status, 603);
  pbx.script((invite, peer) => {
    for (let times = 0; times < 3; times++) peer.answer(invite, 180, { headers: [['Diversion', '<tel:+12025550123>']] });
    peer.answer(invite, 200, { body: sdp() });
  });
  t.equal((await stage.call({ expect: [] }, 100)).status, 200);
  await stage.running.records(2);
  t.same((await audit()).filter(({ kind }) => kind === 'peerMessage').map(({ code, enforced }) => [code, enforced]), [['leak.forwarded181', true], ['leak.divertedToNumber', false]], 'once a call, however often it is said');
});

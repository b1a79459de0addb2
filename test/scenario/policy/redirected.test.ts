import t from 'tap';
import { sdp } from '../../helpers/rawPeer.js';
import { number } from '../../helpers/service.js';
import { pause } from '../harness.js';
import { openPolicyStage } from './stage.js';

t.test('a PBX redirects to every kind of forbidden target: none of them sees a packet', async (t) => {
  const { stage, pbx, desk, next, gateway, carrier, stranger, forbidden, audit } = await openPolicyStage(t);
  const meta = await stage.answerAsMeta();
  const rows: readonly (readonly [contact: string, code: string])[] = [
    ['<tel:+12025550123>', 'target.tel'], [`<sip:7001@${desk.address};user=phone>`, 'target.userPhone'], [`<sip:7001;phone-context=+1@${desk.address}>`, 'target.phoneParams'], [`<sip:7001%3Bisub=1@${desk.address}>`, 'target.phoneParams'],
    [`<sip:7001;postd=pp1@${desk.address}>`, 'target.phoneParams'], [`<sip:7001;x=y@${desk.address}>`, 'target.userParams'], ['<sip:x@447700900101.e164.arpa>', 'target.enum'], [`<sip:7001@${carrier.address}>`, 'target.carrier'],
    [`<sip:${number}@wa.meta.vc;transport=tls>`, 'target.whatsapp'], ['<sip:+447700900102@sbc.example.net>', 'target.whatsapp'], [`<sip:7001@${gateway.address}>`, 'target.gateway'], [`<sip:7001@${desk.address};maddr=127.0.0.3>`, 'target.maddr'],
    [`<sip:7001@${desk.address};method=MESSAGE>`, 'target.method'], [`<sip:7001@${desk.address}?Route=%3Csip:${carrier.address.replace(':', '%3A')}%3E>`, 'target.headers'], [`<sip:7001@${stranger.address}>`, 'target.foreign'], [`<sips:7001@${desk.address}>`, 'target.sips'],
    [`<sip:+12025550123@${desk.address}>`, 'target.number'], [`<sip:%2B1202-555-0123@${desk.address}>`, 'target.number'], [`<sip:112@${desk.address}>`, 'target.number'], [`<sip:0044%372025550123@${desk.address}>`, 'target.number'],
    [`<sip:7001,,5550123@${desk.address}>`, 'target.number'], [`<sip:boss@${desk.address}>`, 'target.user'], [`<sip:${desk.address}>`, 'target.user'], [`<sip:6001@${next.address}>`, 'transfer.right'], ['<mailto:x@example.com>', 'target.malformed'], ['<sip:7001%0d%0a@x>', 'target.malformed'],
  ];
  for (const [index, [contact, code]] of rows.entries()) {
    pbx.script((invite, peer) => peer.answer(invite, 302, { contact }));
    const report = await stage.call({ expect: [] });
    t.not(report.status, 200, contact);
    const cdr = (await stage.running.records(index + 1))[index]!;
    t.match(cdr.termination, { by: 'policy', reason: code, rule: code }, contact);
  }
  await pause(300);
  for (const place of [...forbidden, desk]) t.same(place.heard, [], 'silence');
  t.same([...meta.attempts, ...meta.reports], [], 'nothing came to Meta');
  const lines = (await audit()).filter(({ allow }) => !allow);
  t.same(lines.map(({ code }) => code), rows.map(([, code]) => code), 'each has its line in the audit log');
  t.ok(lines.every(({ facts }) => facts.origin === 'redirect' && facts.by === 'pbx'));
  t.notMatch(JSON.stringify(lines), /2025550123|7700900102/, 'masked');
});

t.test('a chain of redirections is followed as far as every step is allowed', async (t) => {
  const { stage, pbx, desk, forbidden } = await openPolicyStage(t);
  pbx.script((invite, peer) => peer.answer(invite, 302, { contact: `<tel:112>, <sip:7001:pw@${desk.address};lr;transport=udp>` }));
  desk.script((invite, peer) => peer.answer(invite, 200, { body: sdp() }));
  t.equal((await stage.call({ expect: [] }, 100)).status, 200, 'the second Contact is good');
  const [good] = await stage.running.records(1);
  t.match(good, { peer: 'desk', target: '7001', rule: 'peers.desk.users[0]' });
  t.match(desk.heard[0]!, `INVITE sip:7001@${desk.address};transport=udp SIP/2.0`, "the desk's own URI, not what was received");

  // Back to the PBX: the desk has no right to that, though the route has.
  desk.script((invite, peer) => peer.answer(invite, 302, { contact: `<sip:6001@${pbx.address}>` }));
  t.not((await stage.call({ expect: [] })).status, 200);
  const [, bad] = await stage.running.records(2);
  t.match(bad!.termination, { by: 'policy', reason: 'transfer.right' });
  t.equal(pbx.heard.filter((line) => line.startsWith('INVITE')).length, 2);
  await pause(200);
  for (const place of forbidden) t.equal(place.packets, 0);
});

t.test('a PBX that transfers an answered call to every kind of forbidden target: nothing arrives there', async (t) => {
  const { stage, pbx, desk, next, gateway, carrier, stranger, forbidden } = await openPolicyStage(t);
  let invite: Parameters<Parameters<typeof pbx.script>[0]>[0] | undefined;
  pbx.script((received, peer) => {
    invite = received;
    peer.answer(received, 200, { body: sdp() });
  });
  const user = stage.user({ expect: [] });
  t.equal(await user.place(), 200);
  const targets = [
    'tel:+12025550123', 'tel:112', `sip:7001@${desk.address};user=phone`, `sip:7001;phone-context=+1@${desk.address}`, `sip:7001@${carrier.address}`, 'sip:+447700900102@wa.meta.vc;transport=tls', `sip:7001@${gateway.address}`,
    `sip:7001@${desk.address};maddr=127.0.0.3`, `sip:7001@${stranger.address}`, `sip:+12025550123@${desk.address}`, `sip:boss@${desk.address}`, `sip:6001@${next.address}`, `sip:7001@${stranger.address}?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2`,
    `sip:+12025550123@${pbx.address}`,
  ];
  for (const target of targets) {
    const response = await pbx.ask(invite!, 'REFER', { headers: [['Refer-To', `<${target}>`]] });
    t.ok(response.status >= 400, `${target}: ${response.status}`);
  }
  await pause(300);
  for (const place of [...forbidden, desk]) t.same(place.heard, [], 'silence');
  t.equal(pbx.heard.filter((line) => line.startsWith('INVITE')).length, 1, 'nor is the PBX called again');
  t.equal(user.report().endedBy, 'nobody', 'and the call goes on');
  await user.hangUp();
});

// Answers that cannot be used end a leg with a reason, in an ACK they end nothing; media goes nowhere but to the peer.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t from 'tap';
import type { SipMessage } from '../../../lib/sipserver/parser/index.js';
import { RawPeer, sdp } from '../../helpers/rawPeer.js';
import { number } from '../../helpers/service.js';
import { openStage, pause } from '../harness.js';
import { hears, recordOf, tonesOf, until } from '../pbx/steps.js';

const KEY = 'WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz';
const secured = (lines: readonly string[], protocol = 'RTP/SAVP'): string =>
  sdp().replace('RTP/AVP', protocol).replace('a=sendrecv\r\n', `a=sendrecv\r\n${lines.map((line) => `a=crypto:${line}\r\n`).join('')}`);

t.test('A10: an SDES answer that answers none of our lines: that leg ends, the next target has the call', async (t) => {
  const bad = await RawPeer.open();
  t.teardown(() => bad.close());
  const stage = await openStage({
    peers: { pbx: { answer: 'tone', tones: tonesOf.pbx } }, external: { bad: { port: bad.port, srtp: 'sdes', sources: ['127.0.0.7/32'] } },
    overlay: { routes: [{ name: 'main', number, to: [{ peer: 'bad', user: '6001' }, { peer: 'pbx', user: '6001' }] }] },
  });
  t.teardown(() => stage.close());
  for (const line of [`7 AES_CM_128_HMAC_SHA1_80 inline:${KEY}`, `1 AES_CM_128_HMAC_SHA1_32 inline:${KEY}`, `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} UNENCRYPTED_SRTP`]) {
    bad.script((invite, peer) => peer.answer(invite, 200, { body: secured([line]) }));
    const user = stage.user({ expect: tonesOf.pbx });
    t.equal(await user.place(), 200);
    await hears(user, 'tone');
    await until(() => bad.reasons.length > 0, 'BYE');
    t.match(bad.reasons.pop(), /SIP;cause=488;text=".*a=crypto/, line);
    await user.hangUp();
    t.match(await recordOf(stage, user), { peer: 'pbx' });
  }
});

t.test('A12: the ACK of an offerless re-INVITE answers plain RTP in a secure call, or nothing, or what nobody can use: what stands goes on', async (t) => {
  const stage = await openStage({ peers: { pbx: { srtp: 'sdes', answer: 'tone', tones: tonesOf.pbx, expect: tonesOf.user, config: { srtp: 'sdes', mayCall: [number] } } } });
  t.teardown(() => stage.close());
  const user = stage.user({ expect: tonesOf.pbx, tones: tonesOf.user });
  t.equal(await user.place(), 200);
  const call = stage.peers.pbx!.lastCall!;
  await hears(user, 'tone');
  const answers: ((offer: string) => string)[] = [
    (offer) => offer.replace('RTP/SAVP', 'RTP/AVP').replace(/a=crypto.*\r\n/g, ''), () => '', (offer) => offer.replace(/a=crypto:\d+/g, 'a=crypto:77'), (offer) => offer.replace(/(m=audio \d+ \S+) .*/, '$1 18'),
  ];
  for (const answer of answers) {
    t.equal(await call.reinviteOfferless('tone', answer), 200);
    await pause(200);
    await Promise.all([hears(user, 'tone'), hears(call, 'tone')]);
  }
  t.equal(await call.hold('inactive'), 200, 'and can be changed again');
  t.equal(await call.resume('tone'), 200);
  await Promise.all([hears(user, 'tone'), hears(call, 'tone')]);
  await user.hangUp();
  t.match(await recordOf(stage, user), { termination: { by: 'user', reason: 'hangup' } });
});

t.test('B7, B8: a refusal says what was offered, with a Warning', async (t) => {
  const phone = await RawPeer.open();
  t.teardown(() => phone.close());
  const stage = await openStage({ external: { pbx: { port: phone.port, srtp: 'sdes', mayCall: [number] } } });
  t.teardown(() => stage.close());
  const to = { host: '127.0.0.1', port: stage.running.udp.port };
  const call = (body: string): Promise<SipMessage> => phone.call(to, `sip:+447700900101@127.0.0.1:${to.port}`, { body }, `<sip:${number}@pbx.example>`);
  for (const [body, warning] of [
    [secured([`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}`], 'RTP/AVP'), /^304 .*RTP\/AVP with a=crypto/], [sdp(), /^304 .*plain RTP/], [secured([`1 NULL_HMAC_SHA1_80 inline:${KEY}`]), /^305 .*NULL_HMAC/],
    [secured([`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}`]).replace(/RTP\/SAVP 0 101/, 'RTP/SAVP 18'), /^305 .*codecs/],
  ] as const) {
    const response = await call(body);
    t.equal(response.status, 488);
    t.match(response.get('warning'), warning);
  }
});

t.test('L1, N9: a description that points elsewhere is refused with 488, in a 200 the next target has the call, and not a packet is sent there', async (t) => {
  const [bad, phone] = [await RawPeer.open(), await RawPeer.open()];
  t.teardown(() => { bad.close(); phone.close(); });
  const victim = createSocket('udp4');
  let packets = 0;
  victim.on('message', () => { packets += 1; });
  victim.bind(0, '127.0.0.8');
  await once(victim, 'listening');
  t.teardown(() => victim.close());
  const stage = await openStage({
    peers: { pbx: { answer: 'tone', tones: tonesOf.pbx } },
    external: { bad: { port: bad.port, media: ['127.0.0.0/29', '224.0.0.0/4'], sources: ['127.0.0.7/32'] }, phone: { port: phone.port, mayCall: [number], media: ['127.0.0.1'] } },
    overlay: { peers: { pbx: { sources: ['127.0.0.6/32'] }, phone: { sources: ['127.0.0.1/32'] } }, routes: [{ name: 'main', number, to: [{ peer: 'bad', user: '6001' }, { peer: 'pbx', user: '6001' }] }] },
  });
  t.teardown(() => stage.close());
  // Our own media ports: a unit test, as on loopback any free port may be the far end's.
  const places = [
    ['127.0.0.8', victim.address().port, 399], ['224.0.0.1', 4000, 330], ['255.255.255.255', 4000, 399], ['127.0.0.1', stage.running.udp.port, 399], ['127.0.0.1', 53, 399],
  ] as const;
  const at = (address: string, port: number | undefined): string => sdp(address).replace('m=audio 9 ', `m=audio ${port} `);
  for (const [address, port, warning] of places) {
    bad.script((invite, peer) => peer.answer(invite, 200, { body: at(address, port) }));
    const user = stage.user({ expect: tonesOf.pbx });
    t.equal(await user.place(), 200, `${address}:${port}`);
    await hears(user, 'tone', 3);
    await until(() => bad.reasons.length > 0, 'BYE');
    t.match(bad.reasons.pop(), /SIP;cause=488/);
    await user.hangUp();
    const to = { host: '127.0.0.1', port: stage.running.udp.port };
    const response = await phone.call(to, `sip:+447700900101@127.0.0.1:${to.port}`, { body: at(address, port) }, `<sip:${number}@pbx.example>`);
    t.equal(response.status, 488);
    t.match(response.get('warning'), new RegExp(`^${warning} `));
  }
  t.equal(packets, 0);
});

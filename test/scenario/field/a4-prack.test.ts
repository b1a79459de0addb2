// PRACK goes to the early dialog whose reliable response it acknowledges: its Contact, along its Record-Route (RFC 3262 §4, RFC 3261 §12.2.1.1).
import t, { type Test } from 'tap';
import type { SipMessage } from '../../../lib/sipserver/parser/index.js';
import { tagOf } from '../../../lib/sipserver/parser/index.js';
import { engines } from '../../helpers/engines.js';
import { RawPeer, sdp } from '../../helpers/rawPeer.js';
import { openStage, pause, type Stage } from '../harness.js';
import { until } from '../pbx/steps.js';
import { Peer, reply, start } from '../sipserver/harness.js';
import { auth, challengeOf, proofsIn } from './challenge.js';

interface Element { readonly peer: RawPeer; readonly requests: SipMessage[] }

async function element(t: Test): Promise<Element> {
  const peer = await RawPeer.open();
  t.teardown(() => peer.close());
  const requests: SipMessage[] = [];
  peer.meets((request) => {
    requests.push(request);
    return false;
  });
  return { peer, requests };
}

async function open(t: Test): Promise<{ stage: Stage; pbx: Element; phone: Element; proxy: Element; reliable: (rseq: number) => readonly [string, string][] }> {
  const [pbx, phone, proxy] = [await element(t), await element(t), await element(t)];
  const stage = await openStage({ external: { pbx: { port: pbx.peer.port, auth } }, overlay: { meta: { mediaTimeout: 0 } } });
  t.teardown(() => stage.close());
  return { stage, pbx, phone, proxy, reliable: (rseq) => [['Require', '100rel'], ['RSeq', String(rseq)]] };
}

t.test('a 180 with a Contact and a Record-Route of its own', async (t) => {
  const { stage, pbx, phone, proxy, reliable } = await open(t);
  const contact = `<sip:x7f3@127.0.0.1:${phone.peer.port}>`;
  const route = `<sip:127.0.0.1:${proxy.peer.port};lr>`;
  let invite: SipMessage | undefined;
  pbx.peer.script((request, peer) => {
    invite = request;
    // RFC 3261 §12.1.1: an unreliable one before it, of a phone that copies no Record-Route there.
    peer.answer(request, 180, { contact: `<sip:first@127.0.0.1:${pbx.peer.port}>` });
    setTimeout(() => peer.answer(request, 180, { contact, headers: [...reliable(1), ['Record-Route', route]] }), 50);
  });
  const user = stage.user();
  const placed = user.place();
  await until(() => proxy.requests.length > 0, 'PRACK at the proxy');
  const [prack] = proxy.requests;
  t.equal(prack!.startLine(), `PRACK sip:x7f3@127.0.0.1:${phone.peer.port} SIP/2.0`);
  t.equal(prack!.get('route'), route);
  t.equal(prack!.get('rack'), `1 ${invite!.get('cseq')}`);
  t.equal(tagOf(prack!.get('to') ?? ''), `raw-${pbx.peer.port}`);
  pbx.peer.answer(invite!, 200, { contact, headers: [['Record-Route', route]], body: sdp() });
  t.equal(await placed, 200);
  await pause(100);
  t.same([pbx.requests, phone.requests].map((requests) => requests.filter(({ method }) => method === 'PRACK').length), [0, 0]);
  await user.hangUp();
});

// Forks are one dialog to drachtio-server: a second reliable response takes the place of the first.
t.test('several forks, all with RSeq 1: each is acknowledged where it is', { skip: engines.sip === 'embedded' ? false : 'drachtio-server keeps one early dialog of an INVITE' }, async (t) => {
  const { stage, pbx, phone, proxy, reliable } = await open(t);
  const places = { a: pbx, b: phone, c: proxy };
  let invite: SipMessage | undefined;
  pbx.peer.script((request, peer) => {
    invite = request;
    peer.answer(request, 180, { tag: 'c', contact: `<sip:c@127.0.0.1:${places.c.peer.port}>` });
    for (const [tag, { peer: there }] of Object.entries(places)) peer.answer(request, 183, { tag, contact: `<sip:${tag}@127.0.0.1:${there.port}>`, headers: reliable(1) });
    setTimeout(() => peer.answer(request, 180, { tag: 'b', contact: `<sip:b2@127.0.0.1:${phone.peer.port}>`, headers: reliable(2) }), 100);
  });
  const user = stage.user();
  const placed = user.place();
  await until(() => phone.requests.length > 1, 'the second PRACK of fork b');
  for (const [tag, { requests }] of Object.entries(places)) {
    t.equal(requests[0]!.startLine(), `PRACK sip:${tag}@127.0.0.1:${places[tag as 'a'].peer.port} SIP/2.0`);
    t.same(requests.map((request) => tagOf(request.get('to') ?? '')), requests.map(() => tag));
  }
  t.match(phone.requests[1]!.startLine(), 'PRACK sip:b2@');
  t.equal(phone.requests[1]!.get('rack'), `2 ${invite!.get('cseq')}`);
  pbx.peer.answer(invite!, 200, { tag: 'b', contact: `<sip:b@127.0.0.1:${phone.peer.port}>`, body: sdp() });
  t.equal(await placed, 200);
  await user.hangUp();
  await until(() => phone.requests.some(({ method }) => method === 'BYE'), 'BYE at the fork that answered');
});

t.test('a PRACK is challenged (A5)', async (t) => {
  const { stage, pbx, reliable } = await open(t);
  const pracks: SipMessage[] = [];
  let invite: SipMessage | undefined;
  pbx.peer.script((request, peer) => {
    invite = request;
    peer.answer(request, 183, { headers: reliable(7), body: sdp() });
  });
  pbx.peer.meets((request, peer) => {
    if (request.method !== 'PRACK') return false;
    pracks.push(request);
    if (proofsIn(request, 407).length > 0) return false;
    peer.answer(request, 407, { headers: [challengeOf({ status: 407, algorithm: 'SHA-256' })] });
    return true;
  });
  const user = stage.user();
  const placed = user.place();
  await until(() => pracks.length === 2, 'the second PRACK');
  t.equal(proofsIn(pracks[1]!, 407).length, 1);
  t.equal(pracks[1]!.get('rack'), pracks[0]!.get('rack'));
  pbx.peer.answer(invite!, 200, { body: '' });
  t.equal(await placed, 200);
  await user.hangUp();
});

t.test('the SIP server alone, for a client that names no fork in its PRACK: the oldest response of that number', async (t) => {
  const { srf } = await start(t);
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const port = peer.port('udp');
  const calling = srf.createUAC(`sip:bob@127.0.0.1:${port}`, { localSdp: 'v=0\r\n', headers: { Supported: '100rel' } });
  const invite = await peer.next('INVITE');
  reply(invite, 180, 'b', { Contact: `<sip:b@127.0.0.1:${port}>` });
  for (const tag of ['a', 'b']) reply(invite, 183, tag, { Contact: `<sip:${tag}@127.0.0.1:${port}>`, Require: '100rel', RSeq: '5' });
  for (const tag of ['a', 'b']) {
    const prack = await peer.next('PRACK');
    t.match(prack.message, { uri: `sip:${tag}@127.0.0.1:${port}` });
    t.equal(tagOf(prack.message.get('to') ?? ''), tag);
    reply(prack, 200, undefined);
  }
  reply(invite, 486, 'a');
  await calling.catch(() => undefined);
});

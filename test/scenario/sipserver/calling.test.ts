import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { parseCSeq, SipMessage } from '../../../lib/sipserver/parser/index.js';
import { once, Peer, reply, start } from './harness.js';
import type { SrfMessage, SrfRequest } from './harness.js';

const SDP = 'v=0\r\n';
const CONTACT = (port: number): Record<string, string> => ({ Contact: `<sip:bob@127.0.0.1:${port}>` });

t.test('an INVITE carries what the application gave, and what it left out', async (t) => {
  const { srf, port } = await start(t);
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const uri = `sip:bob@127.0.0.1:${peer.port('udp')};transport=udp`;
  const provisional: number[] = [];
  const calling = srf.createUAC(uri, {
    localSdp: SDP,
    headers: {
      From: '<sip:alice@localhost>;tag=mine', Contact: '<sip:alice@localhost>', 'Call-ID': 'chosen@here', CSeq: '7 INVITE', 'X-Name': 'Zoë',
      Via: 'SIP/2.0/UDP evil', 'Record-Route': '<sip:evil;lr>', 'Max-Forwards': '20',
    },
  }, { cbProvisional: (res) => { provisional.push(res.status); } });
  const invite = await peer.next('INVITE');
  const m = invite.message;
  const us = `127.0.0.1:${port('udp')}`;
  t.equal(m.get('from'), `<sip:alice@${us}>;tag=mine`);
  t.equal(m.get('contact'), `<sip:alice@${us}>`);
  t.equal(m.get('call-id'), 'chosen@here');
  t.equal(m.get('cseq'), '7 INVITE');
  t.equal(m.get('to'), '<sip:bob@127.0.0.1>');
  t.equal(m.get('max-forwards'), '20');
  t.equal(m.get('x-name'), Buffer.from('Zoë').toString('latin1'), 'the same bytes');
  t.equal(m.get('content-type'), 'application/sdp');
  t.equal(m.count('via'), 1);
  t.match(m.get('via'), new RegExp(`^SIP/2.0/UDP ${us};rport=?.*;branch=z9hG4bK`));
  t.notOk(m.has('record-route'));
  reply(invite, 100, undefined);
  reply(invite, 180, 'early');
  reply(invite, 200, 'bob', CONTACT(peer.port('udp')), SDP);
  const dialog = await calling;
  t.same(provisional, [180], '100 is not passed on');
  t.equal(dialog.id, 'chosen@here;from-tag=mine');
  const ack = (await peer.next('ACK')).message;
  t.equal(ack.get('cseq'), '7 ACK');
  t.not(ack.get('via'), m.get('via'), 'an ACK of a 2xx has a branch of its own');
  reply(invite, 200, 'bob', CONTACT(peer.port('udp')), SDP);
  t.equal((await peer.next('ACK')).message.get('via'), ack.get('via'), 'a repeated 2xx gets the same ACK again');
  const bye = dialog.destroy();
  const end = await peer.next('BYE');
  t.equal(parseCSeq(end.message.get('cseq') ?? '')?.seq, 8);
  reply(end, 200, undefined);
  await bye;
});

t.test('a challenged INVITE is acknowledged, and sent again with the same identity', async (t) => {
  const { srf } = await start(t);
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const uri = `sip:bob@127.0.0.1:${peer.port('udp')}`;
  const first = srf.createUAC(uri, { localSdp: SDP, headers: { From: '<sip:a@b>', 'Call-ID': 'same' } }).catch((e: { status: number; res: SrfMessage }) => e.res);
  const one = await peer.next('INVITE');
  reply(one, 407, 'challenge', { 'Proxy-Authenticate': 'Digest realm="r", nonce="n"' });
  const ack = (await peer.next('ACK')).message;
  t.equal(ack.get('via'), one.message.get('via'), 'the ACK of a refusal goes the way of the INVITE');
  t.match(ack.get('to'), ';tag=challenge');
  const refused = await first as SrfMessage;
  t.equal(refused.get('proxy-authenticate'), 'Digest realm="r", nonce="n"');
  const from = one.message.get('from') ?? '';
  const seq = parseCSeq(one.message.get('cseq') ?? '')?.seq ?? 0;
  const calling = srf.createUAC(uri, {
    localSdp: SDP, headers: { From: from, 'Call-ID': 'same', CSeq: `${seq + 1} INVITE`, 'Proxy-Authorization': 'Digest username="u"' },
  });
  const two = await peer.next('INVITE');
  t.equal(two.message.get('from'), from);
  t.equal(two.message.get('call-id'), 'same');
  t.equal(two.message.get('cseq'), `${seq + 1} INVITE`);
  t.notOk(two.message.get('to')?.includes('tag'));
  reply(two, 200, 'bob', CONTACT(peer.port('udp')), SDP);
  await calling;
  t.equal((await peer.next('ACK')).message.get('proxy-authorization'), 'Digest username="u"', 'the ACK repeats the credentials');
});

t.test('CANCEL waits for a provisional response; an INVITE that is answered all the same is ended by a BYE', async (t) => {
  const { srf, server } = await start(t);
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const uri = `sip:bob@127.0.0.1:${peer.port('udp')}`;
  for (const answeredAnyway of [false, true]) {
    let sent: (req: SrfRequest) => void = () => { /* set below */ };
    const requested = new Promise<SrfRequest>((resolve) => { sent = resolve; });
    const outcome = srf.createUAC(uri, { localSdp: SDP }, { cbRequest: (_e, req) => { sent(req); } }).then((d) => d, (e: unknown) => e);
    const invite = await peer.next('INVITE');
    await new Promise<void>((resolve) => { void requested.then((req) => { req.cancel({ headers: { Reason: 'SIP;cause=600' } }, () => { resolve(); }); }); });
    await peer.next('INVITE');
    t.notOk(peer.seen.some((r) => r.message.method === 'CANCEL'), 'not before a provisional response');
    reply(invite, 180, 'ringing');
    const cancel = await peer.next('CANCEL');
    t.equal(cancel.message.get('via'), invite.message.get('via'));
    t.equal(cancel.message.get('reason'), 'SIP;cause=600');
    t.equal(cancel.message.get('cseq'), invite.message.get('cseq')?.replace('INVITE', 'CANCEL'));
    reply(cancel, 200, 'ringing');
    if (!answeredAnyway) {
      reply(invite, 487, 'ringing');
      await peer.next('ACK');
      t.match(await outcome, { status: 487 });
    } else {
      reply(invite, 200, 'ringing', CONTACT(peer.port('udp')), SDP);
      await peer.next('ACK', true);
      const bye = await peer.next('BYE');
      t.match(bye.message.get('reason'), 'cancel race');
      reply(bye, 200, undefined);
      await outcome;
    }
  }
  t.equal(server.stats().dialogs, 0);
});

t.test('forks: the first answer wins, another is acknowledged and ended', async (t) => {
  const { srf } = await start(t);
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const calling = srf.createUAC(`sip:bob@127.0.0.1:${peer.port('udp')}`, { localSdp: SDP });
  const invite = await peer.next('INVITE');
  for (const tag of ['one', 'two', 'three']) reply(invite, 180, tag);
  reply(invite, 200, 'two', CONTACT(peer.port('udp')), SDP);
  const dialog = await calling;
  t.equal(dialog.sip.remoteTag, 'two');
  t.match((await peer.next('ACK')).message.get('to'), ';tag=two');
  reply(invite, 200, 'one', CONTACT(peer.port('udp')), SDP);
  t.match((await peer.next('ACK')).message.get('to'), ';tag=one');
  const bye = await peer.next('BYE');
  t.match(bye.message.get('to'), ';tag=one');
  reply(bye, 200, undefined);
  const ended = dialog.destroy();
  reply(await peer.next('BYE'), 200, undefined);
  await ended;
});

t.test('the route set comes from the 2xx, reversed; a strict router takes the Request-URI', async (t) => {
  const { srf } = await start(t);
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const near = await Peer.on(t, ['udp:127.0.0.1:0']);
  for (const lr of [';lr', '']) {
    const calling = srf.createUAC(`sip:bob@127.0.0.1:${peer.port('udp')}`, { localSdp: SDP });
    const invite = await peer.next('INVITE');
    const first = `<sip:127.0.0.1:${near.port('udp')}${lr}>`;
    reply(invite, 200, 'bob', { ...CONTACT(9), 'Record-Route': `<sip:far.example.net;lr>, ${first}` }, SDP);
    const dialog = await calling;
    const ack = (await near.next('ACK')).message;
    if (lr === ';lr') {
      t.same(ack.list('route'), [first, '<sip:far.example.net;lr>']);
      t.equal(ack.uri, 'sip:bob@127.0.0.1:9');
    } else {
      t.same(ack.list('route'), ['<sip:far.example.net;lr>', '<sip:bob@127.0.0.1:9>']);
      t.equal(ack.uri, first.slice(1, -1));
    }
    const ended = dialog.destroy();
    reply(await near.next('BYE'), 200, undefined);
    await ended;
  }
});

t.test('peers that cannot be reached', async (t) => {
  const { srf, server } = await start(t);
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address() as AddressInfo;
  await new Promise<void>((resolve) => { free.close(() => { resolve(); }); });
  const fails = (uri: string): Promise<unknown> => srf.createUAC(uri, { localSdp: SDP }).catch((e: unknown) => e);
  const started = Date.now();
  t.match(await fails(`sip:bob@127.0.0.1:${port};transport=tcp`), { status: 503, reason: /Transport Error.*ECONNREFUSED/ });
  t.match(await fails('sip:bob@nowhere.invalid;transport=tcp'), { status: 503, reason: /no address/ });
  t.ok(Date.now() - started < 1500, 'at once');
  t.match(await fails('sip:bob@127.0.0.1;transport=sctp'), /requested protocol\/transport not available/);
  t.match(await fails('sip:[::1]:5060;transport=udp'), { status: 503 });
  t.match(await fails(`sip:bob@${server.listening[0]?.slice(4)}`), /can not send request to myself/);
  const silent = await Peer.on(t, ['udp:127.0.0.1:0']);
  t.match(await fails(`sip:bob@127.0.0.1:${silent.port('udp')}`), { status: 408 });
  t.match(server.stats(), { dialogs: 0, requestsOut: 0, clientTransactions: 0 });
});

t.test('a connection that breaks under a call in progress ends the INVITE at once', async (t) => {
  const { srf } = await start(t);
  const peer = await Peer.on(t, ['tcp:127.0.0.1:0']);
  const calling = srf.createUAC(`sip:bob@127.0.0.1:${peer.port('tcp')};transport=tcp`, { localSdp: SDP }).catch((e: unknown) => e);
  const invite = await peer.next('INVITE');
  reply(invite, 180, 'bob');
  invite.flow.close();
  t.match(await calling, { status: 503, reason: /Transport Error/ });
});

t.test('requests outside a dialog, and replies in drachtio\'s words', async (t) => {
  const { srf } = await start(t);
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const send = (method: string, options: object = {}): Promise<SrfRequest> => new Promise((resolve, reject) => {
    srf.request({ uri: `sip:bob@127.0.0.1:${peer.port('udp')}`, method, ...options }, (error, req) => { if (error) reject(error as Error); else resolve(req); });
  });
  for (const method of ['REGISTER', 'MESSAGE', 'OPTIONS', 'PUBLISH', 'INFO']) {
    const req = await send(method, { headers: { 'X-Number': '1' } });
    const answered = once<SrfMessage>(req, 'response');
    const got = await peer.next(method);
    t.equal(got.message.get('x-number'), '1');
    reply(got, 200, 'bob', { 'X-Answer': 'yes' });
    t.equal((await answered).get('x-answer'), 'yes');
  }
  const next = await Peer.on(t, ['udp:127.0.0.1:0']);
  void send('OPTIONS', { proxy: `sip:127.0.0.1:${next.port('udp')};lr` });
  const routed = await next.next('OPTIONS');
  t.equal(routed.message.uri, `sip:bob@127.0.0.1:${peer.port('udp')}`, 'sent to the proxy, addressed to bob');
  reply(routed, 200, 'bob');
  await t.rejects(send('BYE', { stackDialogId: 'unknown' }), { message: 'Server error: unable to find dialog for dialog id provided', code: 'ENODIALOG' });
  await t.rejects(send('CANCEL', { stackTxnId: 'unknown' }), { message: 'unable to cancel unknown transaction id: unknown' });
  await t.rejects(send('MESSAGE', { body: 'hello' }), { message: 'missing content-type' });
  await t.rejects(send('OPTIONS', { uri: 'nonsense:x' }), /invalid request-uri/);
});

t.test('a stray response changes nothing', async (t) => {
  const { srf, port, server } = await start(t);
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const flow = peer.udp(port('udp'));
  const stray = SipMessage.response(200, 'OK').add('Via', 'SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKnever').add('From', '<sip:a@b>;tag=1')
    .add('To', '<sip:c@d>;tag=2').add('Call-ID', 'x').add('CSeq', '1 INVITE');
  flow.send(stray.toString());
  const calling = srf.createUAC(`sip:bob@127.0.0.1:${peer.port('udp')}`, { localSdp: SDP }).catch((e: unknown) => e);
  reply(await peer.next('INVITE'), 486, 'bob');
  t.match(await calling, { status: 486 });
  t.equal(server.stats().strayResponses, 1);
});

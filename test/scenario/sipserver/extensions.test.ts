import t from 'tap';
import { SipMessage, parseCSeq, tagOf } from '../../../lib/sipserver/parser/index.js';
import { follow, once, Peer, reply, request, start } from './harness.js';
import type { SrfDialog, SrfMessage, SrfRequest, SrfResponse } from './harness.js';

const SDP = 'v=0\r\n';

t.test('100rel: our reliable 183 is repeated until its PRACK, and the 200 waits for it', async (t) => {
  const { srf, port } = await start(t);
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const flow = peer.udp(port('udp'));
  const pracked = new Promise<SrfRequest>((resolve) => {
    srf.invite((req, res) => {
      res.send(183, { headers: { Require: '100rel' }, body: SDP }, undefined, resolve);
      void srf.createUAS(req, res, { localSdp: SDP });
    });
  });
  const invite = request('INVITE', `sip:a@127.0.0.1:${port('udp')}`, flow, { Supported: '100rel' }, SDP);
  flow.send(invite.toString());
  const progress = (await peer.next(183)).message;
  await peer.next(183);
  t.notOk(peer.seen.some((r) => r.message.status === 200), 'no 200 before the PRACK');
  const wrong = follow('PRACK', invite, progress, 2).add('RAck', '1 1 INVITE');
  flow.send(wrong.toString());
  await peer.next(481);
  flow.send(follow('PRACK', invite, progress, 3).add('RAck', `${progress.get('rseq')} 1 INVITE`).toString());
  t.match((await pracked).get('rack'), '1 INVITE');
  // The 200 of the INVITE is repeated, since no ACK comes.
  const cseqs = new Set<string | undefined>();
  while (cseqs.size < 2) cseqs.add((await peer.next(200)).message.get('cseq'));
  t.same([...cseqs].sort(), ['1 INVITE', '3 PRACK']);
});

t.test('100rel is refused towards a caller that does not know it', async (t) => {
  const { srf, port } = await start(t);
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const flow = peer.udp(port('udp'));
  const told = new Promise((resolve) => { srf.invite((_req, res) => { res.send(183, { headers: { Require: '100rel' } }, (error) => { resolve(error); res.send(486); }); }); });
  flow.send(request('INVITE', `sip:a@127.0.0.1:${port('udp')}`, flow, {}, SDP).toString());
  t.equal(await told, 'Remote endpoint does not support 100rel');
  await peer.next(486);
});

t.test("100rel: a callee's reliable 180 gets a PRACK; UPDATE before the answer reaches the application", async (t) => {
  const { srf, port } = await start(t);
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const calling = srf.createUAC(`sip:bob@127.0.0.1:${peer.port('udp')}`, { localSdp: SDP, headers: { Supported: '100rel' } });
  const invite = await peer.next('INVITE');
  reply(invite, 180, 'bob', { Require: '100rel', RSeq: '71', Contact: `<sip:bob@127.0.0.1:${peer.port('udp')}>` });
  const prack = await peer.next('PRACK');
  t.equal(prack.message.get('rack'), `71 ${invite.message.get('cseq')}`);
  t.match(prack.message.get('to'), ';tag=bob');
  reply(prack, 200, undefined);
  const flow = peer.udp(port('udp'));
  const update = SipMessage.request('UPDATE', /<([^>]+)>/.exec(invite.message.get('contact') ?? '')?.[1] ?? '');
  update.add('Via', `SIP/2.0/UDP 127.0.0.1:${flow.local.port};branch=z9hG4bKupdate`).add('From', `${invite.message.get('to')};tag=bob`)
    .add('To', invite.message.get('from') ?? '').add('Call-ID', invite.message.get('call-id') ?? '').add('CSeq', '1 UPDATE').add('Contact', '<sip:bob@127.0.0.1:1>');
  flow.send(update.toString());
  t.equal((await peer.next(200)).message.get('cseq'), '1 UPDATE');
  reply(invite, 200, 'bob', { Contact: `<sip:bob@127.0.0.1:${peer.port('udp')}>` }, SDP);
  const dialog = await calling;
  await peer.next('ACK');
  const ended = dialog.destroy();
  const bye = await peer.next('BYE');
  t.ok((parseCSeq(bye.message.get('cseq') ?? '')?.seq ?? 0) > (parseCSeq(prack.message.get('cseq') ?? '')?.seq ?? 0));
  reply(bye, 200, undefined);
  await ended;
});

t.test("100rel: a callee's response that comes again, or ahead of its turn, is not told", async (t) => {
  const { srf } = await start(t);
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const heard: number[] = [];
  const calling = srf.createUAC(`sip:bob@127.0.0.1:${peer.port('udp')}`, { localSdp: SDP, headers: { Supported: '100rel' } }, { cbProvisional: (res) => { heard.push(res.status); } });
  const invite = await peer.next('INVITE');
  const reliable = (status: number, rseq: number): void => {
    reply(invite, status, 'bob', { Require: '100rel', RSeq: String(rseq), Contact: `<sip:bob@127.0.0.1:${peer.port('udp')}>` });
  };
  reliable(180, 7);
  reply(await peer.next('PRACK'), 200, undefined);
  reliable(180, 7);
  reliable(183, 9);
  reliable(181, 8);
  reply(await peer.next('PRACK'), 200, undefined);
  reliable(183, 9);
  const last = await peer.next('PRACK');
  t.equal(last.message.get('rack')?.split(' ')[0], '9');
  reply(last, 200, undefined);
  reply(invite, 200, 'bob', { Contact: `<sip:bob@127.0.0.1:${peer.port('udp')}>` }, SDP);
  await calling;
  t.same(heard, [180, 181, 183]);
});

t.test('one UPDATE at a time, either way (RFC 3311 §5.2)', async (t) => {
  const { srf, port } = await start(t);
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const flow = peer.udp(port('udp'));
  const answered = new Promise<SrfDialog>((resolve, reject) => { srf.invite((req, res) => { srf.createUAS(req, res, { localSdp: SDP }).then(resolve, reject); }); });
  const invite = request('INVITE', `sip:a@127.0.0.1:${port('udp')}`, flow, {}, SDP);
  flow.send(invite.toString());
  const ok = (await peer.next(200)).message;
  flow.send(follow('ACK', invite, ok).toString());
  const dialog = await answered;
  const ours = dialog.request({ method: 'UPDATE' });
  const update = await peer.next('UPDATE');
  flow.send(follow('UPDATE', invite, ok, 2).toString());
  t.equal((await peer.next(491)).message.get('cseq'), '2 UPDATE');
  reply(update, 200, undefined);
  t.equal((await ours).status, 200);
  const asked = once<SrfRequest>(dialog, 'update');
  let release: () => void = () => { /* set by the handler */ };
  dialog.on('update', (_req: SrfRequest, res: SrfResponse) => { release = () => { res.send(200); }; });
  flow.send(follow('UPDATE', invite, ok, 3).toString());
  await asked;
  flow.send(follow('UPDATE', invite, ok, 4).toString());
  const second = (await peer.next(500)).message;
  t.equal(second.get('cseq'), '4 UPDATE');
  t.ok(second.has('retry-after'));
  release();
  t.equal((await peer.next(200)).message.get('cseq'), '3 UPDATE');
});

t.test('SUBSCRIBE and NOTIFY, both ways round, and a NOTIFY that overtakes the 202', async (t) => {
  const { srf, port, server } = await start(t);
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const flow = peer.udp(port('udp'));
  const subscribed = new Promise<SrfDialog>((resolve, reject) => {
    srf.use('subscribe', (req: SrfRequest, res: SrfResponse) => { srf.createUAS(req, res, { headers: { Expires: '60' } }).then(resolve, reject); });
  });
  const subscribe = request('SUBSCRIBE', `sip:a@127.0.0.1:${port('udp')}`, flow, { Event: 'presence', Expires: '60' });
  flow.send(subscribe.toString());
  await peer.next(202);
  const dialog = await subscribed;
  t.equal(server.stats().dialogs, 1);
  const notified = dialog.request({ method: 'NOTIFY', headers: { Event: 'presence', 'Subscription-State': 'active' } });
  const notify = await peer.next('NOTIFY');
  t.match(notify.message.get('to'), tagOf(subscribe.get('from') ?? ''));
  reply(notify, 200, undefined);
  t.equal((await notified).status, 200);
  const last = dialog.request({ method: 'NOTIFY', headers: { Event: 'presence', 'Subscription-State': 'terminated' } });
  reply(await peer.next('NOTIFY'), 200, undefined);
  await last;
  t.equal(server.stats().dialogs, 0, 'the last NOTIFY ends it');

  const subscribing = srf.createUAC(`sip:bob@127.0.0.1:${peer.port('udp')}`, { method: 'SUBSCRIBE', headers: { Event: 'dialog', Expires: '60' } });
  const ours = await peer.next('SUBSCRIBE');
  const early = SipMessage.request('NOTIFY', /<([^>]+)>/.exec(ours.message.get('contact') ?? '')?.[1] ?? '');
  early.add('Via', `SIP/2.0/UDP 127.0.0.1:${flow.local.port};branch=z9hG4bKnotify`).add('From', `${ours.message.get('to')};tag=bob`)
    .add('To', ours.message.get('from') ?? '').add('Call-ID', ours.message.get('call-id') ?? '').add('CSeq', '1 NOTIFY')
    .add('Event', 'dialog').add('Subscription-State', 'active').add('Contact', `<sip:bob@127.0.0.1:${peer.port('udp')}>`);
  srf.use('notify', (_req, res) => { res.send(200); });
  flow.send(early.toString());
  await peer.next(200);
  reply(ours, 200, 'bob', { Contact: `<sip:bob@127.0.0.1:${peer.port('udp')}>`, Expires: '60' });
  t.equal((await subscribing).sip.remoteTag, 'bob');
  t.equal(server.stats().dialogs, 1);
});

t.test('CDR events follow a call', async (t) => {
  const { srf, port } = await start(t);
  const events: string[] = [];
  for (const name of ['attempt', 'start', 'stop']) {
    srf.on(`cdr:${name}`, (source: string, _time: string, detail: string | SrfMessage) => { events.push(`${name} ${source}${typeof detail === 'string' ? ` ${detail}` : ''}`); });
  }
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const flow = peer.udp(port('udp'));
  const answered = new Promise<SrfDialog>((resolve, reject) => { srf.invite((req, res) => { srf.createUAS(req, res, { localSdp: SDP }).then(resolve, reject); }); });
  const invite = request('INVITE', `sip:a@127.0.0.1:${port('udp')}`, flow, {}, SDP);
  flow.send(invite.toString());
  const ok = (await peer.next(200)).message;
  const dialog = await answered;
  flow.send(follow('ACK', invite, ok).toString());
  const destroyed = once(dialog, 'destroy');
  flow.send(follow('BYE', invite, ok, 2).toString());
  await destroyed;
  t.same(events, ['attempt network', 'start application uas', 'stop network normal-release']);
});

for (const rings of [false, true]) {
  t.test(`a call cancelled ${rings ? 'while it rings' : 'before the application spoke'} has one end in the CDR events`, async (t) => {
    const { srf, port } = await start(t);
    const events: string[] = [];
    srf.on('cdr:attempt', () => { events.push('attempt'); });
    srf.on('cdr:stop', (source: string, _time: string, reason: string, message: SrfRequest) => { events.push(`stop ${source} ${reason} ${message.method}`); });
    const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
    const flow = peer.udp(port('udp'));
    const cancelled = new Promise<void>((resolve) => {
      srf.invite((req, res) => {
        req.on('cancel', () => { resolve(); });
        if (rings) res.send(180);
      });
    });
    const invite = request('INVITE', `sip:a@127.0.0.1:${port('udp')}`, flow, {}, SDP);
    flow.send(invite.toString());
    const heard = (await peer.next(rings ? 180 : 100)).message;
    flow.send(follow('CANCEL', invite, heard).toString());
    flow.send(follow('ACK', invite, (await peer.next(487)).message).toString());
    await cancelled;
    // A request answered after it: whatever was still to be told has been.
    flow.send(request('FOO', `sip:a@127.0.0.1:${port('udp')}`, flow).toString());
    await peer.next(501);
    t.same(events, ['attempt', 'stop network call-canceled INVITE']);
  });
}

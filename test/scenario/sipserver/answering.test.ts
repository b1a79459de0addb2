import t from 'tap';
import { follow, once, Peer, reply, request, start } from './harness.js';
import type { SrfDialog, SrfRequest } from './harness.js';

const SDP = 'v=0\r\n';

for (const rings of [true, false]) {
  t.test(`CANCEL ${rings ? 'while the application rings' : 'before the application has said anything'}`, async (t) => {
    const { srf, port } = await start(t);
    const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
    const flow = peer.udp(port('udp'));
    let seen: () => void = () => { /* set below */ };
    const atWork = new Promise<void>((resolve) => { seen = resolve; });
    const cancelled = new Promise<{ cancel: SrfRequest; late: unknown }>((resolve) => {
      srf.invite((req, res) => {
        if (rings) res.send(180);
        req.on('cancel', (cancel: SrfRequest) => { res.send(200, { body: SDP }, (error) => { resolve({ cancel, late: error }); }); });
        seen();
      });
    });
    const invite = request('INVITE', `sip:a@127.0.0.1:${port('udp')}`, flow, {}, SDP);
    flow.send(invite.toString());
    await atWork;
    const first = await peer.next(rings ? 180 : 100);
    flow.send(follow('CANCEL', invite, first.message).set('Reason', 'SIP;cause=200').toString());
    t.equal((await peer.next(200, true)).message.get('cseq'), '1 CANCEL');
    const terminated = (await peer.next(487)).message;
    t.equal(terminated.get('cseq'), '1 INVITE');
    flow.send(follow('ACK', invite, terminated).toString());
    const { cancel, late } = await cancelled;
    t.equal(cancel.get('reason'), 'SIP;cause=200');
    t.equal(late, 'Response not sent due to unknown transaction', 'an answer that comes too late is refused');
  });
}

t.test('a 2xx is repeated until its ACK comes', async (t) => {
  const { srf, port, server } = await start(t);
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const flow = peer.udp(port('udp'));
  const dialog = new Promise<SrfDialog>((resolve, reject) => { srf.invite((req, res) => { srf.createUAS(req, res, { localSdp: SDP }).then(resolve, reject); }); });
  const invite = request('INVITE', `sip:a@127.0.0.1:${port('udp')}`, flow, {}, SDP);
  flow.send(invite.toString());
  await peer.next(200);
  await peer.next(200);
  flow.send(invite.toString());
  const third = (await peer.next(200)).message;
  t.match(third.get('contact'), /^<sip:127\.0\.0\.1:\d+>$/);
  const acked = once(await dialog, 'ack');
  flow.send(follow('ACK', invite, third).toString());
  flow.send(follow('ACK', invite, third).toString());
  await acked;
  flow.send(follow('OPTIONS', invite, third, 2).toString());
  const next = (await peer.next(200)).message;
  t.equal(next.get('cseq'), '2 OPTIONS', 'no 200 to the INVITE after the ACK');
  t.equal(server.stats().dialogs, 1);
});

t.test('a 2xx whose ACK never comes is given up with a BYE, and the application is told', async (t) => {
  const { srf, port, server } = await start(t, { timers: { T1: 10, T2: 40, T4: 50, D: 640 } });
  const peer = await Peer.on(t, ['tcp:127.0.0.1:0']);
  const flow = await peer.tcp(port('tcp'));
  const reason = new Promise((resolve, reject) => {
    srf.invite((req, res) => { srf.createUAS(req, res, { localSdp: SDP }).then((d) => { d.on('destroy', (_msg: unknown, why: string) => { resolve(why); }); }, reject); });
  });
  const contact = { Contact: `<sip:peer@127.0.0.1:${peer.port('tcp')};transport=tcp>` };
  const started = Date.now();
  flow.send(request('INVITE', `sip:a@127.0.0.1:${port('tcp')}`, flow, contact, SDP).toString());
  await peer.next(200);
  await peer.next(200);
  const bye = await peer.next('BYE');
  t.ok(Date.now() - started >= 600, '64*T1');
  reply(bye, 200, undefined);
  t.equal(await reason, 'ACK timeout');
  t.equal(server.stats().dialogs, 0);
});

t.test('a caller whose connection breaks is gone: the application hears a CANCEL', async (t) => {
  const { srf, port, server } = await start(t);
  const peer = await Peer.on(t, []);
  const flow = await peer.tcp(port('tcp'));
  const cancelled = new Promise<{ reason: string; late: unknown }>((resolve) => {
    srf.invite((req, res) => {
      res.send(180);
      req.on('cancel', (cancel: SrfRequest) => { res.send(200, {}, (error) => { resolve({ reason: cancel.get('reason'), late: error }); }); });
    });
  });
  flow.send(request('INVITE', `sip:a@127.0.0.1:${port('tcp')}`, flow, {}, SDP).toString());
  await peer.next(180);
  flow.close();
  t.same(await cancelled, { reason: 'SIP;cause=503;text="connection to the caller lost"', late: 'Response not sent due to unknown transaction' });
  t.match(server.stats(), { dialogs: 0, requestsIn: 0, serverTransactions: 0 });
});

t.test('requests in the dialog: order, glare, change of target, end', async (t) => {
  const { srf, port, server } = await start(t);
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const flow = peer.udp(port('udp'));
  const answered = new Promise<SrfDialog>((resolve, reject) => { srf.invite((req, res) => { srf.createUAS(req, res, { localSdp: SDP }).then(resolve, reject); }); });
  const invite = request('INVITE', `sip:a@127.0.0.1:${port('udp')}`, flow, { CSeq: '5 INVITE' }, SDP);
  flow.send(invite.toString());
  const ok = (await peer.next(200)).message;
  const dialog = await answered;
  flow.send(follow('ACK', invite, ok, 5).toString());

  flow.send(follow('OPTIONS', invite, ok, 4).toString());
  t.equal((await peer.next(500)).message.get('cseq'), '4 OPTIONS', 'a number lower than the last is refused');

  const modified = dialog.modify(SDP);
  const reinvite = await peer.next('INVITE');
  flow.send(follow('INVITE', invite, ok, 6).add('Contact', invite.get('contact') ?? '').toString());
  t.equal((await peer.next(491)).message.get('cseq'), '6 INVITE', 'both at once: ours goes on');
  reply(reinvite, 200, undefined, { Contact: `<sip:elsewhere@127.0.0.1:${flow.local.port}>` }, 'v=0\r\nb\r\n');
  t.equal(await modified, 'v=0\r\nb\r\n');
  t.equal((await peer.next('ACK')).message.uri, `sip:elsewhere@127.0.0.1:${flow.local.port}`, 'the new target');

  let release: () => void = () => { /* set below */ };
  const waiting = new Promise<void>((resolve) => { release = resolve; });
  dialog.on('modify', (_req: unknown, res: { send(status: number, o: object): void }) => { void waiting.then(() => { res.send(200, { body: SDP }); }); });
  flow.send(follow('INVITE', invite, ok, 7).add('Contact', invite.get('contact') ?? '').add('Content-Type', 'application/sdp').setBody(SDP).toString());
  await peer.next(100);
  flow.send(follow('INVITE', invite, ok, 8).add('Contact', invite.get('contact') ?? '').toString());
  const second = (await peer.next(500)).message;
  t.equal(second.get('cseq'), '8 INVITE', 'one INVITE at a time');
  t.ok(second.has('retry-after'));
  const destroyed = once(dialog, 'destroy');
  flow.send(follow('BYE', invite, ok, 9).toString());
  await destroyed;
  t.equal((await peer.next(487, true)).message.get('cseq'), '7 INVITE', 'BYE ends the INVITE that was open');
  t.equal((await peer.next(200)).message.get('cseq'), '9 BYE');
  release();
  t.equal(server.stats().dialogs, 0);
  flow.send(follow('BYE', invite, ok, 10).toString());
  await peer.next(481);
});

t.test('a caller behind a proxy, and one behind a NAT', async (t) => {
  const { srf, port } = await start(t);
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const proxy = await Peer.on(t, ['udp:127.0.0.1:0']);
  const flow = peer.udp(port('udp'));
  srf.invite((req, res) => { void srf.createUAS(req, res, { localSdp: SDP }).then((d) => { d.once('ack', () => { void d.destroy(); }); }); });
  const near = `<sip:127.0.0.1:${proxy.port('udp')};lr>`;
  const invite = request('INVITE', `sip:a@127.0.0.1:${port('udp')}`, flow, { 'Record-Route': `${near}, <sip:far.example.net;lr>` }, SDP);
  flow.send(invite.toString());
  const ok = (await peer.next(200)).message;
  t.same(ok.lines('record-route'), [`${near}, <sip:far.example.net;lr>`]);
  const ack = follow('ACK', invite, ok);
  flow.send(ack.toString());
  const bye = await proxy.next('BYE');
  t.same(bye.message.list('route'), [near, '<sip:far.example.net;lr>'], 'a UAS takes the Record-Routes in their order');
  t.equal(bye.message.uri, `sip:peer@127.0.0.1:${flow.local.port};transport=udp`);
  reply(bye, 200, undefined);

  const hidden = request('INVITE', `sip:a@127.0.0.1:${port('udp')}`, flow, { Contact: '<sip:peer@192.0.2.7:5060>' }, SDP);
  flow.send(hidden.toString());
  flow.send(follow('ACK', hidden, (await peer.next(200)).message).toString());
  const second = await peer.next('BYE');
  t.equal(second.message.uri, 'sip:peer@192.0.2.7:5060', 'sent to where the INVITE came from');
  reply(second, 200, undefined);
});

t.test('what is refused before an application is asked', async (t) => {
  const { srf, port, server } = await start(t);
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const flow = peer.udp(port('udp'));
  srf.invite(() => { t.fail('no INVITE of these is for the application'); });
  const uri = `sip:a@127.0.0.1:${port('udp')}`;
  for (const [status, method, lines, body] of [
    [503, 'MESSAGE', {}, ''], [501, 'FROBNICATE', {}, ''], [481, 'BYE', { To: '<sip:a@b>;tag=1' }, ''], [481, 'INVITE', { To: '<sip:a@b>;tag=1' }, ''],
    [420, 'INVITE', { Require: 'timer, nothingSupportsThis' }, SDP], [415, 'INVITE', { 'Content-Type': 'application/unknown' }, SDP],
    [406, 'INVITE', { Accept: 'text/nobody-knows' }, SDP], [400, 'INVITE', { Contact: '<not a uri>' }, SDP], [416, 'OPTIONS', {}, ''],
    [400, 'INVITE', { 'Max-Forwards': '300' }, SDP],
  ] as const) {
    const m = request(method, status === 416 ? 'nobodyKnowsThisScheme:x' : uri, flow, { To: `<${uri}>`, ...lines });
    m.body = body;
    flow.send(m.toString());
    const refused = (await peer.next(status)).message;
    t.equal(refused.get('cseq'), `1 ${method}`, `${status} to ${method}`);
    if (status === 420) t.equal(refused.get('unsupported'), 'nothingSupportsThis');
  }
  flow.send(request('INVITE', uri, flow, { 'User-Agent': 'friendly-scanner' }, SDP).toString());
  flow.send(request('OPTIONS', uri, flow, { 'User-Agent': 'sipvicious' }).toString());
  flow.send(request('MESSAGE', uri, flow).toString());
  t.equal((await peer.next(503)).message.get('cseq'), '1 MESSAGE');
  t.equal(server.stats().silenced, 2, 'scanners get no answer at all');
});

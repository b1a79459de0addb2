// Session timers of RFC 4028 in both roles, with seconds of two milliseconds.
import t from 'tap';
import { QUICK, follow, once, Peer, reply, request, start } from './harness.js';
import type { SrfDialog, SrfRequest } from './harness.js';
import type { SipMessage } from '../../../lib/sipserver/parser/index.js';

const SDP = 'v=0\r\n';
const timers = { ...QUICK, second: 2 };

/** A call from the peer that is up; `headers` of its INVITE. */
async function called(t: Parameters<typeof start>[0], headers: Record<string, string>, second = timers.second) {
  const { srf, port, server } = await start(t, { timers: { ...timers, second } });
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const flow = peer.udp(port('udp'));
  const answered = new Promise<SrfDialog>((resolve, reject) => { srf.invite((req, res) => { srf.createUAS(req, res, { localSdp: SDP }).then(resolve, reject); }); });
  const invite = request('INVITE', `sip:a@127.0.0.1:${port('udp')}`, flow, headers, SDP);
  flow.send(invite.toString());
  const ok = (await peer.next(200)).message;
  flow.send(follow('ACK', invite, ok).toString());
  return { server, peer, flow, invite, ok, dialog: await answered };
}

/** A call to the peer that is up; `lines` of its 200. */
async function calls(t: Parameters<typeof start>[0], lines: Record<string, string>) {
  const { srf, server, port } = await start(t, { timers });
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const calling = srf.createUAC(`sip:bob@127.0.0.1:${peer.port('udp')}`, { localSdp: SDP, headers: { 'Session-Expires': '90', Supported: 'timer' } });
  const invite = await peer.next('INVITE');
  reply(invite, 200, 'bob', { Contact: `<sip:bob@127.0.0.1:${peer.port('udp')}>`, ...lines }, SDP);
  await peer.next('ACK');
  return { server, peer, flow: peer.udp(port('udp')), invite: invite.message, dialog: await calling };
}

t.test('the caller is to refresh: it does so by re-INVITE or UPDATE, or is hung up before the session expires', async (t) => {
  const { peer, flow, invite, ok, dialog, server } = await called(t, { 'Session-Expires': '90;refresher=uac', Supported: 'timer' }, 10);
  t.equal(ok.get('session-expires'), '90;refresher=uac');
  t.equal(ok.get('require'), 'timer');
  const began = Date.now();
  let last = began;
  // A third of 90 "seconds" before the end is at 600 ms: with a refresh every 200 ms it never comes.
  for (const [n, method] of ['UPDATE', 'UPDATE', 'INVITE', 'UPDATE'].entries()) {
    await new Promise((resolve) => { setTimeout(resolve, 200); });
    const refresh = follow(method, invite, ok, n + 2).add('Session-Expires', n % 2 === 0 ? '90;refresher=uac' : '90').add('Supported', 'timer').add('Contact', invite.get('contact') ?? '');
    if (method === 'INVITE') refresh.setBody(SDP, 'application/sdp');
    last = Date.now();
    flow.send(refresh.toString());
    const answer = (await peer.next(200)).message;
    t.equal(answer.get('session-expires'), '90;refresher=uac', `${method} ${n}`);
    if (method === 'INVITE') flow.send(follow('ACK', invite, answer, n + 2).toString());
  }
  t.ok(Date.now() - began > 750, 'longer than the session would have lasted');
  const destroyed = once<SrfRequest>(dialog, 'destroy');
  const bye = await peer.next('BYE');
  t.ok(Date.now() - last >= 590, `${Date.now() - last} ms after the last refresh`);
  t.match(bye.message.get('reason'), 'Session timer expired');
  reply(bye, 200, undefined);
  await destroyed;
  t.equal(server.stats().dialogs, 0);
});

t.test('too short an interval is refused with 422 and Min-SE, if the caller can understand that', async (t) => {
  const { srf, port } = await start(t, { timers });
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const flow = peer.udp(port('udp'));
  srf.invite((req, res) => { void srf.createUAS(req, res, { localSdp: SDP }); });
  const uri = `sip:a@127.0.0.1:${port('udp')}`;
  const ask = (headers: Record<string, string>): SipMessage => {
    const invite = request('INVITE', uri, flow, headers, SDP);
    flow.send(invite.toString());
    return invite;
  };
  ask({ 'Session-Expires': '89', Supported: 'timer' });
  t.equal((await peer.next(422)).message.get('min-se'), '90');
  ask({ 'Session-Expires': '30' });
  t.notOk((await peer.next(200)).message.has('session-expires'), 'a caller that does not speak of timers');
  ask({ 'Session-Expires': '1800', Supported: 'timer' });
  t.notOk((await peer.next(200)).message.has('session-expires'), 'nobody named to refresh: no timer, as drachtio has it');
  const timed = ask({ 'Session-Expires': '120;refresher=uac', Supported: 'timer' });
  const ok = (await peer.next(200)).message;
  flow.send(follow('ACK', timed, ok).toString());
  flow.send(follow('UPDATE', timed, ok, 2).add('Session-Expires', '30').toString());
  t.equal((await peer.next(422)).message.get('min-se'), '90', 'within the dialog');
});

t.test('we are to refresh, as the one called: by UPDATE where it is allowed, else by re-INVITE', async (t) => {
  for (const allow of ['INVITE, ACK, BYE, UPDATE', 'INVITE, ACK, BYE']) {
    const { peer, ok, server } = await called(t, { 'Session-Expires': '90;refresher=uas', Supported: 'timer', Allow: allow });
    t.equal(ok.get('session-expires'), '90;refresher=uas');
    for (let n = 0; n < 2; n++) {
      const refresh = await peer.next(allow.includes('UPDATE') ? 'UPDATE' : 'INVITE');
      // Towards the peer we are the UAC of this request (§7.4).
      t.equal(refresh.message.get('session-expires'), '90;refresher=uac');
      if (refresh.message.method === 'INVITE') t.equal(refresh.message.body, SDP, 'what was offered last');
      reply(refresh, 200, undefined, { 'Session-Expires': '90;refresher=uac', Contact: '<sip:peer@127.0.0.1:9>' }, refresh.message.method === 'INVITE' ? SDP : '');
    }
    t.equal(server.stats().dialogs, 1);
  }
});

t.test('we are to refresh, as the caller: 422 raises the interval, 481 ends the call', async (t) => {
  const { peer, invite, dialog, server } = await calls(t, { 'Session-Expires': '90;refresher=uac', Require: 'timer', Allow: 'UPDATE' });
  t.equal(invite.get('session-expires'), '90');
  const first = await peer.next('UPDATE');
  reply(first, 422, undefined, { 'Min-SE': '300' });
  const second = await peer.next('UPDATE');
  t.equal(second.message.get('session-expires'), '300;refresher=uac');
  const destroyed = once<SrfRequest>(dialog, 'destroy');
  reply(second, 481, undefined);
  const bye = await peer.next('BYE');
  reply(bye, 200, undefined);
  await destroyed;
  t.equal(server.stats().dialogs, 0);
});

t.test('a refresh that meets the other side\'s request is sent again soon (RFC 3261 §14.1), not half an interval later', async (t) => {
  const { peer } = await calls(t, { 'Session-Expires': '900;refresher=uac', Require: 'timer', Allow: 'UPDATE' });
  const first = await peer.next('UPDATE');
  const began = performance.now();
  reply(first, 491, undefined);
  const second = await peer.next('UPDATE');
  const waited = (performance.now() - began) / timers.second;
  t.ok(waited >= 2 && waited < 400, `${waited.toFixed(1)} s later; half an interval is 450`);
  reply(second, 500, undefined, { 'Retry-After': '3 (busy)' });
  reply(await peer.next('UPDATE'), 200, undefined, { 'Session-Expires': '900;refresher=uac', Contact: '<sip:peer@127.0.0.1:9>' });
});

t.test('the one we called is to refresh, and does not', async (t) => {
  const { peer, dialog } = await calls(t, { 'Session-Expires': '90;refresher=uas' });
  const destroyed = once<SrfRequest>(dialog, 'destroy');
  reply(await peer.next('BYE'), 200, undefined);
  t.match((await destroyed).get('reason'), 'Session timer expired');
});

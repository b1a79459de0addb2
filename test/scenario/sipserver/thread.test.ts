// The server in a worker thread: calls, traces, logs, figures, silence, and its end.
import { createSocket } from 'node:dgram';
import { once as event } from 'node:events';
import t from 'tap';
import type { WireMessage } from '../../../lib/sipserver/index.js';
import { startSipServerThread } from '../../../lib/sipserver/index.js';
import { QUICK, application, follow, Peer, request } from './harness.js';

const SDP = 'v=0\r\n';
const quiet = { info() { /* not of interest */ }, debug() { /* not of interest */ } };

t.test('calls, trace, log and figures', async (t) => {
  const wire: WireMessage[] = [];
  const logs: string[] = [];
  const silenced = new Set<string>();
  const server = await startSipServerThread({
    listen: ['udp:127.0.0.1:0', 'tcp:127.0.0.1:0'], admin: { host: '127.0.0.1', port: 0, secret: 'cymru' }, timers: QUICK, limits: { headers: 40 },
    logger: { ...quiet, warn: (_o, m) => { logs.push(m); }, error: (_o, m) => { logs.push(m); } },
    onMessage: (m) => { wire.push(m); }, allow: (address) => !silenced.has(address),
  });
  t.teardown(() => server.close());
  const port = Number(server.listening[0]?.split(':').pop());
  const srf = await application(t, server);
  srf.invite((req, res) => { void srf.createUAS(req, res, { localSdp: SDP }); });
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const flow = peer.udp(port);
  const invite = request('INVITE', `sip:a@127.0.0.1:${port}`, flow, {}, SDP);
  flow.send(invite.toString());
  const ok = (await peer.next(200)).message;
  flow.send(follow('ACK', invite, ok).toString());
  while (server.stats()['dialogs'] !== 1) await new Promise((resolve) => { setTimeout(resolve, 20); });
  t.pass('its figures arrive');
  flow.send(follow('BYE', invite, ok, 2).toString());
  await peer.next(200);
  t.same(wire.map((m) => `${m.direction} ${m.text.split(' ', 2).join(' ').replace(/ sip:.*/, '')}`).slice(0, 2), ['in INVITE', 'out SIP/2.0 100']);
  // Told at the first message, silence from the next second on at the latest.
  silenced.add('127.0.0.1');
  const deadline = Date.now() + 5000;
  for (let answered = true; answered && Date.now() < deadline;) {
    peer.seen.length = 0;
    flow.send(request('OPTIONS', `sip:a@127.0.0.1:${port}`, flow, { 'Max-Forwards': 'x' }).toString());
    await new Promise((resolve) => { setTimeout(resolve, 200); });
    answered = peer.seen.length > 0;
  }
  t.equal(peer.seen.length, 0);
  t.ok(Date.now() < deadline);
  srf.disconnect();
  await server.close();
  await server.close();
  t.ok(logs.every((l) => !l.includes('died')));
});

t.test('what cannot start says why, and leaves nothing', async (t) => {
  const taken = createSocket('udp4').bind(0, '127.0.0.1');
  await event(taken, 'listening');
  t.teardown(() => { taken.close(); });
  const admin = { host: '127.0.0.1', port: 0, secret: 'x' };
  await t.rejects(startSipServerThread({ listen: [`udp:127.0.0.1:${taken.address().port}`], admin }), { code: 'EADDRINUSE' });
  await t.rejects(startSipServerThread({ listen: ['tls:127.0.0.1:0'], admin }), { message: /TLS needs a certificate/ });
});

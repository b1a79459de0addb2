// The application in the server's own process: no socket between them. The other scenarios of this folder run so with WAB_CLIENT=joined.
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { SipConnections, type SipServerAddress } from '../../../lib/sip/connections.js';
import type { SipRequest, SipResponse } from '../../../lib/sip/drachtio.js';
import { startSipServer, type SipServer } from '../../../lib/sipserver/index.js';
import { Guard } from '../../../lib/util/guard.js';
import { follow, Peer, QUICK, request } from './harness.js';

interface Application { readonly server: SipServer; readonly connections: SipConnections; readonly log: string[]; readonly faults: string[]; readonly port: number }

async function application(t: Test, handle: (req: SipRequest, res: SipResponse) => void, secret = 'cymru'): Promise<Application> {
  const server = await startSipServer({ listen: ['udp:127.0.0.1:0'], timers: QUICK, admin: { host: '127.0.0.1', port: null, secret: 'cymru' } });
  t.teardown(() => server.close());
  const log: string[] = [];
  const faults: string[] = [];
  const note = (_fields: object, text: string): void => { log.push(text); };
  const addresses: SipServerAddress[] = server.join === null ? [] : [{ server: { join: server.join }, secret }];
  const connections = new SipConnections(addresses, { info: note, warn: note }, new Guard(() => undefined, (place, error) => { faults.push(`${place}: ${error.message}`); }));
  t.teardown(() => { connections.close(); });
  await connections.connect(1000, { request: handle, message: null });
  return { server, connections, log, faults, port: Number(server.listening[0]?.split(':').pop()) };
}

t.test('no port is opened for it, and text of every kind gets through as by a socket', async (t) => {
  const names: (string | undefined)[] = [];
  const { server, connections, faults, port } = await application(t, (req, res) => {
    names.push(req.get('From'), req.get('Subject'), req.body);
    res.send(486, 'Żajęte', { headers: { 'X-Reply': 'до свидания' } });
  });
  t.equal(server.admin.port, 0);
  t.same(connections.status(), [{ address: 'embedded', up: true }]);
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const flow = peer.udp(port);
  const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
  const invite = request('INVITE', `sip:a@127.0.0.1:${port}`, flow, {}, bytes('v=0\r\ns=Ó 😀\r\n'));
  invite.set('Subject', bytes('Zoë')).set('Content-Type', 'application/sdp');
  flow.send(invite.toString());
  const answer = (await peer.next(486)).message;
  flow.send(follow('ACK', invite, answer).toString());
  t.equal(names[1], 'Zoë');
  t.equal(names[2], 'v=0\r\ns=Ó 😀\r\n');
  t.equal(answer.reason, bytes('Żajęte'));
  t.equal(answer.get('x-reply'), bytes('до свидания'));
  t.same(faults, []);
});

t.test('who is called back is not in the middle of what he does', async (t) => {
  let within = false;
  const order: string[] = [];
  const { port } = await application(t, (req, res) => {
    order.push(within ? 'within' : req.method);
    within = true;
    res.send(200, {}, () => { order.push(within ? 'answered within' : 'answered'); });
    within = false;
  });
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const flow = peer.udp(port);
  for (let i = 0; i < 3; i++) flow.send(request('OPTIONS', `sip:a@127.0.0.1:${port}`, flow).toString());
  for (let i = 0; i < 3; i++) await peer.next(200);
  while (order.length < 6) await new Promise((resolve) => { setImmediate(resolve); });
  t.same(order.filter((what) => what.includes('within')), []);
});

t.test('a fault of the application costs its request an answer and no other', async (t) => {
  let first = true;
  const { faults, port } = await application(t, (_req, res) => {
    if (first) {
      first = false;
      throw new Error('a fault of ours');
    }
    res.send(200);
  });
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const flow = peer.udp(port);
  flow.send(request('OPTIONS', `sip:a@127.0.0.1:${port}`, flow).toString());
  t.ok(await peer.next(500));
  flow.send(request('OPTIONS', `sip:a@127.0.0.1:${port}`, flow).toString());
  t.ok(await peer.next(200));
  t.same(faults, ['request: a fault of ours']);
});

t.test('a wrong secret is refused', async (t) => {
  await t.rejects(application(t, () => undefined, 'guess'), { code: 'SIP_UNAVAILABLE' });
});

t.test('a server that ends tells its application, which does not reach for a network', async (t) => {
  const { server, connections, log } = await application(t, () => undefined);
  const down = once(connections, 'down');
  await server.close();
  t.equal((await down)[0], 'embedded');
  t.equal(connections.healthy, false);
  t.throws(() => connections.pick(), { code: 'SIP_UNAVAILABLE' });
  await new Promise((resolve) => { setTimeout(resolve, 600); });
  t.match(log.at(-1), /lost; reconnecting/);
  connections.close();
});

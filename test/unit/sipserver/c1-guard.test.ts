// C1: nothing that a datagram holds, or where it says it comes from, ends the process.
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import t from 'tap';
import { SocketChannel } from '../../../lib/sipserver/protocol/channel.js';
import { Session } from '../../../lib/sipserver/protocol/session.js';
import { Guard } from '../../../lib/util/guard.js';
import { Transports } from '../../../lib/sipserver/transport/index.js';
import { stunRequest } from '../../helpers/rawPackets.js';

const OPTIONS = Buffer.from('OPTIONS sip:h SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n');

function open(message: () => void): { transports: Transports; troubles: string[]; socket: () => Socket } {
  const troubles: string[] = [];
  const transports = new Transports({ handlers: { message, trouble(what, error) { troubles.push(`${what}: ${error.message}`); } } });
  const inside = transports as unknown as { udpPoints: { points: { socket: Socket }[] } };
  return {
    transports, troubles,
    socket: () => {
      const point = inside.udpPoints.points[0];
      if (point === undefined) throw new Error('no UDP point');
      return point.socket;
    },
  };
}

t.test('STUN and SIP from port 0 are dropped without a word', async (t) => {
  let heard = 0;
  const { transports, troubles, socket } = open(() => { heard++; });
  t.teardown(() => transports.close());
  await transports.listen('udp:127.0.0.1:0');
  const from = { address: '127.0.0.9', family: 'IPv4', port: 0, size: 20 };
  t.doesNotThrow(() => { socket().emit('message', stunRequest(), from); });
  t.doesNotThrow(() => { socket().emit('message', OPTIONS, from); });
  t.equal(heard, 0);
  t.same(troubles, []);
  t.equal(transports.counters.faults, 0);
});

t.test('nothing is sent to port 0 either', async (t) => {
  const { transports, troubles } = open(() => { /* none comes */ });
  t.teardown(() => transports.close());
  await transports.listen('udp:127.0.0.1:0');
  t.equal(transports.udp({ address: '127.0.0.1', port: 0 })?.send('x'), false);
  t.same(troubles, []);
});

t.test('a callback that throws is counted, told once, and the socket goes on', async (t) => {
  const { transports, troubles } = open(() => { throw new Error('a fault of ours'); });
  t.teardown(() => transports.close());
  const { local } = await transports.listen('udp:127.0.0.1:0');
  const client = createSocket('udp4');
  t.teardown(() => { client.close(); });
  for (let i = 0; i < 3; i++) client.send(OPTIONS, local.port, local.address);
  while (transports.counters.faults < 3) await new Promise((resolve) => { setTimeout(resolve, 5); });
  t.same(troubles, ['message could not be handled: a fault of ours']);
  client.send(stunRequest(), local.port, local.address);
  await once(client, 'message');
});

t.test('Guard: what is wrapped cannot throw, whatever is thrown', async (t) => {
  let count = 0;
  const told: string[] = [];
  const guard = new Guard(() => { count++; }, (place, error) => { told.push(`${place} ${error.message}`); });
  const wrapped = guard.wrap('here', (what: unknown) => { throw what; });
  for (const what of [new Error('e'), 'text', undefined, null]) t.doesNotThrow(() => { wrapped(what); });
  guard.run('there', () => { throw new TypeError('t'); });
  t.equal(count, 5);
  t.same(told, ['here e', 'there t']);
});

t.test('a peer that our address has no way to: its flow is the shared socket, and sending throws nothing', async (t) => {
  const { transports, troubles } = open(() => { /* none comes */ });
  t.teardown(() => transports.close());
  await transports.listen('udp:127.0.0.1:0');
  // A socket bound to loopback cannot be connected to an address elsewhere.
  const flow = await transports.udpConnected({ address: '192.0.2.7', port: 5060 });
  t.equal(flow?.connected, false);
  t.doesNotThrow(() => { flow?.send('x'.repeat(30)); });
  t.notOk(troubles.some((text) => /Received function/.test(text)), troubles.join(' | '));
});

t.test('a command of a client that cannot be carried out costs the client its answer and nobody a call', async (t) => {
  const troubles: string[] = [];
  const obeyed: string[] = [];
  const server = createServer((socket) => {
    const guard = new Guard(() => undefined, (place, error) => { troubles.push(`${place}: ${error.message}`); });
    new Session(1, (user) => new SocketChannel(socket, user, guard), {
      guard,
      command(_session, { tokens }) {
        obeyed.push(tokens[0] ?? '');
        if (tokens[0] === 'a') throw new Error('a fault of ours');
      },
      sessionClosed() { troubles.push('closed'); }, sessionFault() { /* none */ }, sessionCrowded() { /* never */ },
    });
  }).listen(0, '127.0.0.1');
  t.teardown(() => { server.close(); });
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  t.teardown(() => { client.destroy(); });
  client.write('5#a|sip5#b|sip');
  const [answer] = await once(client, 'data') as [Buffer];
  t.match(answer.toString(), /\|response\|a\|NOK\|internal error$/);
  t.same(obeyed, ['a', 'b']);
  t.same(troubles, ['command of a client: a fault of ours']);
});

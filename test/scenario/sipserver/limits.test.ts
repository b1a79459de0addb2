// Every limit of the server: what it does when it is met, and the counter that tells of it (shown in /metrics as wab_sipserver_events_total).
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import t from 'tap';
import type { Test } from 'tap';
import { DEFAULT_LIMITS } from '../../../lib/sipserver/transport/index.js';
import type { SipLimits } from '../../../lib/sipserver/index.js';
import { makeCertificates } from '../../unit/sipserver/certificates.js';
import { follow, Peer, request, start } from './harness.js';
import type { Stack } from './harness.js';

const SDP = 'v=0\r\n';
const certificates = makeCertificates();
t.teardown(() => { certificates.remove(); });
const tls = certificates.issue('pbx', 'pbx.example.net');

type Meet = (t: Test, stack: Stack, peer: Peer) => Promise<void>;

/** A connection that may be reset at any time. */
async function open(t: Test, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => { socket.destroy(); });
  socket.on('error', () => { /* being refused */ });
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
  return socket.resume();
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => { setTimeout(resolve, 5); });
}

const options = (port: number, peer: Peer): string => request('OPTIONS', `sip:a@127.0.0.1:${port}`, peer.udp(port)).toString();

/** For each limit: a small value, how it is met, and the counters that then stand. */
const cases: Record<keyof Omit<SipLimits, 'addresses' | 'reuseTime' | 'strangers'>, [value: number, meet: Meet, counters: Record<string, number>]> = {
  messageBytes: [1000, async (t, { port }, peer) => {
    const big = `${options(port('tcp'), peer).replace(/Content-Length: 0/, 'X-Big: 1\r\nContent-Length: 2000')}${'x'.repeat(2000)}`;
    peer.udp(port('udp')).send(big);
    const socket = await open(t, port('tcp'));
    let heard = '';
    socket.on('data', (chunk) => { heard += chunk.toString(); });
    socket.write(big);
    await once(socket, 'close');
    t.match(heard, /^SIP\/2\.0 513 /, 'a connection is told why before it is closed');
  }, { tooLarge: 2 }],
  headers: [40, async (t, { port }, peer) => {
    const flow = peer.udp(port('udp'));
    flow.send(options(port('udp'), peer).replace('\r\n\r\n', `\r\n${'X-More: 1\r\n'.repeat(50)}\r\n`));
    t.match((await peer.next(400)).message.reason, 'Too Many Headers');
  }, { tooManyHeaders: 1 }],
  messagesPerSecond: [3, async (_t, { port, server }, peer) => {
    for (let n = 0; n < 20; n++) peer.udp(port('udp')).send(options(port('udp'), peer));
    await until(() => (server.stats()['received'] ?? 0) + (server.stats()['rateDropped'] ?? 0) === 20);
  }, {}],
  connections: [1, async (t, { port }) => {
    await open(t, port('tcp'));
    const second = await open(t, port('tcp'));
    if (!second.closed) await once(second, 'close');
  }, { refusedConnections: 1, acceptedConnections: 1 }],
  connectionsPerAddress: [1, async (t, { port }) => {
    await open(t, port('tcp'));
    const second = await open(t, port('tcp'));
    if (!second.closed) await once(second, 'close');
  }, { refusedPerAddress: 1, acceptedConnections: 1 }],
  handshakes: [1, async (t, { port }) => {
    await open(t, port('tls'));
    const second = await open(t, port('tls'));
    if (!second.closed) await once(second, 'close');
  }, { refusedHandshakes: 1, handshakesInProgress: 1 }],
  handshakeTime: [100, async (t, { port }) => { await once(await open(t, port('tls')), 'close'); }, { handshakeTimeouts: 1, handshakesInProgress: 0 }],
  connectTime: [100, async (t, { srf }) => {
    // Takes the connection and never begins its handshake.
    const mute = createServer((socket) => { t.teardown(() => { socket.destroy(); }); });
    mute.listen(0, '127.0.0.1');
    await once(mute, 'listening');
    t.teardown(() => { mute.close(); });
    const refusal = await srf.createUAC(`sip:a@127.0.0.1:${(mute.address() as AddressInfo).port};transport=tls`, { localSdp: SDP }).catch((e: unknown) => e);
    t.match(refusal, { status: 503, reason: /not up within 100 ms/ });
  }, { connectTimeouts: 1 }],
  firstMessageTime: [100, async (t, { port }) => { await once(await open(t, port('tcp')), 'close'); }, { firstMessageTimeouts: 1, connections: 0 }],
  messageTime: [100, async (t, { port }, peer) => {
    const socket = await open(t, port('tcp'));
    socket.write(`${options(port('udp'), peer)}OPTIONS sip:`);
    await once(socket, 'close');
  }, { slowMessages: 1, connections: 0 }],
  idleTime: [100, async (t, { port }, peer) => {
    const socket = await open(t, port('tcp'));
    socket.write(options(port('udp'), peer));
    await once(socket, 'close');
  }, { idleClosed: 1, connections: 0 }],
  unsentBytes: [20_000, async (t, { srf, port }) => {
    const socket = await open(t, port('tcp'));
    socket.pause();
    // The sockets' own buffers swallow a few megabytes first.
    srf.use('options', (_req, res) => { res.send(200, { headers: { 'X-Long': 'x'.repeat(50_000) } }); });
    const flow = (await Peer.on(t, ['udp:127.0.0.1:0'])).udp(port('udp'));
    const closed = once(socket, 'close');
    for (let n = 0; n < 400; n++) socket.write(request('OPTIONS', 'sip:a@127.0.0.1', flow).toString());
    await closed;
  }, { unsentOverflows: 1 }],
  // Over UDP one address has three eighths of them: two.
  transactions: [5, async (t, { srf, port }, peer) => {
    srf.invite((_req, res) => { res.send(180); });
    const flow = peer.udp(port('udp'));
    for (let n = 0; n < 2; n++) {
      flow.send(request('INVITE', `sip:a@127.0.0.1:${port('udp')}`, flow, {}, SDP).toString());
      await peer.next(180);
    }
    flow.send(request('INVITE', `sip:a@127.0.0.1:${port('udp')}`, flow, {}, SDP).toString());
    t.ok((await peer.next(503)).message.has('retry-after'));
  }, { refused: 1, serverTransactions: 2 }],
  dialogs: [1, async (t, { srf, port }, peer) => {
    srf.invite((req, res) => { void srf.createUAS(req, res, { localSdp: SDP }); });
    const flow = peer.udp(port('udp'));
    const invite = request('INVITE', `sip:a@127.0.0.1:${port('udp')}`, flow, {}, SDP);
    flow.send(invite.toString());
    const ok = (await peer.next(200)).message;
    flow.send(follow('ACK', invite, ok).toString());
    flow.send(request('INVITE', `sip:a@127.0.0.1:${port('udp')}`, flow, {}, SDP).toString());
    t.ok((await peer.next(503)).message.has('retry-after'));
    flow.send(follow('BYE', invite, ok, 2).toString());
    await peer.next(200);
    flow.send(request('INVITE', `sip:a@127.0.0.1:${port('udp')}`, flow, {}, SDP).toString());
    t.ok(await peer.next(200), 'room again');
  }, { refusedDialogs: 1, dialogs: 1 }],
};

t.same([...Object.keys(cases), 'addresses', 'reuseTime', 'strangers'].sort(), Object.keys(DEFAULT_LIMITS).sort(), 'no limit is left out; those three are shown in the tests of rate, connections and attacks');

for (const [name, [value, meet, counters]] of Object.entries(cases)) {
  t.test(`${name} = ${value}`, async (t) => {
    const stack = await start(t, { listen: ['udp:127.0.0.1:0', 'tcp:127.0.0.1:0', 'tls:127.0.0.1:0'], tls, limits: { [name]: value } });
    await meet(t, stack, await Peer.on(t, ['udp:127.0.0.1:0']));
    // The peer may see the end of its connection before the server has counted it.
    const deadline = Date.now() + 2000;
    await until(() => Date.now() > deadline || Object.entries(counters).every(([counter, n]) => stack.server.stats()[counter] === n));
    t.match(stack.server.stats(), counters);
    if (name === 'messagesPerSecond') t.ok((stack.server.stats()['rateDropped'] ?? 0) >= 14, 'what falls into two seconds gets twice as many through');
  });
}

t.test('scanners and addresses that are not let in get silence, and are counted', async (t) => {
  const { port, server } = await start(t, { allow: (address) => address !== '127.0.0.2', scanners: ['nosy'] });
  const peer = await Peer.on(t, ['udp:127.0.0.1:0', 'udp:127.0.0.2:0']);
  const stranger = peer.transports.udp({ address: '127.0.0.1', port: port('udp') }, peer.transports.points[1]?.local);
  stranger?.send(options(port('udp'), peer));
  peer.udp(port('udp')).send(request('OPTIONS', 'sip:a@127.0.0.1', peer.udp(port('udp')), { 'User-Agent': 'very Nosy 1.0' }).toString());
  const socket = connect({ port: port('tcp'), host: '127.0.0.1', localAddress: '127.0.0.2' });
  socket.on('error', () => { /* reset is fine */ });
  await once(socket, 'close');
  peer.udp(port('udp')).send(options(port('udp'), peer));
  await peer.next(503);
  t.equal(peer.seen.length, 0, 'one answer, to the one that may ask');
  t.match(server.stats(), { silenced: 1, silencedAddresses: 1, refusedConnections: 1 });
});

t.test('connections that do nothing with their places give way to a new one', async (t) => {
  const { port, server } = await start(t, { listen: ['udp:127.0.0.1:0', 'tcp:127.0.0.1:0', 'tls:127.0.0.1:0'], tls, limits: { handshakes: 2, connections: 4 } });
  const peer = await Peer.on(t, []);
  const talking = await peer.tcp(port('tcp'));
  talking.send(request('OPTIONS', 'sip:a@127.0.0.1', talking).toString());
  await peer.next(503);
  const silent = [await open(t, port('tls')), await open(t, port('tls')), await open(t, port('tcp'))];
  const late = await open(t, port('tcp'));
  if (!late.closed) await once(late, 'close');
  t.match(server.stats(), { refusedConnections: 1 }, 'the others have had less than a second');
  await new Promise((resolve) => { setTimeout(resolve, 1050); });
  const socket = tlsConnect({ port: port('tls'), host: '127.0.0.1', servername: 'pbx.example.net', rejectUnauthorized: false });
  t.teardown(() => { socket.destroy(); });
  await once(socket, 'secureConnect');
  const second = await open(t, port('tcp'));
  second.write(request('OPTIONS', 'sip:a@127.0.0.1', talking).toString());
  await once(second, 'data');
  t.ok(silent[0]?.closed === true && silent[2]?.closed === true, 'the oldest gave way');
  t.match(server.stats(), { droppedHandshakes: 1, droppedConnections: 1 });
  talking.send(request('OPTIONS', 'sip:a@127.0.0.1', talking).toString());
  t.ok(await peer.next(503), 'not the one that has spoken');
});

t.test('a flood is held within the limits, and leaves nothing behind', { timeout: 60_000 }, async (t) => {
  const { srf, port, server } = await start(t, { limits: { transactions: 1000, messagesPerSecond: 4000, addresses: 10 }, timers: { T1: 10, T2: 40, T4: 50, D: 640 } });
  // Never answers: every INVITE that gets as far as here stays until it times out.
  srf.invite(() => { /* keeps silent */ });
  const peer = await Peer.on(t, Array.from({ length: 30 }, (_, n) => `udp:127.0.2.${n + 1}:0`));
  const flows = peer.transports.points.map((p) => peer.transports.udp({ address: '127.0.0.1', port: port('udp') }, p.local)).filter((f) => f !== undefined);
  const before = process.memoryUsage().heapUsed;
  let most = 0;
  for (let n = 0; n < 15_000; n++) {
    const flow = flows[n % flows.length];
    if (flow !== undefined) flow.send(request('INVITE', 'sip:a@127.0.0.1', flow, {}, SDP).toString());
    if (n % 100 === 0) {
      most = Math.max(most, server.stats()['serverTransactions'] ?? 0);
      await new Promise((resolve) => { setImmediate(resolve); });
      peer.seen.length = 0;
    }
  }
  const { refused, received } = server.stats();
  t.ok(most <= 1000, `${most} transactions at most`);
  t.ok((refused ?? 0) > 0, `${refused} of ${received} refused`);
  await until(() => { peer.seen.length = 0; return server.stats()['serverTransactions'] === 0; });
  t.match(server.stats(), { requestsIn: 0, dialogs: 0, faults: 0 });
  const grown = (process.memoryUsage().heapUsed - before) / 1e6;
  t.ok(grown < 150, `${grown.toFixed(0)} MB`);
});

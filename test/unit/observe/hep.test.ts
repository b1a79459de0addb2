// HEP3: packets that a reader made from its description takes, by UDP, TCP and TLS; a server that is away costs nothing but its packets.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import t, { type Test } from 'tap';
import { hepPacket } from '../../../lib/observe/hep/packet.js';
import { HepSender, type HepOptions } from '../../../lib/observe/hep/sender.js';
import type { TraceEntry } from '../../../lib/observe/trace.js';
import { makeCertificates } from '../../helpers/certificates.js';
import { readHep, splitHep, type HepPacket } from '../../helpers/hep.js';

const entry = (callId: string, more: Partial<TraceEntry> = {}): TraceEntry => ({
  time: Date.now(), direction: 'in', transport: 'tls', local: '127.0.0.1:5061', remote: '127.0.0.2:40000', text: `OPTIONS sip:a@b SIP/2.0\r\nCall-ID: ${callId}\r\nContent-Length: 0\r\n\r\n`, ...more,
});

const most = 65_535;

t.test('one packet, with all its chunks; a long payload is cut', (t) => {
  const time = Date.UTC(2026, 10, 29) + 123.456;
  const message = { kind: 'sip', time, source: '10.0.0.1:5060', destination: '10.0.0.2:5061', transport: 'tls', correlation: 'the call', payload: Buffer.from('INVITE') } as const;
  const one = readHep(hepPacket(message, { id: 2001, password: 'secret' }, most));
  t.match(one, { kind: 1, correlation: 'the call', source: '10.0.0.1:5060', destination: '10.0.0.2:5061', payload: 'INVITE' });
  t.equal(Math.round(one.time * 1000), Math.round(time * 1000));
  t.same([one.chunks.get(12)?.readUInt32BE(), one.chunks.get(14)?.toString(), one.chunks.get(2)?.[0]], [2001, 'secret', 6]);
  const v6 = readHep(hepPacket({ ...message, source: '[2001:db8::1]:1', kind: 'rtcp', transport: 'udp' }, { id: 4_294_967_295, password: null }, most));
  t.match(v6, { kind: 5, source: '20010db8000000000000000000000001:1', destination: '00000000000000000000ffff0a000002:5061' });
  t.equal(v6.chunks.has(14), false);
  const long = hepPacket({ ...message, payload: Buffer.alloc(100_000, 'x') }, { id: 1, password: null }, most);
  t.equal(long.length, 65_535);
  t.match(readHep(long).payload, /^x{65000}/);
  t.end();
});

const told: string[] = [];
const log = { info: (_: object, text?: string) => { told.push(`info ${text}`); }, warn: (fields: object, text?: string) => { told.push(`warn ${text} ${(fields as { why?: string }).why}`); } } as unknown as HepOptions['log'];
const options = (server: HepOptions['server'], more: Partial<HepOptions> = {}): HepOptions => ({ server, id: 1, password: null, ca: null, log, owners: () => new Map([['known', 'call-1']]), mask: (text) => text, ...more });

/** What a server has taken, and a wait for so much of it. */
class Taken {
  readonly packets: HepPacket[] = [];
  #rest: Buffer = Buffer.alloc(0);
  #hear: () => void = () => undefined;

  stream(socket: Socket): void {
    socket.on('data', (data) => { this.take(Buffer.concat([this.#rest, data])); });
    socket.on('error', () => undefined);
  }

  take(bytes: Buffer): void {
    const { packets, rest } = splitHep(bytes);
    this.packets.push(...packets);
    this.#rest = rest;
    this.#hear();
  }

  async until(count: number): Promise<HepPacket[]> {
    while (this.packets.length < count) await new Promise<void>((resolve) => { this.#hear = resolve; });
    return this.packets;
  }
}

async function listen(t: Test, server: Server, port = 0): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => { for (const socket of sockets) socket.destroy(); server.close(); });
  return (server.address() as AddressInfo).port;
}

t.test('UDP: each message with its own time, the id of its call, or its Call-ID where it has none; what waits goes out at the end', async (t) => {
  const taken = new Taken();
  const socket = createSocket('udp4', (data) => taken.take(data));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  const sender = new HepSender(options({ transport: 'udp', host: '127.0.0.1', port: socket.address().port }));
  const first = entry('known', { time: Date.now() - 50 });
  sender.message(first);
  sender.message(entry('known', { direction: 'out', transport: 'udp' }));
  sender.message(entry('nobody knows it', { time: Date.now() - 2000 }));
  sender.message(entry('not yet known'));
  const [one, two, three] = await taken.until(3);
  t.match(one, { correlation: 'call-1', source: '127.0.0.2:40000', destination: '127.0.0.1:5061', time: first.time, payload: first.text });
  t.match(two, { correlation: 'call-1', source: '127.0.0.1:5061', destination: '127.0.0.2:40000' });
  t.match(three, { correlation: 'nobody knows it' });
  sender.figures('call-1', first, first.time, { ssrc: 7, packetsSent: 100, octetsSent: 16_000, packetsLost: 5, fractionLost: 12, jitter: 96, roundTripMs: 40, mos: 4.2 });
  t.match(JSON.parse((await taken.until(4))[3]!.payload), { type: 200, ssrc: 7, sender_information: { packets: 100, octets: 16_000 }, report_blocks: [{ packets_lost: 5, fraction_lost: 12, ia_jitter: 96 }], rtt: 40, mos: 4.2 });
  sender.close();
  t.match((await taken.until(5))[4], { correlation: 'not yet known' }, 'it still waited for its call');
  sender.message(first);
  sender.close();
});

t.test('UDP: a message that no datagram has room for is cut, and the server is not said to be away', async (t) => {
  told.length = 0;
  const taken = new Taken();
  const socket = createSocket('udp4', (data) => taken.take(data));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  const sender = new HepSender(options({ transport: 'udp', host: '127.0.0.1', port: socket.address().port }));
  t.teardown(() => sender.close());
  sender.message(entry('known', { text: `MESSAGE sip:a@b SIP/2.0\r\nCall-ID: known\r\n\r\n${'x'.repeat(66_000)}` }));
  sender.message(entry('known'));
  const [long] = await taken.until(2);
  t.match(long!.payload, /^MESSAGE .*x$/s);
  t.same([sender.lost, told], [0, []]);
});

t.test('messages of no call, hundreds that wait for one, cost next to nothing meanwhile; those of calls go out', async (t) => {
  const taken = new Taken();
  const server = createServer((socket) => taken.stream(socket));
  let looked = 0;
  const owners = new Map([['known', 'call-1']]);
  const sender = new HepSender(options({ transport: 'tcp', host: '127.0.0.1', port: await listen(t, server) }, { owners: () => { looked += 1; return owners; } }));
  t.teardown(() => sender.close());
  for (let i = 0; i < 300; i++) sender.message(entry(`registration ${i}`));
  sender.message(entry('known'));
  t.equal((await taken.until(1))[0]!.correlation, 'call-1', 'it has not waited for the others');
  owners.set('registration 299', 'call-2');
  t.equal((await taken.until(2))[1]!.correlation, 'call-2', 'one whose call is known by now does not wait either');
  await taken.until(301);
  t.ok(looked < 20, `which calls there are was looked up ${looked} times`);
});

t.test('a server that takes every connection and closes it is not asked every second for ever', async (t) => {
  told.length = 0;
  const tries: number[] = [];
  const server = createServer((socket) => { tries.push(performance.now()); socket.destroy(); });
  const sender = new HepSender(options({ transport: 'tcp', host: '127.0.0.1', port: await listen(t, server) }));
  t.teardown(() => sender.close());
  while (tries.length < 3) await new Promise((resolve) => setTimeout(resolve, 20));
  t.ok(tries[1]! - tries[0]! >= 900 && tries[2]! - tries[1]! >= 1900, `${tries.map(Math.round).join(' ')}: each pause is twice as long`);
});

t.test('thousands of messages: in order, in turns', async (t) => {
  const taken = new Taken();
  const server = createServer((socket) => taken.stream(socket));
  const sender = new HepSender(options({ transport: 'tcp', host: '127.0.0.1', port: await listen(t, server) }));
  t.teardown(() => sender.close());
  for (let i = 0; i < 3000; i++) sender.message(entry('known', { time: i }));
  t.same((await taken.until(3000)).map(({ time }) => time), Array.from({ length: 3000 }, (_, i) => i));
  t.equal(sender.lost, 0);
});

t.test('a server that is away, comes, dies and comes back: told once each time, and what waited is sent', async (t) => {
  told.length = 0;
  const free = createServer();
  const port = await listen(t, free);
  free.close();
  await once(free, 'close');
  const sender = new HepSender(options({ transport: 'tcp', host: '127.0.0.1', port }));
  t.teardown(() => sender.close());
  sender.message(entry('known'));
  const taken = new Taken();
  let last: Socket | null = null;
  await new Promise((resolve) => setTimeout(resolve, 300));
  const server = createServer((socket) => { last = socket; taken.stream(socket); });
  await listen(t, server, port);
  await taken.until(1);
  last!.destroy();
  sender.message(entry('known'));
  await taken.until(2);
  t.same(told.map((line) => line.replace(/ connect ECONNREFUSED.*| it closed.*/, '')), [
    'warn the HEP server cannot be reached: calls go on, their messages are missing there', 'info the HEP server is there again',
    'warn the HEP server cannot be reached: calls go on, their messages are missing there', 'info the HEP server is there again',
  ]);
});

t.test('a server that takes nothing: bounded, counted, told', async (t) => {
  const server = createServer((socket) => { socket.pause(); socket.on('error', () => undefined); });
  const sender = new HepSender(options({ transport: 'tcp', host: '127.0.0.1', port: await listen(t, server) }));
  t.teardown(() => sender.close());
  const text = `OPTIONS sip:a SIP/2.0\r\nCall-ID: known\r\n\r\n${'x'.repeat(8000)}`;
  for (let round = 0; round < 40 && sender.lost === 0; round++) {
    for (let i = 0; i < 300; i++) sender.message(entry('known', { text }));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  t.ok(sender.lost > 0, `${sender.lost} given up`);
  const before = sender.lost;
  for (let i = 0; i < 20_000; i++) sender.message(entry('known'));
  t.ok(sender.lost - before >= 9000, 'so are those that wait to be made ready');
});

t.test('TLS: by an authority of its own; another certificate is refused and told', async (t) => {
  told.length = 0;
  const dir = mkdtempSync(join(tmpdir(), 'wab-hep-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const files = await makeCertificates(dir, { domain: 'localhost', metaHost: 'wa.meta.vc' });
  const taken = new Taken();
  const server = createTlsServer({ cert: readFileSync(files.cert), key: readFileSync(files.key) });
  server.on('secureConnection', (socket) => taken.stream(socket)).on('tlsClientError', () => undefined);
  const port = await listen(t, server);
  const strict = new HepSender(options({ transport: 'tls', host: 'localhost', port }));
  t.teardown(() => strict.close());
  const sender = new HepSender(options({ transport: 'tls', host: 'localhost', port }, { ca: readFileSync(files.ca, 'utf8') }));
  t.teardown(() => sender.close());
  sender.message(entry('known'));
  t.match((await taken.until(1))[0], { correlation: 'call-1' });
  t.match(told.join('\n'), /cannot be reached.*(self|verify|issuer)/);
});

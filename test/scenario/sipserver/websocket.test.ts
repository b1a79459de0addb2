import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import WebSocket from 'ws';
import type { SipServerOptions } from '../../../lib/sipserver/index.js';
import { Transports, type SipLimits } from '../../../lib/sipserver/transport/index.js';
import type { StreamFlow } from '../../../lib/sipserver/transport/stream.js';
import { refusal, WebSocketPhone } from '../../helpers/webSocketPhone.js';
import { makeCertificates } from '../../unit/sipserver/certificates.js';
import { start, type SrfDialog, type SrfRequest } from './harness.js';

const certificates = makeCertificates();
t.teardown(() => { certificates.remove(); });
const identity = certificates.issue('sbc', 'sbc.example.net');
const trust = { ca: readFileSync(certificates.ca), servername: 'sbc.example.net' };
const domain = 'sbc.example.net';

/** A server that lets everybody register; the Path of the last REGISTER. */
async function registrar(t: Test, options: Partial<SipServerOptions> = {}) {
  const stack = await start(t, { listen: ['wss:127.0.0.1:0', 'ws:127.0.0.1:0', 'udp:127.0.0.1:0'], tls: identity, ...options });
  const registered: SrfRequest[] = [];
  stack.srf.use('register', (req, res) => {
    registered.push(req);
    res.send(200, { headers: { Contact: `${req.get('contact')};expires=60` } });
  });
  const url = (protocol: 'ws' | 'wss'): string => `${protocol}://127.0.0.1:${stack.server.listening.find((one) => one.startsWith(`${protocol}:`))!.split(':').pop()}`;
  return { ...stack, url, path: () => /<([^>]+)>/.exec(registered.at(-1)!.get('path'))![1]!, registered };
}

for (const protocol of ['wss', 'ws'] as const) {
  t.test(`${protocol}: a browser registers, is called by its flow and calls; everything by its connection`, async (t) => {
    const { srf, url, path, registered } = await registrar(t);
    const phone = await WebSocketPhone.open(`${url(protocol)}/any/path?at=all`, '6001', domain, { ...(protocol === 'wss' ? trust : {}), origin: 'http://127.0.0.1:8080' });
    t.equal((await phone.register('')).status, 200);
    t.equal(registered[0]!.protocol, protocol);
    t.match(path(), /;transport=ws;lr;ob$/);

    const contact = /<([^>]+)>/.exec(phone.contact)![1]!;
    const calling = srf.createUAC(contact, { localSdp: 'v=0\r\n', proxy: path() });
    const invite = await phone.next('an INVITE', (one) => one.method === 'INVITE');
    t.equal(invite.uri, contact);
    t.match(invite.get('via'), new RegExp(`^SIP/2.0/${protocol.toUpperCase()} 127\\.0\\.0\\.1:\\d+;`), 'RFC 7118 §5.2.1');
    t.match(invite.get('contact'), /;transport=ws>/, 'RFC 7118 §5.2.2');
    const answer = phone.answer(invite, 200, {}, 'v=0\r\n');
    const dialog = await calling;
    await phone.next('an ACK', (one) => one.method === 'ACK');
    const info = dialog.request({ method: 'INFO' });
    phone.answer(await phone.next('an INFO', (one) => one.method === 'INFO'), 200);
    t.equal((await info).status, 200);
    const hungUp = new Promise((resolve) => { dialog.once('destroy', resolve); });
    t.equal((await phone.ask(phone.follow('BYE', invite, answer, true))).status, 200);
    await hungUp;

    const answered = new Promise<SrfDialog>((resolve, reject) => { srf.invite((req, res) => { srf.createUAS(req, res, { localSdp: 'v=0\r\n' }).then(resolve, reject); }); });
    const out = phone.request('INVITE', `sip:+447700900101@${domain}`, {}, 'v=0\r\n');
    const accepted = await phone.ask(out);
    t.match(accepted.get('contact'), /;transport=ws>/);
    phone.send(phone.ack(out, accepted));
    const theirs = await answered;
    const bye = theirs.destroy();
    phone.answer(await phone.next('a BYE', (one) => one.method === 'BYE'), 200);
    await bye;

    await phone.close();
    await delay(50);
    t.match(await srf.createUAC(contact, { localSdp: 'v=0\r\n', proxy: path() }).catch((error: unknown) => error), { status: 430 }, 'RFC 5626 §5.3.1');
    const elsewhere = await srf.createUAC('sip:6001@127.0.0.1:9;transport=ws', { localSdp: 'v=0\r\n' }).then(() => 'called', () => 'no way');
    t.equal(elsewhere, 'no way', 'nobody is called by opening a WebSocket');
  });
}

t.test('both kinds of keep-alive, and ours', async (t) => {
  const { url } = await registrar(t);
  const phone = await WebSocketPhone.open(url('wss'), '6001', domain, trust);
  await phone.register('');
  phone.socket.send('\r\n\r\n');
  await phone.until('a pong', () => phone.blanks.includes('\r\n'));
  phone.socket.ping('are you there');
  const [pong] = await once(phone.socket, 'pong') as [Buffer];
  t.equal(pong.toString(), 'are you there');
  t.equal(phone.closed, null);
  await phone.close();
  t.equal(phone.closed!.code, 1005, 'RFC 6455 §5.5.1: closed as it was asked for');
});

t.test('who has gone without a word answers no ping, and is let go', async (t) => {
  const flows: StreamFlow[] = [];
  const closed: string[] = [];
  const transports = new Transports({ handlers: { message: (_bytes, flow) => { flows.push(flow as StreamFlow); }, closed: (_flow, error) => { closed.push(error?.message ?? 'orderly'); } } });
  t.teardown(() => transports.close());
  const { local } = await transports.listen('ws:127.0.0.1:0');
  const phone = new WebSocket(`ws://127.0.0.1:${local.port}`, 'sip', { autoPong: false });
  t.teardown(() => phone.terminate());
  await once(phone, 'open');
  let pings = 0;
  phone.on('ping', () => { pings += 1; });
  phone.send('OPTIONS sip:h SIP/2.0\r\n\r\n');
  while (flows.length === 0) await delay(10);
  const now = Date.now();
  flows[0]!.check(now + 20_000);
  flows[0]!.check(now + 26_000);
  await once(phone, 'ping');
  phone.pong('');
  await delay(100);
  flows[0]!.check(now + 50_000);
  t.same([pings, closed], [1, []], 'it has answered');
  flows[0]!.check(now + 76_000);
  flows[0]!.check(now + 97_000);
  t.same(closed, ['no answer to a ping']);
});

const strict: Partial<SipLimits> = { handshakeTime: 700, messageTime: 700, messageBytes: 20_000, connectionsPerAddress: 50 };

t.test('strangers at the door: origins, subprotocols, and what is no WebSocket', async (t) => {
  const { url, server, logs } = await registrar(t, { origins: ['https://crm.example.net'], limits: strict });
  t.equal(await refusal(url('wss'), { ...trust, origin: 'https://evil.example' }), 403);
  t.equal(await refusal(url('wss'), { ...trust, origin: 'https://sbc.example.net' }), 403);
  t.equal(await refusal(url('wss'), { ...trust, protocol: [] }), 400, 'no subprotocol');
  t.equal(await refusal(url('wss'), { ...trust, protocol: 'chat' }), 400);
  t.equal(await refusal(url('wss'), { ...trust, origin: 'https://crm.example.net', protocol: ['chat', 'sip'] }), 101);
  t.equal(await refusal(url('wss'), trust), 101, 'a program');
  t.equal(logs.filter((line) => line.includes('https://evil.example')).length, 1, 'an operator who has forgotten a page finds it in the log');
  const page = await fetch(url('ws').replace('ws:', 'http:'));
  t.match([page.status, await page.text()], [426, /WebSocket/], 'a browser that is sent there');
  t.equal(server.stats().refusedUpgrades, 5);
});

/** Bytes that a client of bare TCP gets until it is closed. */
async function bare(url: string, speak: (socket: Socket) => void): Promise<{ readonly ms: number; readonly got: Buffer }> {
  const begun = performance.now();
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port) });
  const got: Buffer[] = [];
  socket.on('error', () => { /* 'close' follows */ });
  socket.on('data', (data: Buffer) => { got.push(data); });
  socket.on('connect', () => { speak(socket); });
  await new Promise<void>((resolve) => { socket.on('close', () => resolve()); });
  return { ms: performance.now() - begun, got: Buffer.concat(got) };
}
const HEAD = 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n';

t.test('slow ones, and those who never stop', async (t) => {
  const { url, server } = await registrar(t, { limits: strict });
  const drip = (socket: Socket, bytes: Buffer): void => {
    let at = 0;
    const timer = setInterval(() => { socket.write(bytes.subarray(at, at += 1)); }, 100);
    socket.once('close', () => clearInterval(timer));
  };
  const [silent, slowHead, slowFrame, endless, large] = await Promise.all([
    bare(url('ws'), () => { /* says nothing */ }),
    bare(url('ws'), (socket) => { drip(socket, Buffer.from(HEAD)); }),
    bare(url('ws'), (socket) => { socket.write(`${HEAD}\r\n`); drip(socket, Buffer.from([0x81, 0xfe, 0x10, 0, 1, 2, 3, 4])); }),
    bare(url('ws'), (socket) => {
      socket.write(`${HEAD}\r\n`);
      // A message in empty pieces: none of them is large, or late.
      let first = true;
      const timer = setInterval(() => {
        const piece = Buffer.from([0x00, 0x80, 1, 2, 3, 4]);
        socket.write(Buffer.concat([...first ? [Buffer.from([0x01, 0x80, 1, 2, 3, 4])] : [], ...Array.from({ length: 20 }, () => piece)]));
        first = false;
      }, 5);
      socket.once('close', () => clearInterval(timer));
    }),
    bare(url('ws'), (socket) => { socket.write(Buffer.concat([Buffer.from(`${HEAD}\r\n`), Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x98, 0x96, 0x80, 1, 2, 3, 4]), Buffer.alloc(200_000)])); }),
  ]);
  for (const [what, { ms }] of Object.entries({ silent, slowHead, slowFrame })) t.ok(ms > 600 && ms < 4000, `${what}: let go after ${ms.toFixed(0)} ms`);
  t.equal(endless.got.subarray(-2).readUInt16BE(0), 1008, 'pieces without end');
  t.equal(silent.got.length, 0);
  t.match(slowFrame.got.toString('latin1'), /^HTTP\/1\.1 101 /);
  t.equal(large.got.subarray(-2).readUInt16BE(0), 1009, 'ten megabytes are not waited for');
  t.ok(large.ms < 1500);
  const { handshakeTimeouts, slowMessages, tooLarge, faults } = server.stats();
  t.match({ handshakeTimeouts, tooLarge, faults }, { handshakeTimeouts: 2, tooLarge: 1, faults: 0 });
  t.ok(slowMessages! >= 1);
});

t.test('who does not read what he asked for is let go', async (t) => {
  const { url, server } = await registrar(t, { limits: { unsentBytes: 100_000, messagesPerSecond: 1_000_000 } });
  await bare(url('ws'), (socket) => {
    socket.write(`${HEAD}\r\n`);
    socket.pause();
    const ping = Buffer.concat([Buffer.from([0x89, 0x80 | 120, 0, 0, 0, 0]), Buffer.alloc(120, 97)]);
    const many = Buffer.concat(Array.from({ length: 2000 }, () => ping));
    const timer = setInterval(() => { if (!socket.destroyed && socket.writableLength < 1_000_000) socket.write(many); }, 5);
    const look = setInterval(() => { if (server.stats().unsentOverflows! > 0) socket.destroy(); }, 20);
    socket.once('close', () => {
      clearInterval(timer);
      clearInterval(look);
    });
  });
  t.equal(server.stats().unsentOverflows, 1);
  t.equal(server.stats().faults, 0);
});

t.test('a thousand connections from one address, binary messages, messages in pieces, two messages in one', async (t) => {
  const { url, server } = await registrar(t, { limits: strict });
  const all = await Promise.all(Array.from({ length: 1000 }, () => new Promise<Socket | null>((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(url('ws')).port) });
    socket.on('error', () => resolve(null));
    socket.once('close', () => resolve(null));
    socket.once('data', () => resolve(socket));
    socket.on('connect', () => { socket.write(`${HEAD}\r\n`); });
  })));
  t.equal(all.filter((socket) => socket !== null).length, 50);
  t.equal(server.stats().refusedPerAddress, 950);
  for (const socket of all) socket?.destroy();
  while (server.stats().acceptedConnections! > 0) await delay(20);

  const phone = await WebSocketPhone.open(url('ws'), '6001', domain);
  const register = (): Buffer => phone.request('REGISTER', `sip:${domain}`).toBuffer();
  const answered = (what: string) => phone.next(what, (one) => one.status === 200);
  phone.socket.send(register(), { binary: true });
  t.equal((await answered('an answer to binary')).status, 200);
  const bytes = register();
  for (let at = 0; at < bytes.length; at += 40) phone.socket.send(bytes.subarray(at, at + 40), { binary: false, fin: at + 40 >= bytes.length });
  t.equal((await answered('an answer to pieces')).status, 200);
  phone.socket.send(Buffer.concat([register(), register()]).toString());
  await answered('an answer to the first of two');
  await delay(200);
  t.equal(phone.heard.length, 0, 'RFC 7118 §5: a message of each is one of SIP');
  phone.socket.send('what is no SIP at all');
  phone.socket.send(`${'INVITE sip:h SIP/2.0\r\n'.padEnd(19_000, 'x: y\r\n')}\r\n`);
  t.equal((await phone.register('')).status, 200, 'and its connection stands');
  t.equal(server.stats().faults, 0);
  await phone.close();
});

t.test('a stranger among those who may register has little, and what a REGISTER may be', async (t) => {
  const { url, server } = await registrar(t, { limits: strict, sources: { known: [], guests: ['0.0.0.0/0'] } });
  const phone = await WebSocketPhone.open(url('ws'), '6001', domain);
  phone.socket.send('x'.repeat(9000));
  await phone.until('the end', () => phone.closed !== null);
  t.equal(phone.closed!.code, 1009, 'longer than a stranger may be');
  const other = await WebSocketPhone.open(url('ws'), '6001', domain);
  other.send(other.request('OPTIONS', `sip:${domain}`));
  await other.until('an answer or the end', () => other.closed !== null || other.heard.length > 0);
  t.equal(other.heard[0]?.status ?? 403, 403);
  t.ok(server.stats().acceptedConnections! <= 1);
  await other.close();
});

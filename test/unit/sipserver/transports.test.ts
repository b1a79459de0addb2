import { once } from 'node:events';
import { copyFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { Transports } from '../../../lib/sipserver/transport/index.js';
import type { Flow, SipLimits } from '../../../lib/sipserver/transport/index.js';
import { makeCertificates } from './certificates.js';

const REQUEST = 'OPTIONS sip:h SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n';
const certificates = makeCertificates();
t.teardown(() => { certificates.remove(); });
const identity = certificates.issue('server', 'sbc.example.net');

interface Seen { text: string; flow: Flow }

/** A server that keeps what it is told, and a way to wait for the next message. */
function server(options: { limits?: Partial<SipLimits>; allow?: (a: string) => boolean; interval?: number } = {}) {
  const seen: Seen[] = [];
  const events: string[] = [];
  let wake: () => void = () => { /* nobody waits */ };
  const transports = new Transports({
    tls: identity, limits: options.limits ?? {}, certificateInterval: options.interval ?? 2000,
    handlers: {
      message(bytes, flow) { seen.push({ text: bytes.toString('latin1'), flow }); wake(); },
      fault(reason) { events.push(reason); wake(); },
      closed(_flow, error) { events.push(`closed${error ? `: ${error.message}` : ''}`); wake(); },
      renewed() { events.push('renewed'); wake(); },
      trouble(what) { events.push(what); wake(); },
      ...(options.allow ? { allow: options.allow } : {}),
    },
  });
  const until = async (done: () => boolean): Promise<void> => {
    while (!done()) await new Promise<void>((resolve) => { wake = resolve; });
  };
  return { transports, seen, events, until };
}

t.test('each transport carries a message there and an answer back', async (t) => {
  const a = server();
  const b = server();
  t.teardown(async () => { await a.transports.close(); await b.transports.close(); });
  const udp = await a.transports.listen('udp:127.0.0.1:0');
  const tcp = await a.transports.listen('tcp:[::1]:0');
  const tls = await a.transports.listen('tls:127.0.0.1:0');
  await b.transports.listen('udp:127.0.0.1:0');
  const flows = [
    b.transports.udp(udp.local),
    await b.transports.connect({ protocol: 'tcp', address: '::1', port: tcp.local.port, host: '::1' }),
    await b.transports.connect({ protocol: 'tls', address: '127.0.0.1', port: tls.local.port, host: 'sbc.example.net', ca: certificates.ca }),
  ];
  for (const flow of flows) {
    flow?.send(REQUEST);
    await a.until(() => a.seen.length > 0);
    const got = a.seen.shift();
    t.equal(got?.text, REQUEST);
    t.equal(got?.flow.protocol, flow?.protocol);
    got?.flow.send('SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n');
    await b.until(() => b.seen.length > 0);
    t.match(b.seen.shift()?.text, /^SIP\/2.0 200/);
  }
  t.equal(flows[2]?.verifiedHost, 'sbc.example.net');
  t.equal(await b.transports.connect({ protocol: 'tcp', address: '::1', port: tcp.local.port, host: '::1' }), flows[1], 'a connection that is up is used again');
  t.equal(a.transports.udp({ address: '::1', port: 9 }), undefined, 'no IPv6 socket to send from');
});

t.test('a certificate for another name, an unknown CA and a client that offers ALPN', async (t) => {
  const a = server();
  const b = server();
  t.teardown(async () => { await a.transports.close(); await b.transports.close(); });
  const { local } = await a.transports.listen('tls:127.0.0.1:0');
  const to = { protocol: 'tls' as const, address: '127.0.0.1', port: local.port };
  await t.rejects(b.transports.connect({ ...to, host: 'wa.meta.vc', ca: certificates.ca }), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  await t.rejects(b.transports.connect({ ...to, host: 'sbc.example.net' }), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
  t.equal(b.transports.connections, 0);
  const ok = await b.transports.connect({ ...to, host: 'sbc.example.net', ca: certificates.ca });
  t.notOk(ok.closed, 'a failed attempt is not remembered');
});

t.test('as a client: SNI is the host name, no ALPN is offered', async (t) => {
  const { cert, key } = identity;
  const fs = await import('node:fs');
  const far = createTlsServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key), ALPNCallback: ({ protocols }) => { t.fail(`ALPN ${protocols.join()}`); return undefined; } });
  far.listen(0, '127.0.0.1');
  await once(far, 'listening');
  const b = server();
  t.teardown(async () => { await b.transports.close(); far.close(); });
  const connected = once(far, 'secureConnection');
  await b.transports.connect({ protocol: 'tls', address: '127.0.0.1', port: (far.address() as AddressInfo).port, host: 'sbc.example.net', ca: certificates.ca });
  const [socket] = await connected as [{ servername: string; alpnProtocol: string | false }];
  t.equal(socket.servername, 'sbc.example.net');
  t.equal(socket.alpnProtocol, false);
});

t.test('limits on connections', async (t) => {
  const a = server({ limits: { connectionsPerAddress: 2, firstMessageTime: 200, messageTime: 200, messageBytes: 1000, handshakeTime: 300 } });
  t.teardown(() => a.transports.close());
  const tcp = (await a.transports.listen('tcp:127.0.0.1:0')).local.port;
  const tls = (await a.transports.listen('tls:127.0.0.1:0')).local.port;
  const counters = a.transports.counters;
  const first = connect(tcp, '127.0.0.1');
  const second = connect(tls, '127.0.0.1');
  await Promise.all([once(first, 'connect'), once(second, 'connect')]);
  const third = connect(tcp, '127.0.0.1');
  third.on('error', () => { /* reset is fine */ });
  await once(third, 'close');
  t.equal(counters.refusedPerAddress, 1);
  await Promise.all([once(first, 'close'), once(second, 'close')]);
  t.equal(counters.firstMessageTimeouts, 1, 'silent TCP connection');
  t.equal(counters.handshakeTimeouts, 1, 'silent TLS connection');
  const slow = connect(tcp, '127.0.0.1');
  slow.write(REQUEST + 'INV');
  await once(slow, 'close');
  t.equal(counters.slowMessages, 1);
  const big = connect(tcp, '127.0.0.1');
  big.write('A'.repeat(2000));
  await once(big.resume(), 'close');
  t.equal(counters.tooLarge, 1);
  await a.until(() => a.transports.connections === 0);
  t.match(a.transports.admission, { open: 0, handshaking: { known: 0, strangers: 0 } });
});

t.test('messages a second, and addresses that are not wanted', async (t) => {
  const a = server({ limits: { messagesPerSecond: 10 } });
  const b = server({ allow: (address) => address !== '127.0.0.1' });
  t.teardown(async () => { await a.transports.close(); await b.transports.close(); });
  const ua = await a.transports.listen('udp:127.0.0.1:0');
  const ub = await b.transports.listen('udp:127.0.0.1:0');
  const tb = await b.transports.listen('tcp:127.0.0.1:0');
  const flow = b.transports.udp(ua.local);
  for (let i = 0; i < 30; i++) flow?.send(REQUEST);
  const deadline = Date.now() + 3000;
  while (a.transports.counters.rateDropped + a.seen.length < 30 && Date.now() < deadline) await delay(5);
  t.ok(a.transports.counters.rateDropped >= 10, 'no more than ten in one second, whichever seconds they fell in');
  a.transports.udp(ub.local)?.send(REQUEST);
  const refused = connect(tb.local.port, '127.0.0.1');
  refused.on('error', () => { /* reset is fine */ });
  await once(refused, 'close');
  t.equal(b.transports.counters.refusedConnections, 1);
  t.equal(b.seen.length, 0, 'the datagram before it was dropped');
});

t.test('a source that is silenced while its connection is up loses it', async (t) => {
  let silenced = false;
  const a = server({ allow: () => !silenced });
  const b = server();
  t.teardown(async () => { await a.transports.close(); await b.transports.close(); });
  const tcp = await a.transports.listen('tcp:127.0.0.1:0');
  const flow = await b.transports.connect({ protocol: 'tcp', address: '127.0.0.1', port: tcp.local.port, host: '127.0.0.1' });
  flow.send(REQUEST);
  await a.until(() => a.seen.length === 1);
  silenced = true;
  flow.send(REQUEST);
  await b.until(() => b.events.length === 1);
  t.equal(a.seen.length, 1, 'what came on it was not looked at');
});

t.test('a closed connection tells its users, and a new one is opened', async (t) => {
  const a = server();
  const b = server();
  t.teardown(async () => { await a.transports.close(); await b.transports.close(); });
  const { local } = await a.transports.listen('tcp:127.0.0.1:0');
  const target = { protocol: 'tcp' as const, address: '127.0.0.1', port: local.port, host: '127.0.0.1' };
  const flow = await b.transports.connect(target);
  const told = new Promise<Flow>((resolve) => { flow.addUser({ flowClosed: resolve }); });
  flow.send(REQUEST);
  await a.until(() => a.seen.length > 0);
  a.seen[0]?.flow.close();
  t.equal(await told, flow);
  t.equal(flow.send(REQUEST), false);
  t.not(await b.transports.connect(target), flow);
  await t.rejects(b.transports.connect({ ...target, port: 1 }), { code: 'ECONNREFUSED' });
});

t.test('certificates are read again when the files are renamed or a link is swapped; bad ones change nothing', async (t) => {
  const other = certificates.issue('other', 'new.example.net');
  const live = { cert: join(certificates.dir, 'live.pem'), key: join(certificates.dir, 'live.key') };
  copyFileSync(identity.cert, live.cert);
  symlinkSync(identity.key, live.key);
  const events: string[] = [];
  let wake: () => void = () => { /* nobody waits */ };
  const transports = new Transports({
    tls: live, certificateInterval: 10,
    handlers: { message() { /* none sent */ }, renewed() { events.push('renewed'); wake(); }, trouble(what) { events.push(what); wake(); } },
  });
  t.teardown(() => transports.close());
  const { local } = await transports.listen('tls:127.0.0.1:0');
  const presented = async (): Promise<string> => {
    const socket = tlsConnect({ port: local.port, host: '127.0.0.1', rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const { subjectaltname } = socket.getPeerCertificate();
    socket.destroy();
    return subjectaltname ?? '';
  };
  const event = async (): Promise<string | undefined> => {
    while (events.length === 0) await new Promise<void>((resolve) => { wake = resolve; });
    return events.shift();
  };
  t.match(await presented(), 'sbc.example.net');
  copyFileSync(other.cert, `${live.cert}.new`);
  renameSync(`${live.cert}.new`, live.cert);
  t.match(await event(), 'does not load', 'the key does not belong to it yet');
  t.match(await presented(), 'sbc.example.net');
  symlinkSync(other.key, `${live.key}.new`);
  renameSync(`${live.key}.new`, live.key);
  t.equal(await event(), 'renewed');
  t.match(await presented(), 'new.example.net');
  writeFileSync(live.cert, 'garbage');
  t.match(await event(), 'does not load');
  rmSync(live.cert);
  t.match(await event(), 'does not load');
  t.match(await presented(), 'new.example.net');
});

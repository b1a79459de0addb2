// Strangers who mean harm, from 200 addresses at once: node strangers.js '{"udp":PORT,"tcp":PORT,"tls":PORT,"seconds":N,"datagrams":PER_SECOND,"connections":PER_SECOND}'
// Every kind in turns, at most so many a second, for so many seconds. Prints one line of JSON: how often each kind was tried, and what the service told them.
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';

const job = JSON.parse(process.argv[2]);
const host = '127.0.0.1';
const addresses = Array.from({ length: 200 }, (_, i) => `127.9.${i >> 4}.${1 + (i & 15)}`);
const tried = {};
const heard = {};
let serial = 0;
const pick = (list) => list[Math.floor(Math.random() * list.length)];
const count = (table, key) => { table[key] = (table[key] ?? 0) + 1; };

/** A request as text. `headers` replace the usual ones; null leaves one out. */
function request(method, from, { uri = `sip:6101@${host}`, transport = 'UDP', headers = {}, body = '', callId = `siege-${serial++}-${process.pid}` } = {}) {
  const all = {
    Via: `SIP/2.0/${transport} ${from}:5060;branch=z9hG4bK${randomBytes(8).toString('hex')};rport`, 'Max-Forwards': '70',
    From: `<sip:6101@${host}>;tag=${randomBytes(4).toString('hex')}`, To: `<sip:6101@${host}>`, 'Call-ID': callId, CSeq: `1 ${method}`, Contact: `<sip:6101@${from}:5060>`,
    ...headers, 'Content-Length': String(Buffer.byteLength(body, 'latin1')),
  };
  return `${method} ${uri} SIP/2.0\r\n${Object.entries(all).filter(([, v]) => v !== null).map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n${body}`;
}

const tagged = { To: `<sip:6101@${host}>;tag=nobody` };
const big = (n) => 'x'.repeat(n);
const sdp = 'v=0\r\no=- 1 1 IN IP4 127.9.0.1\r\ns=-\r\nc=IN IP4 127.9.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n';
const guess = (realm, nonce) => `Digest username="6101", realm="${realm}", nonce="${nonce}", uri="sip:${host}", response="${randomBytes(16).toString('hex')}", qop=auth, cnonce="x", nc=00000001`;

/** One datagram of each kind: what is sent from this address. */
const datagrams = {
  noise: () => randomBytes(pick([1, 4, 20, 100, 500, 1300, 8000, 60_000])),
  stun: () => Buffer.concat([Buffer.from('000100002112a442', 'hex'), randomBytes(12)]),
  crlf: () => Buffer.from('\r\n'.repeat(pick([1, 2, 500, 20_000]))),
  options: (from) => request('OPTIONS', from),
  invite: (from) => request('INVITE', from, { headers: { 'Content-Type': 'application/sdp' }, body: sdp }),
  taggedInvite: (from) => request('INVITE', from, { headers: tagged }),
  bigInvite: (from) => request('INVITE', from, { headers: { 'Content-Type': 'application/sdp' }, body: sdp + big(60_000) }),
  bigMessage: (from) => request('MESSAGE', from, { headers: { ...tagged, 'Content-Type': 'text/plain' }, body: big(60_000) }),
  bigAck: (from) => request('ACK', from, { headers: { ...tagged, CSeq: '1 ACK' }, body: big(60_000) }),
  tinyAck: (from) => request('ACK', from, { headers: { ...tagged, CSeq: '1 ACK' } }),
  cancel: (from) => request('CANCEL', from),
  // Quadratic and cubic for careless regular expressions.
  multipart: (from) => request('OPTIONS', from, { headers: { 'Content-Type': `multipart/mixed;${' '.repeat(3000)};boundary="x"\u0020` }, body: `\r\n\r\nContent-Type:${' '.repeat(30_000)}` }),
  register: (from) => request('REGISTER', from, { uri: `sip:${host}` }),
  registerGuess: (from) => request('REGISTER', from, { uri: `sip:${host}`, headers: { Authorization: guess('sbc.example.net', 'made.up.nonce') } }),
  registerOtherRealm: (from) => request('REGISTER', from, { uri: `sip:${host}`, headers: { Authorization: guess('elsewhere', 'x') } }),
  metaLike: (from) => request('INVITE', from, { uri: 'sip:+447700900001@sbc.example.net', headers: { From: '<sip:+447700900123@wa.meta.vc>;tag=1', 'x-wa-meta-wacid': 'wacid.1', 'User-Agent': 'Facebook SipGateway', 'Content-Type': 'application/sdp' }, body: sdp }),
  response: (from) => `SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP ${from};branch=z9hG4bKnobody\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: nobody\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n`,
  manyHeaders: (from) => request('OPTIONS', from, { headers: Object.fromEntries(Array.from({ length: 250 }, (_, i) => [`X-${i}`, big(30)])) }),
};

function socketOf(address) {
  const socket = createSocket('udp4');
  socket.on('error', () => undefined);
  socket.on('message', (data) => {
    const text = data.toString('latin1', 0, 400);
    count(heard, /^SIP\/2\.0 (\d+)/.exec(text)?.[1] ?? 'other');
    // A guess that has come back with a nonce of the service's: the real thing, with a wrong password.
    const nonce = /^SIP\/2\.0 401[\s\S]*nonce="([^"]+)"/.exec(data.toString('latin1'))?.[1];
    const callId = /\r\nCall-ID: (\S+)/i.exec(data.toString('latin1'))?.[1];
    if (nonce !== undefined && Math.random() < 0.2) {
      const response = createHash('md5').update(nonce).digest('hex');
      count(tried, 'registerWrongPassword');
      socket.send(request('REGISTER', address, { uri: `sip:${host}`, callId, headers: { CSeq: '2 REGISTER', Authorization: guess('sbc.example.net', nonce).replace(/response="\w+"/, `response="${response}"`) } }), job.udp, host);
    }
  });
  return new Promise((resolve) => { socket.bind(0, address, () => resolve(socket)); });
}

let open = 0;
/** A connection from this address that ends itself after `ms`; at most 1,500 are open at once. */
function stream(kind, tls, ms, act, options = {}) {
  if (open >= 1500) return;
  open++;
  const address = pick(addresses);
  const raw = connect({ host, port: tls ? job.tls : job.tcp, localAddress: address });
  raw.on('error', () => undefined);
  const socket = tls && options.handshake !== false ? connectTls({ socket: raw, servername: 'sbc.example.net', rejectUnauthorized: false, ...options }) : raw;
  socket.on('error', () => undefined);
  socket.on('data', (data) => { count(heard, /^SIP\/2\.0 (\d+)/.exec(data.toString('latin1', 0, 20))?.[1] ?? 'other'); });
  const timer = setTimeout(() => { raw.destroy(); }, ms);
  raw.once('close', () => { clearTimeout(timer); open--; });
  socket.once(tls && options.handshake !== false ? 'secureConnect' : 'connect', () => { act(socket, address); });
  count(tried, kind);
}
const patience = () => 2000 + Math.random() * 20_000;

const streams = {
  silentTcp: () => stream('silentTcp', false, patience(), () => undefined),
  rubbish: () => stream('rubbish', false, patience(), (s) => { s.write('\x01\r\n\r\n'); }),
  slow: () => stream('slow', false, patience(), async (s, from) => {
    for (const char of request('OPTIONS', from, { transport: 'TCP' })) {
      if (s.destroyed) return;
      s.write(char, 'latin1');
      await sleep(200);
    }
  }),
  pings: () => stream('pings', false, 3000, (s) => { s.write('\r\n'.repeat(256 * 1024)); }),
  // Many large messages that are never a fault of their own.
  flood: () => stream('flood', false, 4000, (s, from) => {
    for (let i = 0; i < 50 && !s.destroyed; i++) s.write(request('MESSAGE', from, { transport: 'TCP', headers: { ...tagged, 'Content-Type': 'text/plain' }, body: big(60_000) }), 'latin1');
  }),
  endless: () => stream('endless', false, 4000, (s) => { s.write(`INVITE sip:a@${host} SIP/2.0\r\nX: ${big(200_000)}`); }),
  halfOpenTls: () => stream('halfOpenTls', true, patience(), () => undefined, { handshake: false }),
  halfHello: () => stream('halfHello', true, patience(), (s) => { s.write(Buffer.from('1603010200010001fc0303', 'hex')); }, { handshake: false }),
  tlsRubbish: () => stream('tlsRubbish', true, patience(), (s) => { s.write(randomBytes(2000)); }, { handshake: false }),
  tlsSilent: () => stream('tlsSilent', true, patience(), () => undefined),
  tlsInvite: () => stream('tlsInvite', true, 5000, (s, from) => { s.write(datagrams.metaLike(from).replaceAll('SIP/2.0/UDP', 'SIP/2.0/TLS'), 'latin1'); }),
  renegotiate: () => stream('renegotiate', true, 5000, (s) => {
    const again = (left) => { if (left > 0 && !s.destroyed) s.renegotiate({}, (error) => { if (!error) { count(heard, 'renegotiated'); again(left - 1); } }); };
    again(100);
  }, { maxVersion: 'TLSv1.2' }),
};

const sockets = await Promise.all(addresses.map(socketOf));
const end = Date.now() + job.seconds * 1000;
const kinds = Object.keys(datagrams);
const ways = Object.keys(streams);
let nextKind = 0;
let nextWay = 0;
let owedDatagrams = 0;
let owedStreams = 0;
let last = Date.now();
while (Date.now() < end) {
  await sleep(10);
  const now = Date.now();
  // At most a tenth of a second is made up for.
  const seconds = Math.min(0.1, (now - last) / 1000);
  last = now;
  for (owedDatagrams += job.datagrams * seconds; owedDatagrams >= 1; owedDatagrams--) {
    const i = Math.floor(Math.random() * sockets.length);
    const kind = kinds[nextKind++ % kinds.length];
    const data = datagrams[kind](addresses[i]);
    count(tried, kind);
    sockets[i].send(typeof data === 'string' ? Buffer.from(data, 'latin1') : data, job.udp, host, () => undefined);
  }
  for (owedStreams += job.connections * seconds; owedStreams >= 1; owedStreams--) streams[ways[nextWay++ % ways.length]]();
}
console.log(JSON.stringify({ tried, heard, kinds: { datagrams: kinds, streams: ways } }));
process.exit(0);

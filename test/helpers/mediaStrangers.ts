// Strangers at media ports, as a program: node --import=LOADER mediaStrangers.ts '{"ports":[…],"replays":["hex",…],"seconds":N,"rate":PER_SECOND}'
// Prints one line of JSON: packets sent by kind, and what came back to them.
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

interface Job { readonly ports: readonly number[]; readonly replays: readonly string[]; readonly seconds: number; readonly rate: number }

const job = JSON.parse(process.argv[2] ?? '') as Job;
const sent: Record<string, number> = {};
const back = { packets: 0, bytes: 0, sent: 0 };
const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T;
const replays = job.replays.map((hex) => Buffer.from(hex, 'hex'));
let seq = 0;

/** RTP as the far end might send it, with a sound that would be heard. */
function rtp(type: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head[0] = 0x80;
  head[1] = type;
  head.writeUInt16BE(seq & 0xffff, 2);
  head.writeUInt32BE((seq * 160) >>> 0, 4);
  head.writeUInt32BE(0x666, 8);
  seq += 1;
  return Buffer.concat([head, payload]);
}

/** A Binding request (RFC 8489 §6) without credentials, or with such as nobody gave it. */
function stun(credentials: boolean): Buffer {
  const user = Buffer.from('ours:theirs:');
  const attributes = credentials ? Buffer.concat([Buffer.from('0006000c', 'hex'), user, Buffer.from('00250000', 'hex'), Buffer.from('00080014', 'hex'), randomBytes(20)]) : Buffer.alloc(0);
  const head = Buffer.alloc(20);
  head.writeUInt16BE(1, 0);
  head.writeUInt16BE(attributes.length, 2);
  head.writeUInt32BE(0x2112a442, 4);
  randomBytes(12).copy(head, 8);
  return Buffer.concat([head, attributes]);
}

/** The head of a DTLS record (RFC 6347 §4.1) before random bytes that say they are a ClientHello, whole or a first piece of 16 MB. */
function hello(length: number): Buffer {
  const body = randomBytes(200);
  const record = Buffer.from('16fefd0000000000000000', 'hex');
  randomBytes(6).copy(record, 5);
  const handshake = Buffer.alloc(12);
  handshake[0] = 1;
  handshake.writeUIntBE(length, 1, 3);
  handshake.writeUIntBE(body.length, 9, 3);
  const size = Buffer.alloc(2);
  size.writeUInt16BE(12 + body.length);
  return Buffer.concat([record, size, handshake, body]);
}

const kinds: Record<string, () => Buffer> = {
  pcmu: () => rtp(0, Buffer.alloc(160, 0x2a)),
  opus: () => rtp(111, Buffer.concat([Buffer.from([0x78]), randomBytes(40)])),
  digit: () => rtp(101, Buffer.from('05800320', 'hex')),
  rtcpBye: () => Buffer.from('81cb000100000666', 'hex'),
  srtp: () => rtp(111, randomBytes(60)),
  replay: () => (replays.length > 0 ? pick(replays) : randomBytes(60)),
  stun: () => stun(false),
  stunForged: () => stun(true),
  dtls: () => hello(200),
  dtlsPieces: () => hello(0xffffff),
  dtlsAlert: () => Buffer.from('15fefd000000000000000000020228', 'hex'),
  noise: () => randomBytes(1 + Math.floor(Math.random() * 1400)),
  empty: () => Buffer.alloc(0),
};

const sockets: Socket[] = [];
for (let i = 0; i < 8; i++) {
  const socket = createSocket('udp4');
  socket.on('message', (data) => { back.packets += 1; back.bytes += data.length; });
  socket.on('error', () => undefined);
  socket.bind(0, `127.0.0.${20 + i}`);
  await once(socket, 'listening');
  sockets.push(socket);
}
console.log('ready');
const begun = performance.now();
let due = 0;
while (performance.now() - begun < job.seconds * 1000) {
  while (due < ((performance.now() - begun) * job.rate) / 1000) {
    const [kind, make] = pick(Object.entries(kinds));
    const packet = make();
    pick(sockets).send(packet, pick(job.ports), '127.0.0.1');
    sent[kind] = (sent[kind] ?? 0) + 1;
    back.sent += packet.length;
    due += 1;
  }
  await new Promise((resolve) => setTimeout(resolve, 5));
}
await new Promise((resolve) => setTimeout(resolve, 500));
console.log(JSON.stringify({ sent, back }));
process.exit(0);

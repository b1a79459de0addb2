import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { PortPair } from '../../../lib/media/relay/wire/portPair.js';
import type { SdesText, WireSettings } from '../../../lib/media/relay/wire/settings.js';
import { Wire } from '../../../lib/media/relay/wire/wire.js';
import { keysOf, newKeys, SrtpReceiver, SrtpSender } from '../../../lib/media/srtp/index.js';
import { freePort } from '../../helpers/ports.js';

const SUITE = 'AES_CM_128_HMAC_SHA1_80';
const text = (suite = SUITE): SdesText => ({ suite, inline: newKeys(suite).inline });

/** An end of ours on loopback, what it took, and what its sockets complained of. */
async function wire(t: Test): Promise<{ port: number; wire: Wire; rtp: Buffer[]; rtcp: Buffer[]; strangers: string[]; unsecured: string[]; faults: unknown[] }> {
  const [rtp, rtcp, strangers, unsecured, faults]: [Buffer[], Buffer[], string[], string[], unknown[]] = [[], [], [], [], []];
  const port = await freePort();
  const pair = await PortPair.open('127.0.0.1', port, true, (error) => faults.push(error));
  const one = new Wire(pair, null, {
    rtp: (packet) => rtp.push(Buffer.from(packet)), rtcp: (packet) => rtcp.push(Buffer.from(packet)),
    stranger: (address) => strangers.push(address), unsecured: (kind) => unsecured.push(kind),
  });
  t.teardown(() => one.close());
  return { port, wire: one, rtp, rtcp, strangers, unsecured, faults };
}

/** A far end, and all that came to it. */
async function far(t: Test, port = 0): Promise<{ socket: Socket; port: number; got: Buffer[] }> {
  const [socket, got]: [Socket, Buffer[]] = [createSocket('udp4'), []];
  socket.on('message', (datagram) => got.push(datagram));
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => { socket.close(); });
  return { socket, port: socket.address().port, got };
}

const settings = (port: number, sdes: WireSettings['sdes'], said: Partial<WireSettings> = {}): WireSettings => ({
  remote: { address: '127.0.0.1', port }, rtcpMux: false, sources: { kind: 'described', address: '127.0.0.1', port }, sdes, dtls: null, ...said,
});

function rtp(seq: number, payload = Buffer.alloc(160, 0x23)): Buffer {
  const packet = Buffer.concat([Buffer.alloc(12), payload]);
  packet[0] = 0x80;
  packet.writeUInt16BE(seq, 2);
  packet.writeUInt32BE(160 * seq, 4);
  packet.writeUInt32BE(0x1111, 8);
  return packet;
}

function report(): Buffer {
  const packet = Buffer.alloc(28, 0x41);
  packet.writeUInt32BE(0x80c8_0006, 0);
  packet.writeUInt32BE(0x1111, 4);
  return packet;
}

const until = async (done: () => boolean): Promise<void> => { for (let left = 200; left > 0 && !done(); left -= 1) await sleep(5); };

t.test('a key that comes back has its counters: no key stream is used twice, and no packet taken twice (RFC 3711 §9.1, §3.3.2)', async (t) => {
  const here = await wire(t);
  const peer = await far(t);
  const muxed = { rtcpMux: true };
  const [ours, theirs, other] = [text(), text(), text('AES_CM_128_HMAC_SHA1_32')];
  const keyed = settings(peer.port, { ours, theirs }, muxed);
  // The peer's end keeps its state, as it must.
  const receiver = new SrtpReceiver(keysOf(ours.suite, ours.inline));
  const sender = new SrtpSender(keysOf(theirs.suite, theirs.inline));
  const recorded = sender.protect(rtp(1));
  for (const between of [settings(peer.port, null, muxed), settings(peer.port, { ours: other, theirs: other }, muxed)]) {
    t.ok(here.wire.settle(keyed), 'it is another');
    t.notOk(here.wire.settle(keyed), 'a refresh');
    const before = peer.got.length;
    here.wire.send(report());
    await until(() => peer.got.length > before);
    t.not(receiver.unprotectRtcp(peer.got.at(-1) ?? Buffer.alloc(0)), null, 'its index is a new one');
    peer.socket.send(recorded, here.port, '127.0.0.1');
    await sleep(40);
    here.wire.settle(between);
  }
  t.equal(here.rtp.length, 1, 'a recorded packet is taken once');
});

t.test('places that nothing can be sent to', async (t) => {
  const here = await wire(t);
  const peer = await far(t);
  for (const address of ['0.0.0.0', '::']) {
    here.wire.settle(settings(peer.port - 1, null, { remote: { address, port: peer.port - 1 } }));
    here.wire.send(report());
    here.wire.settle(settings(peer.port, null, { remote: { address, port: peer.port } }));
    here.wire.send(rtp(1));
  }
  here.wire.settle(settings(65_535, null));
  t.doesNotThrow(() => here.wire.send(report()), 'there is no port after the last');
  await sleep(50);
  t.equal(peer.got.length, 0, 'what an unspecified address reaches is this machine itself');
});

t.test('a negotiation lets a far end behind NAT be found anew, and says nothing of anybody else', async (t) => {
  const here = await wire(t);
  const [before, after, thief] = [await far(t), await far(t), await far(t)];
  const phone = settings(4000, null, { remote: { address: '10.1.2.3', port: 4000 }, sources: { kind: 'latch', addresses: ['127.0.0.1'] } });
  const says = async ({ socket }: { socket: Socket }, seq: number): Promise<number> => {
    socket.send(rtp(seq), here.port, '127.0.0.1');
    await sleep(30);
    return here.rtp.length;
  };
  here.wire.settle(phone);
  t.equal(await says(before, 1), 1);
  t.equal(await says(thief, 2), 1, 'nobody takes its place');
  here.wire.settle(phone);
  t.equal(await says(thief, 2), 1, 'nor when it negotiates, while it is heard');
  await sleep(500);
  here.wire.settle(phone);
  here.wire.send(rtp(1));
  await until(() => before.got.length > 0);
  t.equal(before.got.length, 1, 'until it is found it is where it was');
  t.equal(await says(after, 3), 2, 'its NAT has another port for it now');
  t.equal(await says(before, 4), 2);
  here.wire.send(rtp(2));
  await until(() => after.got.length > 0);
  t.same([before.got.length, after.got.length, thief.got.length], [1, 1, 0]);
});

t.test('where the address is described its port is too: another one of that host is never taken, whoever speaks first, and not after a silence either', async (t) => {
  const here = await wire(t);
  const [named, other] = [await far(t), await far(t)];
  const says = async ({ socket }: { socket: Socket }, seq: number): Promise<number> => {
    socket.send(rtp(seq), here.port, '127.0.0.1');
    await sleep(30);
    return here.rtp.length;
  };
  here.wire.settle(settings(named.port, null));
  t.equal(await says(other, 1), 0);
  t.equal(await says(named, 2), 1);
  t.equal(await says(other, 3), 1);
  await sleep(500);
  here.wire.settle(settings(named.port, null));
  t.equal(await says(other, 4), 1);
});

t.test('a packet whose number was used is not sent under the same key, and the ones after it are', async (t) => {
  const here = await wire(t);
  const peer = await far(t);
  const ours = text();
  here.wire.settle(settings(peer.port, { ours, theirs: text() }));
  const receiver = new SrtpReceiver(keysOf(ours.suite, ours.inline));
  for (const [seq, fill] of [[7, 1], [8, 1], [7, 2], [8, 2], [65_530, 3], [9, 1]] as const) here.wire.send(rtp(seq, Buffer.alloc(160, fill)));
  await until(() => peer.got.length >= 3);
  await sleep(30);
  t.same(peer.got.map((packet) => receiver.unprotect(packet)?.readUInt16BE(2)), [7, 8, 9]);
});

t.test('a far end that seals with another key than it said is told of once; one that is understood is not', async (t) => {
  const here = await wire(t);
  const peer = await far(t);
  const [ours, theirs, wrong] = [text(), text(), text()];
  here.wire.settle(settings(peer.port, { ours, theirs }));
  const [good, bad] = [new SrtpSender(keysOf(theirs.suite, theirs.inline)), new SrtpSender(keysOf(wrong.suite, wrong.inline))];
  const says = async (sender: SrtpSender, from: number, count: number): Promise<void> => {
    for (let seq = from; seq < from + count; seq += 1) peer.socket.send(sender.protect(rtp(seq)), here.port, '127.0.0.1');
    await sleep(40);
  };
  await says(bad, 1, 9);
  t.same(here.unsecured, [], 'nine may be of before');
  await says(bad, 10, 20);
  t.same(here.unsecured, ['key']);
  t.same(here.strangers, [], 'it is no stranger');
  await says(good, 1, 1);
  t.equal(here.rtp.length, 1, 'what fits is taken all the same');
  const next = text();
  here.wire.settle(settings(peer.port, { ours, theirs: next }));
  await says(new SrtpSender(keysOf(next.suite, next.inline)), 1, 1);
  await says(bad, 100, 30);
  t.same(here.unsecured, ['key'], 'with a key that fits the rest is noise');
});

t.test('SRTP behind NAT: only the newest packet says where its sender is, not one that somebody held back', async (t) => {
  const here = await wire(t);
  const [phone, thief] = [await far(t), await far(t)];
  const [ours, theirs] = [text(), text()];
  here.wire.settle(settings(phone.port, { ours, theirs }, { rtcpMux: true, sources: { kind: 'latch', addresses: ['127.0.0.1'] } }));
  const sender = new SrtpSender(keysOf(theirs.suite, theirs.inline));
  const [first, kept, third] = [1, 2, 3].map((seq) => sender.protect(rtp(seq)));
  const says = async ({ socket }: { socket: Socket }, packet: Buffer | undefined): Promise<void> => {
    socket.send(packet as Buffer, here.port, '127.0.0.1');
    await sleep(30);
  };
  await says(phone, first);
  await says(phone, third);
  await says(thief, kept);
  here.wire.send(rtp(1));
  await until(() => phone.got.length > 0);
  t.same([phone.got.length, thief.got.length], [1, 0]);
  await says(thief, sender.protect(rtp(4)));
  here.wire.send(rtp(2));
  await until(() => thief.got.length > 0);
  t.equal(thief.got.length, 1, 'a phone that moves is followed');
});

t.test('plain RTCP is taken from where the far end has it, and goes there', async (t) => {
  const here = await wire(t);
  const [media, reports, other] = [await far(t), await far(t), await far(t)];
  const says = async ({ socket }: { socket: Socket }, to: number): Promise<number> => {
    socket.send(report(), to, '127.0.0.1');
    await sleep(30);
    return here.rtcp.length;
  };
  here.wire.settle(settings(media.port, null, { rtcp: { address: '127.0.0.1', port: reports.port } }));
  t.equal(await says(other, here.port + 1), 0, 'another port of that host');
  t.equal(await says(reports, here.port + 1), 1);
  t.equal(await says(media, here.port), 2, 'on the port of RTP');
  here.wire.send(report());
  await until(() => reports.got.length > 0);
  t.same([media.got.length, reports.got.length, other.got.length], [0, 1, 0]);
  here.wire.settle(settings(other.port, null, { rtcp: null }));
  here.wire.send(report());
  here.wire.send(rtp(1));
  await until(() => other.got.length > 0);
  await sleep(30);
  t.equal(reports.got.length + other.got.length, 2, 'null: nowhere');
  t.equal(await says(reports, here.port + 1), 2, 'and from nowhere');
});

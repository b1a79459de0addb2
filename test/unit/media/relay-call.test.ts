import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { opusMemoryBytes } from '../../../lib/media/codec/opus.js';
import type { RelayReport, SideId } from '../../../lib/media/relay/messages.js';
import type { StreamFormat } from '../../../lib/media/relay/outStream.js';
import type { TeeEnd } from '../../../lib/media/relay/agent/teeEnd.js';
import { RelayCall } from '../../../lib/media/relay/relayCall.js';
import { Side } from '../../../lib/media/relay/side.js';
import { PortPair } from '../../../lib/media/relay/wire/portPair.js';
import { Wire } from '../../../lib/media/relay/wire/wire.js';
import { freePort } from '../../helpers/ports.js';

const OPUS: StreamFormat = { codec: 'opus', audioType: 111, eventType: 126, eventUnit: 8000 };
const PCMU: StreamFormat = { codec: 'PCMU', audioType: 0, eventType: 101, eventUnit: 8000 };

/** A call of two sides with ports of their own, on a clock that the test moves; what each far end gets lies in `got`. */
class Rig {
  now = 10_000;
  readonly reports: RelayReport[] = [];
  readonly call = new RelayCall(1, (report) => this.reports.push(report));
  #seq = 100;
  #ts = 5000;

  static async make(t: Test, peerFormat: StreamFormat): Promise<{ rig: Rig; meta: Side; peer: Side; toMeta: Buffer[]; toPeer: Buffer[] }> {
    const rig = new Rig();
    t.teardown(() => rig.call.close());
    const [meta, peer] = [await rig.#side(t, 'meta', OPUS), await rig.#side(t, 1, peerFormat)];
    rig.call.connect(1, rig.now);
    rig.call.start(rig.now, 0);
    return { rig, meta: meta.side, peer: peer.side, toMeta: meta.got, toPeer: peer.got };
  }

  async #side(t: Test, id: SideId, format: StreamFormat): Promise<{ side: Side; got: Buffer[] }> {
    const [far, got]: [ReturnType<typeof createSocket>, Buffer[]] = [createSocket('udp4'), []];
    far.on('message', (datagram) => got.push(datagram));
    far.bind(0, '127.0.0.1');
    await once(far, 'listening');
    t.teardown(() => { far.close(); });
    const wire = new Wire(await PortPair.open('127.0.0.1', await freePort(), true, (error) => { throw error; }), null, {
      rtp: () => undefined, rtcp: () => undefined, stranger: () => undefined, unsecured: () => undefined,
    });
    const { port } = far.address();
    wire.settle({ remote: { address: '127.0.0.1', port }, rtcpMux: true, sources: { kind: 'described', address: '127.0.0.1', port }, sdes: null, dtls: null });
    this.call.wires.set(id, wire);
    const side = new Side(this.call, {
      id, place: { remote: null, wire }, format, flow: { listens: true, sends: true }, ssrc: id === 'meta' ? 0xa1 : 0xb2, cname: null, send: () => undefined, random: () => 0.5,
    });
    this.call.added(side, this.now);
    return { side, got };
  }

  /** A packet of 20 ms by default, to be sent by hand. */
  packet(type: number, payload: Buffer, units: number): Buffer {
    const packet = Buffer.concat([Buffer.alloc(12), payload]);
    packet[0] = 0x80;
    packet[1] = type;
    packet.writeUInt16BE(this.#seq++ & 0xffff, 2);
    packet.writeUInt32BE(this.#ts, 4);
    packet.writeUInt32BE(0x3333, 8);
    this.#ts += units;
    return packet;
  }

  /** Lets `ms` pass in steps of 5. */
  pass(ms: number): void {
    for (const end = this.now + ms; this.now < end;) {
      this.now += 5;
      this.call.tick(this.now);
    }
  }

  /** A packet each 20 ms. */
  talk(side: Side, count: number, type: number, payload: Buffer, units: number): void {
    for (let i = 0; i < count; i += 1) {
      this.call.packet(side, this.packet(type, payload, units), this.now);
      this.pass(20);
    }
  }
}

const WORD = Buffer.from([0x78, 1, 2, 3, 4, 5]);
const ULAW = Buffer.from(Array.from({ length: 160 }, (_, i) => 0x80 | (i & 31)));
const payloads = (got: readonly Buffer[]): string[] => got.map((packet) => packet.toString('hex', 12));

t.test('CSRCs, header extensions and padding end with us (RFC 3550 §5.1); what lies about their length is dropped', async (t) => {
  const { rig, peer, toMeta } = await Rig.make(t, OPUS);
  const dressed = (first: number, before: Buffer, after: Buffer): Buffer => {
    const plain = rig.packet(111, WORD, 960);
    const packet = Buffer.concat([plain.subarray(0, 12), before, plain.subarray(12), after]);
    packet[0] = first;
    return packet;
  };
  const extension = Buffer.from([0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0]);
  const good: readonly [number, Buffer, Buffer][] = [
    [0x80, Buffer.alloc(0), Buffer.alloc(0)], [0x82, Buffer.alloc(8, 7), Buffer.alloc(0)], [0x90, extension, Buffer.alloc(0)],
    [0xa0, Buffer.alloc(0), Buffer.from([0, 0, 0, 4])], [0xb1, Buffer.concat([Buffer.alloc(4, 7), extension]), Buffer.from([1])],
  ];
  for (const [first, before, after] of good) {
    rig.call.packet(peer, dressed(first, before, after), rig.now);
    rig.pass(20);
  }
  await sleep(30);
  t.same(payloads(toMeta), good.map(() => WORD.toString('hex')));
  t.ok(toMeta.every((packet) => packet[0] === 0x80), 'a bare header each');
  t.equal(peer.counters().bytesIn, good.length * WORD.length);
  const bad: readonly [number, Buffer, Buffer][] = [
    [0x8f, Buffer.alloc(0), Buffer.alloc(0)], [0x90, Buffer.from([0, 0, 0xff, 0xff]), Buffer.alloc(0)], [0xa0, Buffer.alloc(0), Buffer.from([0])], [0xa0, Buffer.alloc(0), Buffer.from([200])],
  ];
  for (const [first, before, after] of bad) t.doesNotThrow(() => rig.call.packet(peer, dressed(first, before, after), rig.now));
  t.equal(peer.counters().packetsIn, good.length);
});

t.test('a packet without audio does not make a stream that passes a transcoded one', async (t) => {
  const { rig, peer, toMeta } = await Rig.make(t, OPUS);
  rig.talk(peer, 3, 111, WORD, 960);
  // A keep-alive (RFC 6263 §4.1), and Opus that says it has no frames.
  rig.call.packet(peer, rig.packet(111, Buffer.alloc(0), 0), rig.now);
  rig.call.packet(peer, rig.packet(111, Buffer.from([0x7b, 0]), 0), rig.now);
  rig.talk(peer, 10, 111, WORD, 960);
  await sleep(30);
  t.equal(peer.from, null);
  t.equal(payloads(toMeta).filter((one) => one === WORD.toString('hex')).length, 13, 'as it came');
});

t.test('what is said in private is for nobody who listens, whether or not anything is recorded', async (t) => {
  const { rig, meta } = await Rig.make(t, PCMU);
  let heard = 0;
  rig.call.tees.push({ take: () => { heard += 1; }, tick: () => undefined, close: () => undefined } as unknown as TeeEnd);
  rig.talk(meta, 5, 111, WORD, 960);
  t.ok(heard >= 5);
  rig.call.taps.private = true;
  const before = heard;
  rig.talk(meta, 5, 111, WORD, 960);
  t.equal(heard, before);
  rig.call.taps.private = false;
  rig.talk(meta, 5, 111, WORD, 960);
  t.ok(heard >= before + 5);
});

t.test('a refresh that changes nothing is not heard', async (t) => {
  const { rig, meta, peer } = await Rig.make(t, PCMU);
  rig.talk(peer, 50, 0, ULAW, 160);
  const { silent } = meta.outgoing;
  const bridge = peer.from;
  for (let i = 0; i < 10; i += 1) {
    rig.call.move(peer, peer.place, { ...PCMU }, rig.now, false);
    rig.talk(peer, 10, 0, ULAW, 160);
  }
  t.equal(meta.outgoing.silent, silent, 'no frame of silence');
  t.equal(peer.from, bridge);
  rig.call.move(peer, peer.place, { ...PCMU, ptime: 40 }, rig.now, false);
  t.equal(peer.from, null, 'another packet length begins anew');
  rig.talk(peer, 10, 0, ULAW, 160);
  rig.call.move(peer, peer.place, { ...PCMU, ptime: 40 }, rig.now, true);
  t.equal(peer.from, null, 'and so does another media server');
});

t.test('Meta answers once more with another codec: what transcoded for the old one ends', async (t) => {
  const { rig, meta, peer, toMeta } = await Rig.make(t, PCMU);
  rig.talk(peer, 20, 0, ULAW, 160);
  rig.call.move(meta, meta.place, PCMU, rig.now, false);
  await sleep(30);
  toMeta.length = 0;
  rig.talk(peer, 20, 0, ULAW, 160);
  await sleep(30);
  t.ok(payloads(toMeta).filter((one) => one === ULAW.toString('hex')).length > 15, 'the peer is heard');
});

t.test('a peer that named several codecs in its answer changes among them as it likes (RFC 3264 §6.1)', async (t) => {
  const { rig, peer, toMeta } = await Rig.make(t, { ...PCMU, takes: { audio: [0], events: [], others: [{ type: 8, codec: 'PCMA' }, { type: 111, codec: 'opus' }] } });
  const before = opusMemoryBytes();
  for (let round = 0; round < 30; round += 1) {
    rig.talk(peer, 10, 0, ULAW, 160);
    rig.talk(peer, 10, 8, Buffer.alloc(160, 0x55), 160);
    rig.talk(peer, 10, 111, WORD, 960);
    await sleep(5);
  }
  await sleep(50);
  const opus = payloads(toMeta).filter((one) => one === WORD.toString('hex')).length;
  t.ok(opus > 250, `Meta's own codec passes as it is: ${opus} of 300`);
  const others = payloads(toMeta).filter((one) => one !== WORD.toString('hex') && one !== 'f8fffe').length;
  t.ok(others > 400, `the others are transcoded: ${others} of 600`);
  const steps = toMeta.slice(1).map((packet, i) => (packet.readUInt16BE(2) - (toMeta[i] as Buffer).readUInt16BE(2)) & 0xffff);
  t.ok(steps.every((step) => step === 1), 'one stream, step by step');
  t.equal(peer.counters().packetsIn, 900);
  t.ok(opusMemoryBytes() - before <= 1 << 20, 'no encoder is left behind');
});

t.test('single packets in another codec that was named beside change nothing: nobody has the transcoder made anew with each of his packets', async (t) => {
  const { rig, peer, toMeta } = await Rig.make(t, { ...PCMU, takes: { audio: [0], events: [], others: [{ type: 8, codec: 'PCMA' }] } });
  rig.talk(peer, 20, 0, ULAW, 160);
  const { from } = peer;
  t.not(from, null);
  for (let round = 0; round < 50; round += 1) {
    rig.talk(peer, 1, 8, Buffer.alloc(160, 0x55), 160);
    rig.talk(peer, 2, 0, ULAW, 160);
  }
  t.equal(peer.from, from, 'the same one');
  t.equal(peer.speaks, 'PCMU');
  rig.talk(peer, 2, 8, Buffer.alloc(160, 0x55), 160);
  t.equal(peer.speaks, 'PCMA', 'twice in a row is a change');
  t.not(peer.from, from);
  await sleep(50);
  const steps = toMeta.slice(1).map((packet, i) => (packet.readUInt16BE(2) - (toMeta[i] as Buffer).readUInt16BE(2)) & 0xffff);
  t.ok(steps.every((step) => step === 1), 'and Meta gets one stream');
});

t.test('a pause of the peer of any length leaves no hole in what Meta gets', async (t) => {
  const { rig, peer, toMeta } = await Rig.make(t, PCMU);
  const holes: string[] = [];
  for (let pause = 0; pause <= 300; pause += 5) {
    rig.talk(peer, 20, 0, ULAW, 160);
    await sleep(2);
    const from = toMeta.length - 1;
    rig.pass(pause);
    rig.talk(peer, 20, 0, ULAW, 160);
    await sleep(2);
    toMeta.slice(from).forEach((packet, i, all) => {
      const step = i === 0 ? 960 : (packet.readUInt32BE(4) - (all[i - 1] as Buffer).readUInt32BE(4)) >>> 0;
      if (step !== 960) holes.push(`${pause} ms: ${step}`);
    });
  }
  t.same(holes, []);
});

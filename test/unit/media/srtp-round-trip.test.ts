// Every suite there and back: lengths, CSRCs, extensions, MKIs, several SSRCs; what is on the wire; who owns which buffer.
import t from 'tap';
import fc from 'fast-check';
import { newKeys, SrtpReceiver, SrtpSender, SUITES, type SrtpKeys } from '../../../lib/media/srtp/index.js';
import { rtcp, rtp, SSRC } from './srtp.js';

const bytes = (most: number): fc.Arbitrary<Buffer> => fc.uint8Array({ maxLength: most }).map((array) => Buffer.from(array));
const packets = fc.record({
  sequence: fc.nat(0xffff), ssrc: fc.nat(3), type: fc.nat(0xff), timestamp: fc.nat(), payload: bytes(400), csrcs: fc.array(fc.nat(), { maxLength: 15 }),
  extension: fc.option(fc.uint8Array({ maxLength: 12 }).map((array) => Buffer.alloc(4 * array.length, array))),
});
const mkis = fc.option(fc.uint8Array({ minLength: 1, maxLength: 128 }).map((array) => Buffer.from(array)), { nil: undefined });

for (const [suite, { tagBytes, rtcpTagBytes }] of SUITES) {
  const keysWith = (mki: Buffer | undefined): SrtpKeys => ({ ...newKeys(suite).keys, ...(mki === undefined ? {} : { mki }) });

  t.test(`${suite}: RTP comes back as it was`, async () => {
    fc.assert(fc.property(packets, mkis, (shape, mki) => {
      const keys = keysWith(mki);
      const plain = rtp(shape);
      const before = Buffer.from(plain);
      const sealed = new SrtpSender(keys).protect(plain);
      if (!plain.equals(before)) throw new Error('the packet was written to');
      const header = plain.length - shape.payload.length;
      if (sealed.length !== plain.length + tagBytes + (mki?.length ?? 0)) throw new Error(`${sealed.length} bytes`);
      if (!sealed.subarray(0, header).equals(plain.subarray(0, header))) throw new Error('the header was changed');
      if (shape.payload.length >= 8 && sealed.subarray(header, plain.length).equals(shape.payload)) throw new Error('in clear');
      const opened = new SrtpReceiver(keys).unprotect(sealed);
      if (opened?.equals(plain) !== true) throw new Error('another packet came back');
      if (opened.buffer !== sealed.buffer || opened.byteOffset !== sealed.byteOffset) throw new Error('not in place');
    }), { numRuns: 150 });
  });

  t.test(`${suite}: RTCP comes back as it was, each index once`, async () => {
    fc.assert(fc.property(fc.array(fc.record({ ssrc: fc.nat(3), rest: bytes(300) }), { minLength: 1, maxLength: 12 }), mkis, (shapes, mki) => {
      const keys = keysWith(mki);
      const [sender, receiver] = [new SrtpSender(keys), new SrtpReceiver(keys)];
      const counts = new Map<number, number>();
      for (const shape of shapes) {
        const plain = rtcp(shape);
        const sealed = sender.protectRtcp(plain);
        if (sealed.length !== plain.length + rtcpTagBytes + 4 + (mki?.length ?? 0)) throw new Error(`${sealed.length} bytes`);
        if (!sealed.subarray(0, 8).equals(plain.subarray(0, 8))) throw new Error('the header was changed');
        const back = suite.startsWith('AEAD') ? 4 + (mki?.length ?? 0) : 4 + (mki?.length ?? 0) + rtcpTagBytes;
        const index = counts.get(shape.ssrc) ?? 0;
        counts.set(shape.ssrc, index + 1);
        if (sealed.readUInt32BE(sealed.length - back) !== (0x80000000 | index) >>> 0) throw new Error('E flag and index');
        if (receiver.unprotectRtcp(sealed)?.equals(plain) !== true) throw new Error('another packet came back');
      }
    }), { numRuns: 60 });
  });

  t.test(`${suite}: the longest datagrams, and short ones behind them`, async (t) => {
    const keys = keysWith(undefined);
    const [sender, receiver] = [new SrtpSender(keys), new SrtpReceiver(keys)];
    for (const [sequence, length] of [160, 65_000, 1, 0, 15, 16, 17, 1_400, 176, 177].entries()) {
      const plain = rtp({ sequence, payload: Buffer.alloc(length, sequence) });
      t.ok(receiver.unprotect(sender.protect(plain))?.equals(plain), `${length} bytes`);
    }
  });

  t.test(`${suite}: a stream of mixed SSRCs, RTP and RTCP under one key`, async (t) => {
    const keys = keysWith(Buffer.from('mki'));
    const [sender, receiver] = [new SrtpSender(keys), new SrtpReceiver(keys)];
    const kept: [Buffer, Buffer][] = [];
    for (let i = 0; i < 300; i++) {
      const shape = { ssrc: SSRC + (i % 7), sequence: 65_500 + i, payload: Buffer.from(`packet ${i}`) };
      kept.push([rtp(shape), sender.protect(rtp(shape))]);
      if (i % 10 === 0) t.same(receiver.unprotectRtcp(sender.protectRtcp(rtcp({ ssrc: shape.ssrc }))), rtcp({ ssrc: shape.ssrc }));
    }
    // All were made before the first is opened: no result stands in a buffer that is used again.
    t.ok(kept.every(([plain, sealed]) => receiver.unprotect(sealed)?.equals(plain) === true));
    t.same(receiver.refused, { auth: 0, replayed: 0 });
  });
}

t.test('two keys open nothing of each other, nor RTP as RTCP', async (t) => {
  for (const suite of SUITES.keys()) {
    const [ours, theirs] = [newKeys(suite).keys, newKeys(suite).keys];
    const receiver = new SrtpReceiver(theirs);
    t.equal(receiver.unprotect(new SrtpSender(ours).protect(rtp({ sequence: 1, payload: Buffer.alloc(20) }))), null);
    t.equal(receiver.unprotectRtcp(new SrtpSender(ours).protectRtcp(rtcp())), null);
    t.equal(receiver.unprotectRtcp(new SrtpSender(theirs).protect(rtp({ sequence: 1, payload: Buffer.alloc(20) }))), null);
    t.equal(receiver.unprotect(new SrtpSender(theirs).protectRtcp(rtcp({ rest: Buffer.alloc(20) }))), null);
    t.same(receiver.refused, { auth: 4, replayed: 0 }, suite);
  }
});

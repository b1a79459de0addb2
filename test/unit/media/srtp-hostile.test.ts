// What is not authentic is never taken, leaves its buffer as it was and changes nothing.
import t from 'tap';
import fc from 'fast-check';
import { newKeys, SrtpReceiver, SrtpSender, SUITES } from '../../../lib/media/srtp/index.js';
import { hex, rtcp, rtp } from './srtp.js';

for (const suite of SUITES.keys()) {
  for (const mki of [undefined, Buffer.from([0, 0, 0, 7])]) {
    t.test(`${suite}${mki === undefined ? '' : ' with an MKI'}: no bit may differ`, async (t) => {
      const keys = { ...newKeys(suite).keys, ...(mki === undefined ? {} : { mki }) };
      const [sender, receiver] = [new SrtpSender(keys), new SrtpReceiver(keys)];
      const first = rtp({ sequence: 9 });
      t.same(receiver.unprotect(sender.protect(first)), first);
      t.ok(receiver.unprotectRtcp(sender.protectRtcp(rtcp())));
      const plain = rtp({ sequence: 10, payload: Buffer.from('audio of 20 ms'), csrcs: [1, 2], extension: hex('10203040') });
      const report = rtcp({ rest: Buffer.from('sender and receiver reports') });
      const wires: readonly [Buffer, Buffer, (packet: Buffer) => Buffer | null][] = [
        [plain, sender.protect(plain), (packet) => receiver.unprotect(packet)], [report, sender.protectRtcp(report), (packet) => receiver.unprotectRtcp(packet)],
      ];
      let tried = 0;
      for (const [original, sealed, open] of wires) {
        for (let bit = 0; bit < 8 * sealed.length; bit++) {
          const forged = Buffer.from(sealed);
          forged[bit >> 3]! ^= 1 << (bit & 7);
          const before = Buffer.from(forged);
          if (open(forged) !== null) t.fail(`bit ${bit} of ${sealed.length} bytes`);
          if (!forged.equals(before)) t.fail(`bit ${bit}: the buffer was changed`);
          tried++;
        }
        for (let length = 0; length < sealed.length; length++) if (open(Buffer.from(sealed.subarray(0, length))) !== null) t.fail(`cut to ${length} bytes`);
        if (open(Buffer.concat([sealed, Buffer.alloc(1)])) !== null) t.fail('a byte more');
        tried += sealed.length + 1;
        t.same(open(sealed), original, 'and the true one is still taken');
      }
      t.equal(receiver.refused.auth + receiver.refused.replayed, tried);
    });
  }

  t.test(`${suite}: any bytes at all`, async (t) => {
    const { keys } = newKeys(suite);
    const receiver = new SrtpReceiver(keys);
    let count = 0;
    const datagrams = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ minLength: 12, maxLength: 60 }).map((array) => {
      array[0] = 0x80 | ((array[0] ?? 0) & 0x1f);
      return array;
    }));
    fc.assert(fc.property(datagrams, (array) => {
      count += 2;
      if (receiver.unprotect(Buffer.from(array)) !== null || receiver.unprotectRtcp(Buffer.from(array)) !== null) throw new Error('taken');
    }), { numRuns: 500 });
    t.equal(receiver.refused.auth, count);
  });
}

t.test('a forged sequence number far ahead does not move the window', async (t) => {
  const { keys } = newKeys('AES_CM_128_HMAC_SHA1_80');
  const [sender, receiver] = [new SrtpSender(keys), new SrtpReceiver(keys)];
  for (let sequence = 1; sequence <= 100; sequence++) {
    const forged = rtp({ sequence: sequence + 20_000, payload: Buffer.alloc(60) });
    t.equal(receiver.unprotect(forged), null);
    t.ok(receiver.unprotect(sender.protect(rtp({ sequence }))));
  }
});

t.test('an MKI that is missing, there without need, or another', async (t) => {
  for (const suite of SUITES.keys()) {
    const { keys } = newKeys(suite);
    const [one, two] = [{ ...keys, mki: hex('01') }, { ...keys, mki: hex('02') }];
    for (const [sends, receives] of [[one, two], [keys, one], [one, keys], [{ ...keys, mki: hex('0001') }, one]] as const) {
      const receiver = new SrtpReceiver(receives);
      t.equal(receiver.unprotect(new SrtpSender(sends).protect(rtp({ sequence: 5, payload: Buffer.alloc(30) }))), null, suite);
      t.equal(receiver.unprotectRtcp(new SrtpSender(sends).protectRtcp(rtcp({ rest: Buffer.alloc(30) }))), null);
    }
  }
});

t.test('what is no packet is not sent', async (t) => {
  const sender = new SrtpSender(newKeys('AES_CM_128_HMAC_SHA1_80').keys);
  for (const bytes of ['', '80', '8000000100000000010203', '400000010000000001020304', '8f0000010000000001020304', '900000010000000001020304bede0002aaaaaaaa', '900000010000000001020304bede']) {
    t.throws(() => sender.protect(hex(bytes)), RangeError, bytes);
  }
  for (const bytes of ['', '80c90001010203', '00c9000101020304']) t.throws(() => sender.protectRtcp(hex(bytes)), RangeError, bytes);
});

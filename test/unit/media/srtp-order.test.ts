// Rollover counter, replays, late packets and the number of SSRCs (RFC 3711 §3.3).
import t from 'tap';
import { newKeys, SrtpReceiver, SrtpSender, SUITES } from '../../../lib/media/srtp/index.js';
import { ReplayWindow } from '../../../lib/util/replayWindow.js';
import { rtcp, rtp } from './srtp.js';

const pair = (suite = 'AES_CM_128_HMAC_SHA1_80'): { sender: SrtpSender; receiver: SrtpReceiver } => {
  const { keys } = newKeys(suite);
  return { sender: new SrtpSender(keys), receiver: new SrtpReceiver(keys) };
};
const numbered = (index: number): Buffer => rtp({ sequence: index, payload: Buffer.from(String(index)) });

/** The same numbers each time. */
function random(seed: number): () => number {
  return () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0;
    return (seed >>> 0) / 2 ** 32;
  };
}

t.test('200,000 packets with loss, reordering and duplicates, over every wrap', async (t) => {
  for (const suite of SUITES.keys()) {
    const [start, total] = suite === 'AES_CM_128_HMAC_SHA1_80' ? [40_000, 200_000] : [65_200, 1_000];
    const { sender, receiver } = pair(suite);
    const next = random(start);
    const waiting: { due: number; index: number; sealed: Buffer }[] = [];
    let [opened, lost, wrong, twice] = [0, 0, 0, 0];
    for (let i = 0; i < total; i++) {
      const index = start + i;
      const sealed = sender.protect(numbered(index));
      const near = (index & 0xffff) < 300 || (index & 0xffff) > 65_200;
      // A third is lost near a wrap, and what is not comes up to 60 packets late.
      if (i > 0 && next() < (near ? 0.33 : 0.01)) lost++;
      else waiting.push({ due: i + (i > 0 && next() < (near ? 0.5 : 0.02) ? Math.floor(60 * next()) : 0), index, sealed });
      for (let at = waiting.length - 1; at >= 0; at--) {
        const packet = waiting[at]!;
        if (packet.due > i) continue;
        waiting.splice(at, 1);
        const again = near && next() < 0.2 ? Buffer.from(packet.sealed) : null;
        const plain = receiver.unprotect(packet.sealed);
        if (plain?.equals(numbered(packet.index)) === true) opened++;
        else wrong++;
        if (again !== null) {
          twice++;
          if (receiver.unprotect(again) !== null) wrong++;
        }
      }
    }
    t.equal(wrong, 0, suite);
    t.equal(opened + lost + waiting.length, total);
    t.ok(lost > 100 && twice > 50);
    t.same(receiver.refused, { auth: 0, replayed: twice });
  }
});

t.test('the first that arrives is from after a wrap', async (t) => {
  for (const suite of SUITES.keys()) {
    const { sender, receiver } = pair(suite);
    const sealed = [65_533, 65_534, 65_535, 65_536, 65_537, 65_538].map((index) => sender.protect(numbered(index)));
    t.same(receiver.unprotect(sealed[4]!), numbered(65_537), suite);
    t.same(receiver.unprotect(sealed[2]!), numbered(65_535), 'one from before it, late');
    t.same(receiver.unprotect(sealed[5]!), numbered(65_538));
    t.same(receiver.refused, { auth: 0, replayed: 0 });
  }
});

t.test('a first packet with a low sequence number: what is from before it has no index, and is not sent', async (t) => {
  const { sender, receiver } = pair();
  t.same(receiver.unprotect(sender.protect(numbered(0))), numbered(0));
  const early = rtp({ sequence: 65_535, payload: Buffer.alloc(40) });
  t.notOk(sender.isNew(early));
  t.throws(() => sender.protect(early), RangeError);
  t.same(receiver.unprotect(sender.protect(numbered(1))), numbered(1), 'and the next one is as it would have been');
});

t.test('nothing is sealed twice: two packets of one index show the difference of their audio (RFC 3711 §9.1)', async (t) => {
  for (const suite of SUITES.keys()) {
    const { sender } = pair(suite);
    const other = (sequence: number): Buffer => rtp({ sequence, payload: Buffer.alloc(40, 7) });
    for (const sequence of [65_530, 65_532, 65_535, 0, 3]) sender.protect(rtp({ sequence, payload: Buffer.alloc(40) }));
    for (const sequence of [65_530, 65_535, 0, 3]) {
      t.notOk(sender.isNew(other(sequence)), `${suite}: ${sequence}`);
      t.throws(() => sender.protect(other(sequence)), RangeError);
    }
    for (const sequence of [65_531, 1, 2]) t.doesNotThrow(() => sender.protect(other(sequence)), 'late, and the first of its index');
    t.throws(() => sender.protect(other(2)), RangeError);
    for (let sequence = 4; sequence < 400; sequence++) sender.protect(other(sequence));
    t.throws(() => sender.protect(other(65_533)), RangeError, 'so late that nobody knows');
    t.doesNotThrow(() => sender.protect(rtp({ sequence: 3, ssrc: 0x77, payload: Buffer.alloc(40) })), 'another SSRC has numbers of its own');
  }
});

t.test('replays are refused at once, in the window and before it', async (t) => {
  for (const suite of SUITES.keys()) {
    const { sender, receiver } = pair(suite);
    const copies: Buffer[] = [];
    for (let index = 100; index < 1_100; index++) {
      const sealed = sender.protect(numbered(index));
      copies.push(Buffer.from(sealed));
      if (index % 2 === 0) t.ok(receiver.unprotect(sealed) !== null || t.fail(`${index}`));
    }
    for (let i = 0; i < copies.length; i += 2) if (receiver.unprotect(Buffer.from(copies[i]!)) !== null) t.fail(`replay of ${i}`);
    t.same(receiver.refused, { auth: 0, replayed: 500 }, suite);
    // What was not received yet is taken while the window knows: 128 and more behind the newest.
    const late = 998 - 129;
    t.same(receiver.unprotect(Buffer.from(copies[late]!)), numbered(100 + late));
    t.equal(receiver.unprotect(Buffer.from(copies[late]!)), null);
    t.equal(receiver.unprotect(Buffer.from(copies[1]!)), null, 'too late');
    t.same(receiver.refused, { auth: 0, replayed: 502 });
  }
});

t.test('a replay after a wrap is refused', async (t) => {
  const { sender, receiver } = pair();
  const sealed: Buffer[] = [];
  for (let index = 65_000; index < 66_000; index++) sealed.push(sender.protect(numbered(index)));
  const copies = sealed.map((packet) => Buffer.from(packet));
  t.ok(sealed.every((packet) => receiver.unprotect(packet) !== null));
  t.ok(copies.every((packet) => receiver.unprotect(packet) === null));
  t.equal(receiver.refused.auth + receiver.refused.replayed, 1_000);
});

t.test('RTCP: replays, late ones, what was lost', async (t) => {
  for (const suite of SUITES.keys()) {
    const { sender, receiver } = pair(suite);
    const sealed = Array.from({ length: 400 }, () => sender.protectRtcp(rtcp()));
    const copy = (at: number): Buffer => Buffer.from(sealed[at]!);
    t.ok(receiver.unprotectRtcp(copy(0)), suite);
    t.equal(receiver.unprotectRtcp(copy(0)), null);
    t.ok(receiver.unprotectRtcp(copy(399)));
    t.ok(receiver.unprotectRtcp(copy(270)), '129 behind');
    t.equal(receiver.unprotectRtcp(copy(270)), null);
    t.equal(receiver.unprotectRtcp(copy(1)), null, 'too late');
    t.equal(receiver.unprotectRtcp(copy(399)), null);
    t.same(receiver.refused, { auth: 0, replayed: 4 });
  }
});

t.test('the window against a list of all that was taken', async (t) => {
  for (const top of [0, 2 ** 31 - 300, 2 ** 32 - 300, 2 ** 47]) {
    const window = new ReplayWindow();
    const taken = new Set<number>();
    const next = random(top);
    let highest = -1;
    for (let i = 0, at = top; i < 30_000; i++) {
      at += Math.floor(next() ** 8 * 600);
      const index = Math.max(0, at - Math.floor(next() ** 3 * 300));
      const fresh = window.isNew(index);
      if (fresh && taken.has(index)) return t.fail(`${index} was taken before`);
      if (!fresh && !taken.has(index) && highest - index < 224) return t.fail(`${index} is new, ${highest} is the newest`);
      if (!fresh) continue;
      window.take(index);
      taken.add(index);
      highest = Math.max(highest, index);
    }
    t.ok(taken.size > 1_000);
  }
});

t.test('SSRCs: a stranger adds none, nobody more than 1,024', async (t) => {
  const { sender, receiver } = pair();
  const { sender: stranger } = pair();
  for (let ssrc = 1; ssrc <= 3_000; ssrc++) {
    receiver.unprotect(stranger.protect(rtp({ sequence: ssrc, ssrc: ssrc & 1_023 })));
    receiver.unprotectRtcp(stranger.protectRtcp(rtcp({ ssrc: ssrc & 1_023 })));
  }
  t.same(receiver.refused, { auth: 6_000, replayed: 0 });
  const copies: Buffer[] = [];
  for (let ssrc = 1; ssrc <= 1_024; ssrc++) {
    copies.push(sender.protect(rtp({ sequence: 1, ssrc })));
    t.ok(receiver.unprotect(Buffer.from(copies[ssrc - 1]!)) ?? t.fail(`${ssrc}`));
  }
  t.throws(() => sender.protect(rtp({ sequence: 1, ssrc: 5_000 })), RangeError);
  t.throws(() => sender.protectRtcp(rtcp({ ssrc: 5_000 })), RangeError);
  t.ok(sender.protectRtcp(rtcp({ ssrc: 1 })), 'those that are known go on');
  t.ok(copies.every((packet) => receiver.unprotect(packet) === null), 'none was forgotten');
  t.equal(receiver.refused.replayed, 1_024);
});

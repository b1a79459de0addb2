// What somebody without our password sends changes nothing and brings little; what an authenticated peer can have of us is bounded.
import t from 'tap';
import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { hostCandidate, newIceCredentials, type IceAddress } from '../../../lib/media/ice/index.js';
import { crc32 } from '../../../lib/media/ice/crc32.js';
import { readStun, writeStun, type StunAttributes } from '../../../lib/media/ice/stun.js';
import { A4, B4, B6, IceEnd, IceNet, pairOf } from '../../helpers/iceNet.js';

const STRANGER = { address: '203.0.113.66', port: 6666 };
const TRANSACTION = '000102030405060708090a0b';
const stateOf = (end: IceEnd): unknown => [end.agent.state, end.agent.selectedPair, end.agent.controlling, end.agent.admits(STRANGER), end.selected.length, end.failed.length];

/** A check as the other side would send it to `end`. */
function check(end: IceEnd, theirs: string, more: StunAttributes = {}, password = end.credentials.pwd): Buffer {
  return writeStun('request', TRANSACTION, { username: `${end.credentials.ufrag}:${theirs}`, priority: 100, controlling: 1n, ...more }, password);
}

/** What `end` sends when this arrives. */
function answersTo(net: IceNet, end: IceEnd, bytes: Buffer, from: IceAddress): Buffer[] {
  const before = net.sent.length;
  end.agent.receive(bytes, from, net.now);
  return net.sent.slice(before).map((datagram) => datagram.bytes);
}
const codeOf = (bytes: Buffer | undefined): number | undefined => (bytes === undefined ? undefined : readStun(bytes)?.error?.code);

t.test('a check without a proof: 400, 401 or nothing, never longer than it came, and no state', async (t) => {
  const net = new IceNet();
  const [a, b] = pairOf(net);
  net.run(100);
  const before = stateOf(b);
  const good = check(b, 'x');
  const cases: Readonly<Record<string, readonly [Buffer, number | undefined]>> = {
    'another password': [check(b, a.credentials.ufrag, {}, 'not the password at all'), 401],
    'a fragment of nobody': [writeStun('request', TRANSACTION, { username: 'nobody:x', priority: 1, controlling: 1n }, b.credentials.pwd), 401],
    'a far fragment that is not theirs': [good, 401],
    'no seal': [writeStun('request', TRANSACTION, { username: `${b.credentials.ufrag}:x`, priority: 1, controlling: 1n }, null), 400],
    'no name': [writeStun('request', TRANSACTION, { priority: 1, controlling: 1n, useCandidate: true }, b.credentials.pwd), 400],
    'nothing at all (the answer would be longer)': [writeStun('request', TRANSACTION, {}, null), undefined],
    'a success that nobody asked for': [writeStun('success', TRANSACTION, { mapped: STRANGER }, b.credentials.pwd), undefined],
    'an indication': [writeStun('indication', TRANSACTION, {}, b.credentials.pwd), undefined],
  };
  for (const [name, [bytes, code]] of Object.entries(cases)) {
    const answers = answersTo(net, b, bytes, STRANGER);
    t.equal(codeOf(answers[0]), code, name);
    t.ok(answers.length === (code === undefined ? 0 : 1) && answers.every(({ length }) => length <= bytes.length), name);
    t.same(stateOf(b), before, name);
  }
});

t.test('a check with proof but without FINGERPRINT is none; what must be understood and is not gets 420', async (t) => {
  const net = new IceNet();
  const [a, b] = pairOf(net);
  const bare = check(b, a.credentials.ufrag).subarray(0, -8);
  bare.writeUInt16BE(bare.length - 20, 2);
  t.same(answersTo(net, b, bare, A4), []);
  // Nobody here writes unknown attributes: one put between the rest and the seals.
  const plain = Buffer.concat([check(b, a.credentials.ufrag).subarray(0, -32), Buffer.from('7fff0000', 'hex')]);
  plain.writeUInt16BE(plain.length + 24 - 20, 2);
  const sealed = Buffer.concat([plain, Buffer.from('00080014', 'hex'), createHmac('sha1', b.credentials.pwd).update(plain).digest()]);
  sealed.writeUInt16BE(sealed.length + 8 - 20, 2);
  const print = Buffer.alloc(8);
  print.writeUInt32BE(0x80280004);
  print.writeUInt32BE((crc32(sealed) ^ 0x5354554e) >>> 0, 4);
  const [answer] = answersTo(net, b, Buffer.concat([sealed, print]), STRANGER);
  t.equal(codeOf(answer), 420);
  t.same(answer && readStun(answer)?.unknown, [0x7fff]);
  net.run(50);
  t.equal(net.sent.filter(({ to }) => to.address === STRANGER.address).length, 1, 'and no check goes there');
});

t.test('answers to our checks count from the address that was asked, with the seal of theirs and our transaction', async (t) => {
  const net = new IceNet();
  const [a, b] = [new IceEnd(net, true, [A4], 1), newIceCredentials()];
  a.agent.setRemote({ ...b, lite: true, candidates: [hostCandidate(B4)] });
  a.agent.start(net.now);
  const asked = net.from(A4)[0]?.transaction ?? '';
  const before = stateOf(a);
  const answer = (password: string | null, transaction = asked): Buffer => writeStun('success', transaction, { mapped: A4 }, password);
  for (const [name, bytes, from] of [
    ['another address', answer(b.pwd), STRANGER], ['another port', answer(b.pwd), { ...B4, port: B4.port + 1 }], ['no seal', answer(null), B4], ['our own seal', answer(a.credentials.pwd), B4],
    ['another transaction', answer(b.pwd, TRANSACTION), B4], ['a refusal without a seal', writeStun('error', asked, { error: { code: 401, reason: '' } }, null), B4],
    ['a role conflict without a seal', writeStun('error', asked, { error: { code: 487, reason: '' } }, null), B4],
  ] as const) {
    t.same(answersTo(net, a, bytes, from), [], name);
    t.same(stateOf(a), before, name);
  }
  t.equal(answersTo(net, a, answer(b.pwd), B4).length, 1, 'the right one is followed by the nomination');
  t.equal(answersTo(net, a, answer(b.pwd), B4).length, 0, 'once');
});

t.test('a stranger cannot keep consent alive, nor end it', async (t) => {
  const net = new IceNet();
  const [a] = pairOf(net);
  net.run(100);
  net.path = ({ from, to, bytes }) => {
    // From now on every check of theirs gets an answer from a stranger, as if it were the far end's, and refusals.
    if (from.port === A4.port && to.port === B4.port && bytes.readUInt16BE(0) === 1) {
      const transaction = bytes.toString('hex', 8, 20);
      for (const forged of [writeStun('success', transaction, { mapped: A4 }, null), writeStun('success', transaction, { mapped: A4 }, 'a guess'), writeStun('error', transaction, { error: { code: 403, reason: '' } }, 'a guess')]) {
        a.agent.receive(forged, B4, net.now);
      }
    }
    return to.port === A4.port ? [] : [1];
  };
  net.run(20_000);
  t.equal(a.agent.state, 'connected');
  t.ok(net.run(20_000, () => a.agent.state === 'failed'));
});

t.test('a recorded check sent again from elsewhere opens nothing: no media from there, no other pair, no other role', async (t) => {
  for (const when of ['checking', 'connected'] as const) {
    const net = new IceNet();
    if (when === 'checking') net.path = () => [300];
    const [a, b] = pairOf(net);
    net.run(when === 'checking' ? 10 : 500);
    const recorded = check(b, a.credentials.ufrag, { useCandidate: true });
    for (let copies = 0; copies < 200; copies += 1) b.agent.receive(recorded, STRANGER, net.now);
    net.run(10_000);
    t.notOk(b.agent.admits(STRANGER), when);
    t.same([b.agent.selectedPair, b.agent.state, b.agent.controlling], [A4, 'connected', false], when);
    const checks = net.from(B4).filter(({ kind, to }) => kind === 'request' && to.address === STRANGER.address).length;
    t.ok(checks <= 10, `${when}: ${checks} checks went there`);
    // In use already, a role that was recorded before a conflict was settled changes nothing.
    if (when === 'connected') {
      t.equal(codeOf(answersTo(net, b, check(b, a.credentials.ufrag, { controlling: undefined, controlled: 0n }), STRANGER)[0]), 487);
      t.equal(b.agent.controlling, false);
    }
  }
});

t.test('an authenticated peer with many addresses: pairs and checks are bounded', async (t) => {
  const net = new IceNet();
  const b = new IceEnd(net, false, [B4, B6], 2);
  const peer = newIceCredentials();
  // Before the description: remembered, of 1000 at most sixteen.
  for (let i = 0; i < 1000; i += 1) b.agent.receive(check(b, peer.ufrag), { address: `10.1.${i >> 8}.${i & 255}`, port: 1000 }, net.now);
  const candidates = Array.from({ length: 500 }, (_, i) => hostCandidate({ address: `10.2.${i >> 8}.${i & 255}`, port: 1000 }));
  b.agent.setRemote({ ...peer, lite: false, candidates });
  b.agent.start(net.now);
  for (let i = 0; i < 1000; i += 1) b.agent.receive(check(b, peer.ufrag), { address: `10.3.${i >> 8}.${i & 255}`, port: 1000 }, net.now);
  const begun = net.now;
  net.run(60_000);
  const checks = net.sent.filter(({ bytes, at }) => bytes.readUInt16BE(0) === 1 && at >= begun);
  t.equal(new Set(checks.map(({ to }) => to.address)).size, 48);
  t.ok(checks.length <= 48 * 8, `${checks.length} checks`);
  const busiest = Math.max(...Array.from({ length: 600 }, (_, i) => checks.filter(({ at }) => at >= begun + 100 * i && at < begun + 100 * (i + 1)).length));
  t.ok(busiest <= 25, `${busiest} in the busiest 100 ms`);
  t.same([b.agent.state, b.failed], ['failed', ['no candidate pair works']]);
});

t.test('candidates that are nobody, of another component or transport, are passed over', async (t) => {
  const net = new IceNet();
  const a = new IceEnd(net, true, [A4, { address: '2001:db8::9', port: 1 }], 1);
  const bad = ['0.0.0.0', '255.255.255.255', '224.0.0.1', '::', 'ff02::1', '::ffff:192.0.2.7', 'name.local', '']
    .map((address) => ({ ...hostCandidate(B4), address }));
  a.agent.setRemote({ ...newIceCredentials(), lite: true, candidates: [...bad, { ...hostCandidate(B4), port: 0 }, { ...hostCandidate(B4), port: 70_000 }, { ...hostCandidate(B4), component: 2 }, { ...hostCandidate(B4), transport: 'tcp' }] });
  a.agent.start(net.now);
  net.run(2000);
  t.equal(net.sent.length, 0);
  a.agent.setRemote({ ...newIceCredentials(), lite: true, candidates: ['2001:DB8:0::2', '2001:db8::2', '2001:0db8:0:0:0:0:0:2'].map((address) => hostCandidate({ address, port: 9 })) });
  net.run(40);
  t.same([...new Set(net.sent.map(({ to }) => to.address))], ['2001:db8::2'], 'and one address in three spellings is one');
});

t.test('several nominations by an aggressive agent: the highest of the pairs that work; a lower one when the one in use is silent', async (t) => {
  const net = new IceNet();
  const b = new IceEnd(net, false, [B4], 2);
  const peer = newIceCredentials();
  const [low, high] = [{ address: '10.0.0.1', port: 1 }, { address: '10.0.0.2', port: 2 }];
  let silent = '';
  const open = (socket: IceAddress): void => {
    net.open(socket, ({ bytes, from }) => {
      if (bytes.readUInt16BE(0) === 1 && silent !== socket.address) net.send(writeStun('success', bytes.toString('hex', 8, 20), { mapped: from }, peer.pwd), socket, from);
    });
  };
  [low, high].forEach(open);
  const named = (from: IceAddress): void => { b.agent.receive(check(b, peer.ufrag, { priority: from === low ? 100 : 200, useCandidate: true }), from, net.now); };
  b.agent.setRemote({ ...peer, lite: false, candidates: [] });
  b.agent.start(net.now);
  named(low);
  net.run(20);
  named(high);
  net.run(20);
  named(low);
  net.run(20);
  t.same(b.selected, ['10.0.0.1 1', '10.0.0.2 2']);
  t.ok(b.agent.admits(low) && b.agent.admits(high));
  silent = high.address;
  net.run(10_000);
  named(low);
  t.same(b.agent.selectedPair, low);
});

t.test('any bytes, at any time: no throw, no change', async () => {
  const net = new IceNet();
  const [a, b] = pairOf(net);
  net.run(100);
  const before = JSON.stringify(stateOf(b));
  const seen = net.sent.map(({ bytes }) => bytes);
  fc.assert(fc.property(fc.nat(seen.length - 1), fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 4 }), fc.nat(8), fc.boolean(), (index, changes, cut, fromA) => {
    const bytes = Buffer.from(seen[index] ?? []);
    for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
    b.agent.receive(bytes.subarray(0, bytes.length - cut), fromA ? A4 : STRANGER, net.now);
    return JSON.stringify(stateOf(b)) === before;
  }), { seed: 15, numRuns: 3000 });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => { a.agent.receive(Buffer.from(bytes), STRANGER, net.now); }), { seed: 15, numRuns: 500 });
});

// Two of our DTLS ends on a wire that loses, repeats and reorders, and what is refused.
import t from 'tap';
import type { Test } from 'tap';
import fc from 'fast-check';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { DtlsEndpoint, makeCertificate } from '../../../lib/media/dtls/index.js';
import { encodeClientHello, HANDSHAKE } from '../../../lib/media/dtls/messages.js';
import { encodeFragment, encodeMessage } from '../../../lib/media/dtls/fragments.js';
import { clientExtensions, OFFERED_SUITES } from '../../../lib/media/dtls/negotiation.js';
import { ReplayWindow } from '../../../lib/util/replayWindow.js';
import { readRecords, RECORD, RecordWriter } from '../../../lib/media/dtls/records.js';
import { SRTP_PROFILES } from '../../../lib/media/dtls/srtpProfiles.js';
import { fingerprintsOf, ours, randomOf, soon, theirs, Wire } from './dtlsRig.js';
import type { Fate } from './dtlsRig.js';

const record = (type: number, ...body: number[]): Buffer => new RecordWriter().write(type, 0, Buffer.from(body));

/** Both are up and have each other's keys. */
function areUp(t: Test, { ends: { client, server } }: Wire): void {
  t.same([client.endpoint.state, server.endpoint.state, client.failure, server.failure], ['connected', 'connected', undefined, undefined]);
  t.same(client.keys, { local: server.keys?.remote, remote: server.keys?.local });
  t.not(client.keys?.local.key.equals(client.keys.remote.key), true);
}

t.test('four datagrams, and silence after', async (t) => {
  const wire = new Wire().start().run();
  areUp(t, wire);
  t.equal(wire.now, 1004);
  t.equal(wire.ends.client.keys?.local.suite, 'AES_CM_128_HMAC_SHA1_80');
  t.same([wire.ends.client.keys?.local.key.length, wire.ends.client.keys?.local.salt.length], [16, 14]);
  for (let n = 0; n < 40_000; n++) wire.step();
  t.same([wire.ends.client.sent.length, wire.ends.server.sent.length], [2, 2]);
});

t.test('two handshakes have nothing in common', async (t) => {
  const keys = [1, 2].map(() => new Wire().start().run().ends.client.keys?.local.key.toString('hex'));
  t.not(keys[0], keys[1]);
  const [one, another] = [makeCertificate(), makeCertificate()];
  t.not(one.fingerprint, another.fingerprint);
});

for (const { suite, keyBytes, saltBytes } of SRTP_PROFILES) {
  t.test(suite, async (t) => {
    const wire = new Wire(soon, { client: { profiles: [suite, 'AES_CM_128_HMAC_SHA1_80'] }, server: { profiles: [suite] } }).start().run();
    areUp(t, wire);
    t.match(wire.ends.server.keys, { local: { suite }, remote: { suite } });
    t.same([wire.ends.server.keys?.remote.key.length, wire.ends.server.keys?.remote.salt.length], [keyBytes, saltBytes]);
  });
}

t.test('loss, delay, repetition and reordering, each way', async (t) => {
  let lost = 0;
  let slowest = 0;
  fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 31 }), fc.constantFrom(0, 0.1, 0.4), (seed, loss) => {
    const random = randomOf(seed);
    const wire = new Wire((bytes) => {
      if (random() < loss) {
        lost++;
        return [];
      }
      return [1 + 90 * random(), ...(random() < 0.2 ? [300 * random()] : [])].map((after) => ({ after, bytes }));
    }).start().run();
    const { client, server } = wire.ends;
    slowest = Math.max(slowest, wire.now - 1000);
    return [client, server].every(({ endpoint }) => endpoint.state === 'connected') && client.keys?.local.key.equals(server.keys?.remote.key ?? Buffer.alloc(0)) === true
      && server.keys?.local.salt.equals(client.keys.remote.salt) === true;
  }), { seed: 15, numRuns: 300 });
  t.ok(lost > 300, `${lost} datagrams were lost`);
  t.ok(slowest < 20_000, `the slowest took ${slowest} ms`);
});

t.test('records of a datagram that arrive one by one, and backwards', async (t) => {
  const apart: Fate = (bytes) => [...readRecords(bytes)].reverse().map(({ type, place, body }, n) => {
    const head = Buffer.concat([Buffer.of(type, 0xfe, 0xfd), place, Buffer.of(body.length >> 8, body.length & 0xff)]);
    return { after: 1 + n, bytes: Buffer.concat([head, body]) };
  });
  const wire = new Wire(apart).start().run();
  areUp(t, wire);
  t.ok(wire.now < 1050, 'without anything sent twice');
});

t.test('the first repetition is soon, later ones are rarer, and after half a minute it is over', async (t) => {
  const at: number[] = [];
  const wire = new Wire((_, from) => { if (from === 'client') at.push(wire.now - 1000); return []; });
  wire.start().run();
  t.same(at.slice(0, 8), [0, 50, 150, 350, 750, 1550, 2550, 3550]);
  t.ok(at.length < 40);
  t.same(wire.ends.client.failure, { reason: 'no handshake within 30 seconds', kind: 'timeout' });
  t.same(wire.ends.server.failure, { reason: 'no handshake within 30 seconds', kind: 'timeout' });
  t.equal(wire.now - 1000, 30_000);
});

t.test('the last flight goes again when the client repeats its own', async (t) => {
  let n = 0;
  const wire = new Wire((bytes, from) => (from === 'server' && (n++ === 1 || n === 3) ? [] : soon(bytes, from))).start().run();
  areUp(t, wire);
  t.same([wire.ends.server.connectedAt, wire.ends.client.connectedAt], [1003, 1157]);
  t.equal(wire.ends.client.sent.length, 4);
});

t.test('a certificate that the description does not name', async (t) => {
  const wrong = fingerprintsOf(makeCertificate());
  for (const [side, other] of [['client', 'server'], ['server', 'client']] as const) {
    const wire = new Wire(soon, { [side]: { fingerprints: wrong } }).start().run();
    t.same(wire.ends[side].failure, { reason: 'the certificate is not the one that a=fingerprint names', kind: 'fingerprint' });
    t.equal(wire.ends[side].endpoint.state, 'failed');
    t.equal(wire.ends[side].keys, undefined);
    t.same([...readRecords(wire.ends[side].sent.at(-1) ?? Buffer.alloc(0))].map(({ type, body }) => [type, ...body]), [[RECORD.alert, 2, 42]], 'it is told bad_certificate');
    t.same(wire.ends[other].failure, { reason: 'the far end has sent bad_certificate', kind: 'handshake' });
    t.ok(wire.now > 10_000, 'the other one, who cannot know whose alert it is, waits');
  }
});

t.test('another certificate around the true key, put into the true flight by a stranger', async (t) => {
  // It is in the clear and not signed for; a letter of the name is changed.
  const forged = Buffer.from(theirs.der);
  const at = forged.indexOf(Buffer.from('550403', 'hex')) + 6;
  forged.writeUInt8(forged.readUInt8(at) === 0x61 ? 0x62 : 0x61, at);
  let first = true;
  const wire = new Wire((bytes, from) => {
    const found = from === 'server' && first ? bytes.indexOf(theirs.der) : -1;
    if (found < 0) return soon(bytes, from);
    first = false;
    const changed = Buffer.from(bytes);
    forged.copy(changed, found);
    return [{ after: 1, bytes: changed }];
  }).start().run();
  t.notOk(first);
  areUp(t, wire);
  t.ok(wire.now < 1200, `${wire.now}`);
});

t.test('several fingerprints', async (t) => {
  const { hash, value } = fingerprintsOf(theirs)[0] ?? { hash: '', value: '' };
  const with_ = (...fingerprints: { hash: string; value: string }[]): string => new Wire(soon, { client: { fingerprints } }).start().run().ends.client.endpoint.state;
  t.equal(with_({ hash: 'sha-1', value: 'AA:BB' }, { hash, value }), 'connected', 'one of them');
  t.equal(with_({ hash: 'SHA-256', value: value.toLowerCase() }), 'connected', 'however it is written');
  t.equal(with_(), 'failed', 'none');
  for (const name of ['sha1', 'sha384', 'sha512', 'sha224', 'md5']) {
    const digest = createHash(name).update(theirs.der).digest('hex').toUpperCase().replace(/..(?=.)/g, '$&:');
    t.equal(with_({ hash: name.replace('sha', 'sha-'), value: digest }), ['sha1', 'md5'].includes(name) ? 'failed' : 'connected', name);
  }
});

t.test('who shows the right certificate without its key', async (t) => {
  const thief = (certificate: typeof ours) => ({ ...certificate, key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey });
  for (const [side, other, certificate] of [['client', 'server', thief(ours)], ['server', 'client', thief(theirs)]] as const) {
    const wire = new Wire(soon, { [side]: { certificate } }).start().run();
    t.same(wire.ends[other].failure, { reason: 'a signature does not verify', kind: 'handshake' });
    t.equal(wire.ends[other].keys, undefined);
    t.ok(wire.now - 1000 >= 10_000, 'it has the time that an honest one would need');
  }
});

t.test('nothing in common', async (t) => {
  const wire = new Wire(soon, { client: { profiles: ['AEAD_AES_128_GCM'] }, server: { profiles: ['AES_CM_128_HMAC_SHA1_80'] } }).start().run();
  t.same(wire.ends.server.failure, { reason: 'no SRTP profile in common', kind: 'handshake' });
  t.same(wire.ends.client.failure?.kind, 'handshake');
});

t.test('close_notify', async (t) => {
  const wire = new Wire().start().run();
  const { client, server } = wire.ends;
  // What anybody can write, and what has been there.
  for (const bytes of [record(RECORD.alert, 2, 40), record(RECORD.alert, 1, 0), ...client.sent, record(23, 1, 2, 3)]) server.endpoint.receive(bytes, wire.now + 1);
  t.equal(server.endpoint.state, 'connected');
  client.endpoint.close();
  client.endpoint.close();
  wire.step();
  t.same([client.endpoint.state, server.endpoint.state], ['closed', 'closed']);
  t.same([client.failure, server.failure], [undefined, { reason: 'the far end has closed', kind: 'closed' }]);
  t.equal([...readRecords(client.sent.at(-1) ?? Buffer.alloc(0))][0]?.epoch, 1, 'sealed');
});

t.test('close during the handshake: not a word more', async (t) => {
  const wire = new Wire();
  wire.start();
  wire.ends.client.endpoint.close();
  for (let n = 0; n < 1000; n++) wire.step();
  t.equal(wire.ends.client.sent.length, 1);
  t.equal(wire.ends.client.failure, undefined);
});

t.test('strangers in the middle of it do not end it', async (t) => {
  const other = new Wire(soon, { client: { certificate: makeCertificate() } }).start().run();
  const junk = [record(RECORD.alert, 2, 40), record(RECORD.alert, 2, 0), record(RECORD.alert, 1, 0), record(RECORD.changeCipherSpec, 1), record(RECORD.handshake), record(RECORD.handshake, 14, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0),
    ...[1, 4, 5, 6].map((n) => record(RECORD.handshake, 20, 0, 0, 12, 0, n, 0, 0, 0, 0, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)), Buffer.of(22), Buffer.alloc(20, 22)];
  for (const [role, from] of [['client', other.ends.server], ['server', other.ends.client]] as const) {
    for (const first of [0, 1, 2, 3]) {
      // Another's flights, and nonsense, arrive before each of the true ones.
      let n = 0;
      const wire: Wire = new Wire((bytes, side) => {
        if (side !== role && n++ >= first && n < 6) for (const stranger of [...from.sent, ...junk]) wire.deliver(role, stranger);
        return soon(bytes, side);
      });
      wire.start();
      if (role === 'server' && first === 0) for (const stranger of from.sent) wire.ends.server.endpoint.receive(stranger, wire.now);
      wire.run();
      areUp(t, wire);
      t.ok(wire.now < 2000, `${role} ${first}: ${wire.now}`);
    }
  }
});

t.test('a browser that would rather speak 1.3: a ClientHello in pieces, with versions and keys that 1.2 does not know', async (t) => {
  const sent: Buffer[] = [];
  const server = new DtlsEndpoint({ role: 'server', certificate: theirs, fingerprints: fingerprintsOf(ours), events: { send: (one) => sent.push(one), connected: () => undefined, failed: () => undefined } });
  const extensions = new Map([...clientExtensions(SRTP_PROFILES), [43, Buffer.of(4, 0xfe, 0xfc, 0xfe, 0xfd)], [51, Buffer.alloc(1260, 7)], [0x0a0a, Buffer.alloc(0)]]);
  const hello = encodeMessage(HANDSHAKE.clientHello, 0, encodeClientHello({ version: 0xfefd, random: Buffer.alloc(32, 1), cookie: Buffer.alloc(0), suites: [0x1301, 0x0a0a, ...OFFERED_SUITES], extensions }));
  const writer = new RecordWriter();
  for (const at of [1000, 0, 500]) server.receive(writer.write(RECORD.handshake, 0, encodeFragment(hello, at, Math.min(500 + (at === 1000 ? 500 : 0), hello.body.length - at)), true), 1);
  t.equal(sent.length, 1);
  const [first] = readRecords(sent[0] ?? Buffer.alloc(0));
  t.equal(first?.body.readUInt8(0), HANDSHAKE.serverHello);
  t.equal(first?.body.readUInt16BE(12), 0xfefd);
});

t.test('a record counts once, and not when it is long past', async (t) => {
  const window = new ReplayWindow();
  for (const n of [0, 5, 3, 2 ** 40]) {
    t.ok(window.isNew(n));
    window.take(n);
    t.notOk(window.isNew(n));
  }
  t.same([2 ** 40 - 224, 2 ** 40 - 223, 2 ** 40 + 1, 4].map((n) => window.isNew(n)), [false, true, true, false]);
});

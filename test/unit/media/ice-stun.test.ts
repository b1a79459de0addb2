// STUN messages: the vectors of RFC 5769, what is refused, and that reading costs no more than its length.
import t from 'tap';
import fc from 'fast-check';
import { parseMessage } from 'werift';
import { crc32 } from '../../../lib/media/ice/crc32.js';
import { isSealed, readStun, writeStun, type StunAttributes, type StunKind, type StunMessage } from '../../../lib/media/ice/stun.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
const read = (bytes: Buffer): StunMessage => readStun(bytes) ?? t.bailout('unread') as never;
const PASSWORD = 'VOkJxbRl1RmTxUk/WvJxBt';
const TRANSACTION = 'b7e7a701bc34d686fa87dfae';

const request = hex(`
  00 01 00 58 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae 80 22 00 10 53 54 55 4e 20 74 65 73 74 20 63 6c 69 65 6e 74
  00 24 00 04 6e 00 01 ff 80 29 00 08 93 2f f9 b1 51 26 3b 36 00 06 00 09 65 76 74 6a 3a 68 36 76 59 20 20 20
  00 08 00 14 9a ea a7 0c bf d8 cb 56 78 1e f2 b5 b2 d3 f2 49 c1 b5 71 a2 80 28 00 04 e5 7a 3b cf`);
const response4 = hex(`
  01 01 00 3c 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae 80 22 00 0b 74 65 73 74 20 76 65 63 74 6f 72 20
  00 20 00 08 00 01 a1 47 e1 12 a6 43 00 08 00 14 2b 91 f5 99 fd 9e 90 c3 8c 74 89 f9 2a f9 ba 53 f0 6b e7 d7 80 28 00 04 c0 7d 4c 96`);
const response6 = hex(`
  01 01 00 48 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae 80 22 00 0b 74 65 73 74 20 76 65 63 74 6f 72 20
  00 20 00 14 00 02 a1 47 01 13 a9 fa a5 d3 f1 79 bc 25 f4 b5 be d2 b9 d9
  00 08 00 14 a3 82 95 4e 4b e6 7b f1 17 84 c9 7c 82 92 c2 75 bf e3 ed 41 80 28 00 04 c8 fb 0b 4c`);

t.test('RFC 5769: the request of §2.1', async (t) => {
  const message = read(request);
  t.match(message, { kind: 'request', transaction: TRANSACTION, username: 'evtj:h6vY', priority: 0x6e0001ff, controlled: 0x932ff9b151263b36n, hasFingerprint: true, notUnderstood: [] });
  t.equal(message.useCandidate, undefined);
  t.ok(isSealed(message, PASSWORD));
  t.notOk(isSealed(message, `${PASSWORD}x`));
});

t.test('RFC 5769: the responses of §2.2 and §2.3', async (t) => {
  for (const [bytes, address] of [[response4, '192.0.2.1'], [response6, '2001:db8:1234:5678:11:2233:4455:6677']] as const) {
    const message = read(bytes);
    t.match(message, { kind: 'success', transaction: TRANSACTION, mapped: { address, port: 32853 }, hasFingerprint: true });
    t.ok(isSealed(message, PASSWORD));
    t.match(read(writeStun('success', TRANSACTION, { mapped: { address, port: 32853 } }, PASSWORD)).mapped, { address, port: 32853 });
  }
});

t.test('one octet that is another is noticed: by the fingerprint, and by the seal where that is mended', async (t) => {
  for (let at = 0; at < request.length; at += 1) {
    const bytes = Buffer.from(request);
    bytes[at]! ^= 1;
    // With its own number changed it is no FINGERPRINT, and a check without one is refused.
    t.notOk(readStun(bytes)?.hasFingerprint, `octet ${at}`);
    if (at >= bytes.length - 8) continue;
    bytes.writeUInt32BE((crc32(bytes.subarray(0, -8)) ^ 0x5354554e) >>> 0, bytes.length - 4);
    const mended = readStun(bytes);
    t.notOk(mended !== null && isSealed(mended, PASSWORD), `octet ${at}, with a right fingerprint`);
  }
});

t.test('what stands behind the seal is not said', async (t) => {
  const bare = writeStun('request', TRANSACTION, { username: 'a:b', priority: 1 }, 'secret');
  const late = Buffer.concat([bare.subarray(0, -8), hex('00250000')]);
  late.writeUInt16BE(late.length + 8 - 20, 2);
  const crc = Buffer.alloc(8);
  crc.writeUInt32BE(0x80280004);
  crc.writeUInt32BE((crc32(late) ^ 0x5354554e) >>> 0, 4);
  const message = read(Buffer.concat([late, crc]));
  t.ok(isSealed(message, 'secret'), 'the seal does not cover it');
  t.equal(message.useCandidate, undefined);
});

t.test('of what comes twice the first counts; what must be understood is named', async (t) => {
  const twice = Buffer.concat([writeStun('request', TRANSACTION, { priority: 7 }, null).subarray(0, -8), hex('00240004 00000009'), hex('7001 0001 ff000000'), hex('c057 0000')]);
  twice.writeUInt16BE(twice.length - 20, 2);
  const message = read(twice);
  t.equal(message.priority, 7);
  t.same(message.notUnderstood, [0x7001]);
  t.equal(message.hasFingerprint, false);
});

t.test('malformed messages are none', async (t) => {
  const plain = (attributes: string, type = '0001'): Buffer => {
    const body = hex(attributes);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(body.length);
    return Buffer.concat([hex(type), length, hex('2112a442'), hex(TRANSACTION), body]);
  };
  t.ok(readStun(plain('')), 'the shortest of all');
  for (const [name, bytes] of Object.entries({
    empty: Buffer.alloc(0), short: request.subarray(0, 16), 'cut off': request.subarray(0, -4), 'another cookie': Buffer.concat([request.subarray(0, 4), Buffer.alloc(4), request.subarray(8)]),
    'another method': plain('', '0003'), 'an attribute that ends too late': plain('00240008 00000001'), 'a short priority': plain('00240002 00010000'), 'a short tie-breaker': plain('802a0004 00000001'),
    'a seal of another size': plain('00080010 00000000000000000000000000000000'), 'an address of no family': plain('00200008 0003 0000 00000000'), 'IPv6 in four octets': plain('00200008 0002 0000 00000000'),
    'an error without a code': plain('00090002 00000000'), 'too long': plain(`8022 0600 ${'00'.repeat(0x600)}`),
  })) t.equal(readStun(bytes), null, name);
});

t.test('werift reads what we write, and whatever is written is read again', async (t) => {
  const attributes: StunAttributes = { username: 'abcd:efgh', priority: 0x7effffff, controlling: 0xffff_ffff_ffff_fffen, useCandidate: true };
  const theirs = parseMessage(writeStun('request', TRANSACTION, attributes, PASSWORD), Buffer.from(PASSWORD));
  t.same(['USERNAME', 'PRIORITY', 'ICE-CONTROLLING'].map((name) => theirs?.getAttributeValue(name as 'USERNAME')), ['abcd:efgh', 0x7effffff, 0xffff_ffff_ffff_fffen]);
  t.ok(theirs?.attributesKeys.includes('USE-CANDIDATE'));
  const refusal = parseMessage(writeStun('error', TRANSACTION, { error: { code: 487, reason: 'Role Conflict' } }, PASSWORD), Buffer.from(PASSWORD));
  t.same(refusal?.getAttributeValue('ERROR-CODE'), [487, 'Role Conflict']);
  const of = fc.record({
    username: fc.string({ maxLength: 100 }), priority: fc.nat(), controlling: fc.bigInt(0n, 2n ** 64n - 1n), controlled: fc.bigInt(0n, 2n ** 64n - 1n), useCandidate: fc.constant(true),
    mapped: fc.record({ address: fc.oneof(fc.ipV4(), fc.constant('2001:db8::7')), port: fc.nat(65535) }),
    error: fc.record({ code: fc.integer({ min: 300, max: 699 }), reason: fc.string({ maxLength: 50 }) }), unknown: fc.array(fc.nat(65535), { minLength: 1, maxLength: 9 }),
  }, { requiredKeys: [] });
  fc.assert(fc.property(of, fc.constantFrom<StunKind>('request', 'indication', 'success', 'error'), fc.option(fc.string()), (said, kind, password) => {
    const message = read(writeStun(kind, TRANSACTION, said, password));
    t.match(message, { ...said, kind, transaction: TRANSACTION, hasFingerprint: true });
    return isSealed(message, password ?? '') === (password !== null);
  }), { seed: 15, numRuns: 300 });
});

t.test('any bytes are read without a throw', async () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat(3), (tail, cut) => {
    const bytes = Buffer.concat([request.subarray(0, 20), Buffer.from(tail)]).subarray(0, 20 + tail.length - Math.min(tail.length, cut));
    bytes.writeUInt16BE(bytes.length - 20, 2);
    readStun(bytes);
  }), { seed: 15, numRuns: 2000 });
});

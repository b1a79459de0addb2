import assert from 'node:assert/strict';
import t from 'tap';
import fc from 'fast-check';
import { judgeUpgrade } from '../../../lib/sipserver/transport/websocket/upgrade.js';
import { WebSocketFramer } from '../../../lib/sipserver/transport/websocket/framer.js';

const HEAD = {
  Host: 'sbc.example.net:7443', Upgrade: 'websocket', Connection: 'keep-alive, Upgrade', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Protocol': 'sip',
};
const head = (more: Record<string, string | null> = {}, start = 'GET / HTTP/1.1'): string =>
  [start, ...Object.entries({ ...HEAD, ...more }).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}`]))].join('\r\n');
const status = (more: Record<string, string | null>, origins: string[] | null = null, start?: string): number => Number(judgeUpgrade(head(more, start), origins).response.split(' ')[1]);

/** A frame of a client's, masked. */
function frame(opcode: number, payload: string | Buffer, { fin = true, masked = true, reserved = 0, length, form }: { fin?: boolean; masked?: boolean; reserved?: number; length?: bigint; form?: 126 | 127 } = {}): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const said = length ?? BigInt(bytes.length);
  const short = form ?? (said < 126n ? Number(said) : said < 65_536n ? 126 : 127);
  const size = Buffer.alloc(short < 126 ? 0 : short === 126 ? 2 : 8);
  if (short === 126) size.writeUInt16BE(Number(said));
  if (short === 127) size.writeBigUInt64BE(said);
  const mask = Buffer.from([1, 2, 3, 250]);
  return Buffer.concat([Buffer.of((fin ? 0x80 : 0) | reserved | opcode, (masked ? 0x80 : 0) | short), size, ...(masked ? [mask, bytes.map((byte, i) => byte ^ mask[i & 3]!)] : [bytes])]);
}

/** One that is open. */
function open(maxBytes = 1000): WebSocketFramer {
  const framer = new WebSocketFramer(maxBytes, null);
  framer.push(Buffer.from(`${head()}\r\n\r\n`));
  return framer;
}

const found = (framer: WebSocketFramer, ...frames: Buffer[]): string[] => framer.push(Buffer.concat(frames)).map((one) =>
  (one.kind === 'message' ? one.bytes.toString('latin1') : one.kind === 'fault' ? `${one.reason} ${one.bytes?.readUInt16BE(2)}` : one.kind === 'ping' ? `ping ${one.pong?.toString('latin1') ?? '-'}` : one.kind));

t.test('a WebSocket is opened for SIP, and for the pages that may', async (t) => {
  const { accepted, response } = judgeUpgrade(head(), null);
  t.ok(accepted);
  // The example of RFC 6455 §1.3.
  t.match(response, /^HTTP\/1\.1 101 .*\r\n(?:.*\r\n)*Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\nSec-WebSocket-Protocol: sip\r\n\r\n$/);
  t.equal(status({ 'Sec-WebSocket-Protocol': 'chat, SIP', Upgrade: 'WebSocket', Connection: 'upgrade' }), 101);
  t.equal(status({ 'Sec-WebSocket-Protocol': null }), 400, 'no subprotocol');
  t.equal(status({ 'Sec-WebSocket-Protocol': 'chat' }), 400);
  t.equal(status({ Upgrade: null }), 426, 'a browser that was sent here');
  t.equal(status({ Connection: 'close' }), 426);
  t.equal(status({ 'Sec-WebSocket-Version': '8' }), 426);
  for (const key of ['', 'short', `${HEAD['Sec-WebSocket-Key']}x`, 'dGhlIHNhbXBsZSBub25j']) t.equal(status({ 'Sec-WebSocket-Key': key }), 400, `key ${key}`);
  for (const more of [{ Host: null } as Record<string, string | null>, { Host: 'a b' }, { Host: 'a/b' }, { 'Content-Length': '5' }, { 'Transfer-Encoding': 'chunked' }, { 'X Y': '1' }]) t.equal(status(more), 400, JSON.stringify(more));
  t.equal(judgeUpgrade(`${head()}\r\nHost: other.example.net`, null).accepted, false, 'two hosts');
  t.equal(judgeUpgrade(`${head()}\r\n folded`, null).accepted, false);
  t.equal(status({}, null, 'POST / HTTP/1.1'), 405);
  t.equal(status({}, null, 'GET / HTTP/1.0'), 505);
  t.equal(status({}, null, 'OPTIONS sip:h SIP/2.0'), 400);
  t.equal(status({}, null, '\x16\x03\x01'), 400, 'TLS, or anything else');
});

t.test('origins', async (t) => {
  for (const origin of ['https://sbc.example.net', 'https://sbc.example.net:8080', 'http://SBC.example.net']) t.equal(status({ Origin: origin }), 101, origin);
  for (const origin of ['https://evil.example', 'https://sbc.example.net.evil.example', 'https://sbc.example.net@evil.example', 'https://evil.example/sbc.example.net', 'null', '', 'file://', 'sbc.example.net']) {
    t.equal(status({ Origin: origin }), 403, `"${origin}"`);
    t.equal(judgeUpgrade(head({ Origin: origin }), null).foreign, origin);
  }
  t.equal(status({ Origin: 'https://crm.example.net' }, ['https://crm.example.net']), 101);
  t.equal(status({ Origin: 'https://sbc.example.net' }, ['https://crm.example.net']), 403, 'the list says it all');
  t.equal(status({ Origin: 'https://crm.example.net:444' }, ['https://crm.example.net']), 403, 'another port is another page');
  t.equal(status({ Origin: 'null' }, ['*']), 101);
  t.equal(status({}, ['https://crm.example.net']), 101, 'no browser');
});

t.test('messages come out whole however the stream and the messages are cut', async () => {
  fc.assert(fc.property(
    fc.array(fc.array(fc.string({ maxLength: 200, unit: fc.constantFrom('a', '\r', '\n', ' ') }), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 }),
    fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 30 }), (messages, cuts) => {
      const stream = Buffer.concat([Buffer.from(`${head()}\r\n\r\n`), ...messages.flatMap((pieces) => pieces.map((piece, i) => Buffer.concat([
        frame(i === 0 ? 1 : 0, piece, { fin: i === pieces.length - 1 }), ...(i % 2 === 0 ? [frame(10, 'a pong in between')] : []),
      ])))]);
      const framer = new WebSocketFramer(1000, null);
      const out: string[] = [];
      for (let at = 0, i = 0; at < stream.length; i++) {
        const end = at + cuts[i % cuts.length]!;
        for (const one of framer.push(stream.subarray(at, end))) if (one.kind === 'message') out.push(one.bytes.toString('latin1'));
        at = end;
      }
      const whole = messages.map((pieces) => pieces.join(''));
      assert.deepEqual(out, whole.filter((text) => text.length > 125 || !/^[\r\n]*$/.test(text)));
      assert.equal(framer.pending, false);
    }), { numRuns: 300, seed: 1 });
});

t.test('keep-alives of both kinds', async (t) => {
  const framer = open();
  t.same(found(framer, frame(1, '\r\n\r\n')), ['ping \x81\x02\r\n']);
  t.same(found(framer, frame(1, '\r\n'), frame(1, ''), frame(10, '')), ['ping -', 'ping -', 'ping -'], 'a pong, and nothing');
  t.same(found(framer, frame(9, 'hello')), ['ping \x8a\x05hello']);
  t.same([...framer.ping ?? []], [0x89, 0]);
  t.equal(framer.pending, false);
});

t.test('what breaks the protocol ends it', async (t) => {
  const message = 'OPTIONS sip:h SIP/2.0\r\n\r\n';
  const broken: Record<string, [string, ...Buffer[]]> = {
    'not masked': ['protocol 1002', frame(1, message, { masked: false })],
    'an extension nobody agreed on': ['protocol 1002', frame(1, message, { reserved: 0x40 })],
    'a frame of no kind': ['protocol 1002', frame(3, message)],
    'a control frame of no kind': ['protocol 1002', frame(11, '')],
    'a ping in pieces': ['protocol 1002', frame(9, '', { fin: false })],
    'a long ping': ['protocol 1002', frame(9, 'x'.repeat(126))],
    'the rest of nothing': ['protocol 1002', frame(0, message)],
    'a message within a message': ['protocol 1002', frame(1, message, { fin: false }), frame(1, message)],
    'ten megabytes': ['too large 1009', frame(1, message, { length: 10_000_000n })],
    'more than there is': ['protocol 1002', frame(1, message, { length: 2n ** 63n })],
    'nearly so much': ['too large 1009', frame(1, message, { length: 2n ** 63n - 2n ** 20n })],
    'a short length in two octets': ['protocol 1002', frame(1, message, { form: 126 })],
    'a short length in eight octets': ['protocol 1002', frame(1, message, { form: 127 })],
    'a length of two octets in eight': ['protocol 1002', frame(1, 'x'.repeat(200), { form: 127 })],
    'the same of a ping': ['protocol 1002', frame(9, 'x', { form: 126 })],
    'half a close code': ['protocol 1002', frame(8, '\x03')],
    ...Object.fromEntries([0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535].map((code) => [`close code ${code}`, ['protocol 1002', frame(8, Buffer.of(code >> 8, code & 0xff))]] as const)),
    'a reason to close that is no text': ['protocol 1007', frame(8, '\x03\xe8\xff')],
    'ten megabytes in pieces': ['too large 1009', frame(1, 'x'.repeat(900), { fin: false }), frame(0, 'x'.repeat(101))],
    'pieces without end': ['protocol 1008', frame(1, 'x', { fin: false }), ...Array.from({ length: 256 }, () => frame(0, '', { fin: false }))],
    'text that is none': ['protocol 1007', frame(1, '\xff\xfe')],
  };
  for (const [what, [wanted, ...frames]] of Object.entries(broken)) {
    const framer = open();
    t.same(found(framer, ...frames), [wanted], what);
    t.same(found(framer, frame(1, message)), [], 'nothing is read after that');
    t.equal(framer.farewell, undefined);
  }
  t.same(found(open(), frame(2, '\xff\xfe')), ['\xff\xfe'], 'binary may be anything');
  t.same(open().push(frame(8, '\x03\xe8bye')).map((one) => [one.kind, 'bytes' in one ? one.bytes?.toString('hex') : '']), [['end', '880203e8']]);
  for (const code of [1001, 1003, 1007, 1011, 1014, 3000, 4999]) t.equal(open().push(frame(8, Buffer.of(code >> 8, code & 0xff)))[0]?.kind, 'end', `${code} is one`);
  t.same(open().push(frame(8, '')).map((one) => ('bytes' in one ? one.bytes?.toString('hex') : '')), ['8800']);
  const endless = new WebSocketFramer(1000, null);
  t.same(found(endless, Buffer.alloc(8191, 97)), []);
  t.ok(endless.pending);
  t.same(found(endless, Buffer.alloc(1, 97)), ['refused'], 'a head without end');
});

t.test('what we send', async (t) => {
  const framer = open();
  t.same([...framer.encode('OK')], [0x81, 2, 79, 75]);
  t.equal(framer.encode('\xff')[0], 0x82, 'no text: binary');
  t.equal(framer.encode(Buffer.from('é').toString('latin1'))[0], 0x81);
  t.same([...framer.encode('x'.repeat(126)).subarray(0, 4)], [0x81, 126, 0, 126]);
  t.same([...framer.encode('x'.repeat(70_000)).subarray(0, 10)], [0x81, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
  t.equal(framer.farewell?.toString('hex'), '880203e9');
});

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import fc from 'fast-check';
import t from 'tap';
import { bdecode, bencode, type Bencoded } from '../../../lib/media/rtpengine/bencode.js';
import { NgClient } from '../../../lib/media/rtpengine/ngClient.js';

t.test('bencode: what is written reads the same', async (t) => {
  t.equal(bencode({ command: 'offer', n: -3, flags: ['a', 'bé'], none: undefined }), 'd7:command5:offer1:ni-3e5:flagsl1:a3:béee');
  const value = fc.letrec<{ any: Bencoded }>((tie) => ({
    any: fc.oneof({ depthSize: 'small' }, fc.integer(), fc.string({ unit: 'binary' }), fc.array(tie('any')), fc.dictionary(fc.string(), tie('any'), { noNullPrototype: true })),
  })).any;
  fc.assert(fc.property(value, (one) => { t.same(bdecode(Buffer.from(bencode(one))), one); }), { numRuns: 200 });
});

t.test('bencode: what is broken throws a RangeError, nothing else', async (t) => {
  for (const text of ['', 'i', 'ie', 'i1', '5:abc', '-1:a', 'l', 'li1e', 'd1:a', 'di1ei2ee', 'i1ei2e', 'x', `${'l'.repeat(1000)}${'e'.repeat(1000)}`, '99999999999999999999:a']) {
    t.throws(() => bdecode(Buffer.from(text)), RangeError, text.slice(0, 20));
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
    try { bdecode(Buffer.from(bytes)); } catch (error) { if (!(error instanceof RangeError)) throw error; }
  }), { numRuns: 5000 });
});

async function engine(answer: (body: Buffer, count: number) => string | null): Promise<{ client: NgClient; cookies: string[]; close(): void }> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const cookies: string[] = [];
  socket.on('message', (data, from) => {
    const space = data.indexOf(0x20);
    cookies.push(data.toString('latin1', 0, space));
    const text = answer(data.subarray(space + 1), cookies.length);
    if (text !== null) socket.send(Buffer.concat([data.subarray(0, space + 1), Buffer.from(text)]), from.port, from.address);
  });
  const client = new NgClient('127.0.0.1', socket.address().port);
  return { client, cookies, close: () => { client.close(); socket.close(); } };
}

t.test('a request is repeated with its cookie until it is answered, and answered once', async (t) => {
  const { client, cookies, close } = await engine((_body, count) => (count < 3 ? null : 'd6:result4:ponge'));
  t.match(await client.request('ping'), { result: 'pong' });
  t.equal(cookies.length, 3);
  t.equal(new Set(cookies).size, 1);
  close();
});

t.test('many requests at once find their own answers', async (t) => {
  const { client, close } = await engine((body) => { const { n } = bdecode(body) as { n: number }; return bencode({ result: 'ok', n }); });
  const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => client.request('offer', { n })));
  t.same(answers.map((one) => one['n']), Array.from({ length: 200 }, (_, n) => n));
  close();
});

t.test('refusal, exhaustion, silence, nonsense and closing are told apart', async (t) => {
  const cases: [string | null, { code: string; message?: RegExp }][] = [
    ['d6:result5:error12:error-reason15:Unknown call-ide', { code: 'MEDIA_REFUSED', message: /Unknown call-id/ }],
    ['d6:result5:error12:error-reason16:Ran out of portse', { code: 'MEDIA_UNAVAILABLE' }],
    ['d6:result10:load limit7:message30:Parallel session limit reachede', { code: 'MEDIA_UNAVAILABLE' }],
    ['d6:result5:error12:error-reason30:Unsupported transport protocole', { code: 'MEDIA_REFUSED' }],
    ['d6:result10:load limite', { code: 'MEDIA_UNAVAILABLE' }],
    [null, { code: 'MEDIA_UNAVAILABLE', message: /does not answer offer/ }],
    ['i5e', { code: 'MEDIA_REFUSED', message: /unreadable/ }],
    ['???', { code: 'MEDIA_REFUSED', message: /unreadable/ }],
  ];
  for (const [text, expected] of cases) {
    const { client, close } = await engine(() => text);
    await t.rejects(client.request('offer', {}, 400), { ...expected }, `answer ${String(text)}`);
    close();
  }
  const { client, close } = await engine(() => null);
  const waiting = client.request('offer', {}, 5000);
  setTimeout(close, 20);
  await t.rejects(waiting, { code: 'MEDIA_UNAVAILABLE', message: /was closed/ });
  await t.rejects(client.request('ping'), { code: 'MEDIA_UNAVAILABLE' });
});

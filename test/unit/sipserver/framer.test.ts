import assert from 'node:assert/strict';
import t from 'tap';
import fc from 'fast-check';
import { StreamFramer } from '../../../lib/sipserver/transport/index.js';

const message = (n: number, body: string): string => `MESSAGE sip:h SIP/2.0\r\nCall-ID: ${n}\r\nl: ${body.length}\r\n\r\n${body}`;

function push(framer: StreamFramer, text: string): string[] {
  return framer.push(Buffer.from(text, 'latin1')).map((f) => (f.kind === 'message' ? f.bytes.toString('latin1') : f.kind === 'fault' ? f.reason : f.kind));
}

t.test('messages come out whole however the stream is cut', async () => {
  fc.assert(fc.property(
    fc.array(fc.stringMatching(/^[a-z\r\n]{0,30}$/), { minLength: 1, maxLength: 5 }), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 60 }),
    (bodies, cuts) => {
      const messages = bodies.map((b, i) => message(i, b));
      const stream = messages.join('');
      const framer = new StreamFramer(1000);
      const out: string[] = [];
      let at = 0;
      for (let i = 0; at < stream.length; i++) {
        const end = at + (cuts[i % cuts.length] ?? 1);
        out.push(...push(framer, stream.slice(at, end)));
        at = end;
      }
      assert.deepEqual(out, messages);
      assert.equal(framer.pending, false);
    }), { numRuns: 500, seed: 1 });
});

t.test('keep-alives', async (t) => {
  const framer = new StreamFramer(1000);
  t.same(push(framer, '\r\n\r\n'), ['ping']);
  t.same(push(framer, '\r\n'), [], 'a single one is a pong');
  t.equal(framer.pending, false, 'and does not count as a message that has begun');
  t.same(push(framer, '\r\n'), ['ping'], 'the second half of a ping that came in two pieces');
  t.same(push(framer, '\r\n' + message(1, '')), [message(1, '')]);
  t.same(push(framer, '\r\n'), []);
});

t.test('a stream that cannot be cut is given up', async (t) => {
  t.same(push(new StreamFramer(100), 'A'.repeat(101)), ['too large'], 'no end of headers');
  t.same(push(new StreamFramer(100), 'A sip:h SIP/2.0\r\nContent-Length: 90\r\n\r\n'), ['too large'], 'announced body');
  for (const header of ['Content-Length: x', 'Content-Length: -1', 'Content-Length: 99999999999', 'Content-Length: 1\r\nl: 2', 'Content-Type: a/b']) {
    const framer = new StreamFramer(1000);
    t.same(push(framer, `A sip:h SIP/2.0\r\n${header}\r\n\r\n`), ['no length'], header);
    t.same(push(framer, message(1, '')), [], 'nothing is read after that');
  }
  t.same(push(new StreamFramer(1000), 'A sip:h SIP/2.0\r\nL :\r\n 2\r\n\r\nhi'), ['A sip:h SIP/2.0\r\nL :\r\n 2\r\n\r\nhi'], 'folded');
  t.same(push(new StreamFramer(1000), 'BYE sip:h SIP/2.0\r\n\r\n'), ['BYE sip:h SIP/2.0\r\n\r\n'], 'no length and no type: no body');
});

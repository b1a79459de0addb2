// A3: one function finds the session description of any message.
import assert from 'node:assert/strict';
import t from 'tap';
import fc from 'fast-check';
import { readSession, type Session } from '../../../lib/sip/body.js';
import { faultOf, readMessage, wholeBody } from '../../../lib/sip/srfReader.js';

const sdp = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n';
const part = (type: string, body: string, ...more: string[]): string => [`Content-Type: ${type}`, ...more, '', body].join('\r\n');
const mixed = (boundary: string, parts: readonly string[], end = '\r\n'): string => `${parts.map((one) => `--${boundary}\r\n${one}\r\n`).join('')}--${boundary}--${end}`;
const read = (type: string | null, body: string, more: Record<string, string> = {}): Session => readSession(new Map(Object.entries({ ...(type === null ? {} : { 'content-type': type }), ...more })), body);
const found = { ok: true, sdp };

t.test('a body by itself', async (t) => {
  t.same(read('application/sdp', sdp), found);
  t.same(read('Application/SDP ; charset=utf-8', sdp), found);
  t.same(read(null, sdp), found, 'without a type it is what it looks like');
  t.same(read(null, ''), { ok: true, sdp: '' });
  t.same(read('application/pidf+xml', '<x/>'), { ok: true, sdp: '' });
  t.match(read('application/pidf+xml', '<x/>', { 'content-disposition': 'render;handling=required' }), { status: 415 });
  t.match(read('application/cpl+xml', '<x/>'), { status: 415 }, 'required is the default (RFC 3261 §20.11)');
  t.same(read('application/cpl+xml', '<x/>', { 'content-disposition': 'render; handling="optional"' }), { ok: true, sdp: '' });
  t.match(read('application/sdp', sdp, { 'content-encoding': 'gzip' }), { status: 415 });
});

t.test('multipart, as people send it', async (t) => {
  const pidf = part('application/pidf+xml', '<x/>', 'Content-Disposition: render;handling=optional');
  const own = part('application/sdp', sdp);
  t.same(read('multipart/mixed;boundary="uniq-1"', mixed('uniq-1', [own, pidf])), found);
  t.same(read('multipart/mixed; boundary=uniq-1', mixed('uniq-1', [pidf, own])), found, 'in any order');
  t.same(read('Multipart/Mixed;type=x;BOUNDARY="a b:c"', mixed('a b:c', [own])), found, 'a quoted boundary with blanks');
  t.same(read('multipart/mixed;boundary=b', `A preamble\r\nof --b two lines\r\n${mixed('b', [own])}An epilogue --b\r\n--b\r\nx`), found);
  t.same(read('multipart/mixed;boundary=b', mixed('b', [own], '')), found, 'without a line end behind the last delimiter');
  t.same(read('multipart/mixed;boundary=b', `--b  \t\r\n${own}\r\n--b-- \r\n`), found, 'padding');
  t.same(read('multipart/mixed;boundary=b', `--b\r\n${own}`), found, 'the last delimiter missing');
  t.same(read('multipart/mixed;boundary=b', mixed('b', [own, pidf]).replaceAll('\r\n', '\n')), { ok: true, sdp: sdp.replaceAll('\r\n', '\n') }, 'LF alone');
  t.same(read('multipart/mixed;boundary=b', mixed('b', [`c: application/sdp\r\n\r\n${sdp}`, 'Content-Type:\r\n text/plain\r\n\r\nx'])), found, 'compact and folded part headers');
  t.same(read('multipart/related;boundary=b;type="application/sdp"', mixed('b', [own])), found);
  t.same(read('multipart/mixed;boundary=o', mixed('o', [part('multipart/mixed;boundary=oo', mixed('oo', [own])), pidf])), found, 'one in another, whose delimiter begins alike');
  t.same(read('multipart/alternative;boundary=b', mixed('b', [part('application/sdpng', 'x'), own])), found, 'alternatives need not be understood');
  t.same(read('multipart/mixed;boundary=b', mixed('b', [part('application/ISUP;version=itu-t92+', 'x', 'Content-Disposition: signal;handling=required'), own])), found, 'ISUP is for policy to refuse');
  t.same(read('multipart/mixed;boundary=b', mixed('b', [own, part('application/sdp', 'v=0 other', 'Content-Disposition: early-session;handling=optional')])), found);
  t.same(read('multipart/mixed;boundary=b', mixed('b', [pidf])), { ok: true, sdp: '' }, 'none: an INVITE without an offer');
});

t.test('refused', async (t) => {
  const own = part('application/sdp', sdp);
  const status = (session: Session): number => (session.ok ? 200 : session.status);
  t.equal(status(read('multipart/mixed;boundary=b', mixed('b', [own, part('application/vnd.x', '', 'Content-Disposition: signal;handling=required')]))), 415);
  t.equal(status(read('multipart/mixed;boundary=b', mixed('b', [own, part('application/cpl+xml', 'x')]))), 415);
  t.equal(status(read('multipart/mixed;boundary=b', mixed('b', [own, part('application/sdp', 'v=0 other')]))), 415, 'two descriptions');
  t.equal(status(read('multipart/mixed;boundary=b', mixed('b', [part('application/sdp', Buffer.from(sdp).toString('base64'), 'Content-Transfer-Encoding: base64')]))), 415);
  t.equal(status(read('multipart/mixed', mixed('b', [own]))), 400);
  t.equal(status(read(`multipart/mixed;boundary=${'b'.repeat(71)}`, mixed('b'.repeat(71), [own]))), 400, 'a boundary has 70 characters at most');
  t.equal(status(read(`multipart/mixed;boundary=${'b'.repeat(70)}`, mixed('b'.repeat(70), [own]))), 200);
  t.equal(status(read('multipart/mixed;boundary=b', own)), 400, 'no delimiter');
  t.equal(status(read('multipart/mixed;boundary=b', mixed('b', Array.from({ length: 40 }, () => own)))), 400, 'too many parts');
  let nested = own;
  for (let n = 0; n < 8; n++) nested = part(`multipart/mixed;boundary=b${n}`, mixed(`b${n}`, [nested]));
  t.equal(status(read('multipart/mixed;boundary=b', mixed('b', [nested]))), 415, 'too deep');
});

t.test('whatever the parts are, what stands in the one for SDP comes out', async () => {
  const boundary = fc.string({ minLength: 1, maxLength: 70, unit: fc.constantFrom(...'abzAZ09\'()+_,-./:=?') });
  const text = fc.string({ unit: fc.constantFrom('a', '-', '\r\n', '\n', ' ', '--', 'v=0', ':') });
  fc.assert(fc.property(boundary, text, text, text, (b, before, other, after) => {
    fc.pre(![before, other, after].some((one) => one.includes(`--${b}`)));
    const body = `${before}\r\n${mixed(b, [part('text/plain', other), part('application/sdp', sdp)])}${after}`;
    assert.deepEqual(read(`multipart/mixed;boundary="${b}"`, body), found);
  }));
});

t.test('a message has it as its body, and all of the body for policy', async (t) => {
  const whole = mixed('b', [part('application/pidf+xml', '<x/>', 'Content-Disposition: render;handling=optional'), part('application/sdp', sdp)]);
  const text = (line: string, method: string, body = whole): string => `${line}\r\nCSeq: 1 ${method}\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n${body}`;
  for (const [line, method] of [['INVITE sip:a@b SIP/2.0', 'INVITE'], ['ACK sip:a@b SIP/2.0', 'ACK'], ['PRACK sip:a@b SIP/2.0', 'PRACK'], ['UPDATE sip:a@b SIP/2.0', 'UPDATE'], ['SIP/2.0 183 x', 'INVITE'], ['SIP/2.0 200 x', 'UPDATE']] as const) {
    const message = readMessage(text(line, method));
    t.equal(message.body, sdp, line);
    t.equal(wholeBody(message), whole, line);
    t.equal(faultOf(message), null, line);
  }
  t.equal(readMessage(text('MESSAGE sip:a@b SIP/2.0', 'MESSAGE')).body, whole);
  t.match(faultOf(readMessage(text('INVITE sip:a@b SIP/2.0', 'INVITE', 'x'))), { status: 400 });
});

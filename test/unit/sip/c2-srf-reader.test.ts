// C2, M5, M7, N1: what drachtio-srf makes of a message comes from a reader that is linear, never throws, and gives each header once.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import t from 'tap';
import fc from 'fast-check';
import { headerFacts } from '../../../lib/sip/drachtio.js';
import { faultOf, readMessage } from '../../../lib/sip/srfReader.js';
import { sendable } from '../../../lib/sip/srf.js';
import { fuzzMessage, seeded } from '../sipserver/fuzz.js';

const require = createRequire(import.meta.url);

interface Message {
  readonly method?: string;
  readonly status?: number;
  readonly reason?: string;
  readonly uri?: string;
  readonly body: string;
  readonly headers: Record<string, string>;
  get(name: string): string | undefined;
  getParsedHeader(name: string): { uri: string; params: Record<string, string> } & { uri: string }[];
}
const SipMessage = require('drachtio-srf/lib/sip-parser/message') as new (text: string) => Message;

const invite = (...lines: string[]): string => ['INVITE sip:6001@127.0.0.1 SIP/2.0', 'Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1', 'From: <sip:a@b>;tag=1', 'To: <sip:c@d>',
  'Call-ID: 1', 'CSeq: 1 INVITE', ...lines].join('\r\n');

t.test('drachtio-srf reads by it: names, joined lines, compact forms, folding, UTF-8, body', async (t) => {
  const m = new SipMessage(`${invite('m: <sip:a@127.0.0.1:9;x=1>;q=0.5', 'DIVERSION: <tel:+1>', 'diversion: <sip:2@h>', 'Subject: voilà,', '  a folded line', 'Content-Type: application/sdp', 'Content-Length: 8')}\r\n\r\nné\r\n\r\nx`);
  t.equal(m.method, 'INVITE');
  t.equal(m.uri, 'sip:6001@127.0.0.1');
  t.equal(m.get('Diversion'), '<tel:+1>,<sip:2@h>');
  t.equal(m.get('Contact'), '<sip:a@127.0.0.1:9;x=1>;q=0.5');
  t.equal(m.get('subject'), 'voilà, a folded line');
  t.equal(m.body, 'né\r\n\r\nx');
  t.match(m.getParsedHeader('Contact')[0], { uri: 'sip:a@127.0.0.1:9;x=1', params: { q: '0.5' } });
  t.equal(m.getParsedHeader('from').params['tag'], '1');
  t.equal(faultOf(m), null);
});

t.test('an unescaped name stays what it is: %46rom is no From', async (t) => {
  const m = readMessage(`${invite('%46rom: <sip:evil@b>;tag=2', '%41uthorization: Digest x')}\r\n\r\n`);
  t.equal(m.headers['from'], '<sip:a@b>;tag=1');
  t.equal(m.headers['authorization'], undefined);
});

t.test('every text gives a message; what is wrong with it is told, and drachtio-srf keeps that', async (t) => {
  for (const [n, [text, wrong]] of ([
    ['', true], ['x', true], ['INVITE\r\n\r\n', true], ['INVITE sip:a@b\u3000c SIP/2.0\r\n\r\n', false], [invite('no colon') + '\r\n\r\n', true], [invite(), true],
    ['SIP/2.0 999 x\r\n\r\n', true], ['SIP/2.0 200 \u2028\r\nCSeq: 1 INVITE\r\n\r\n', false],
  ] as const).entries()) {
    const m = new SipMessage(text === '' ? 'x' : text);
    t.equal(faultOf(m) !== null, wrong, String(n));
    t.ok(m.method !== undefined || m.status !== undefined, String(n));
    t.type(readMessage(text).body, 'string');
  }
  const random = seeded(20_261);
  for (let n = 0; n < 5000; n++) {
    const m = readMessage(fuzzMessage(random));
    assert.ok((m.method === undefined) !== (m.status === undefined), JSON.stringify(m));
  }
});

t.test('addresses that cannot be read are empty ones, whoever asks', async (t) => {
  const m = new SipMessage(`${invite('Contact: ;<sip:a@b>', 'Record-Route: ,')}\r\n\r\n`);
  t.match(m.getParsedHeader('Contact')[0], { uri: '' });
  t.match(m.getParsedHeader('Record-Route')[0], { uri: '' });
});

t.test('a 2xx that is not known is a 200 to an INVITE, and stays itself elsewhere', async (t) => {
  t.equal(readMessage('SIP/2.0 299 Yes\r\nCSeq: 1 INVITE\r\n\r\n').status, 200);
  t.equal(readMessage('SIP/2.0 202 Yes\r\nCSeq: 1 REFER\r\n\r\n').status, 202);
});

t.test('every status can be sent', async (t) => {
  for (let status = 100; status < 700; status++) assert.equal(Math.floor(sendable(status) / 100), Math.floor(status / 100), String(status));
  t.equal(sendable(607), 603);
  t.equal(sendable(699), 600);
  t.equal(sendable(486), 486);
  t.same([sendable(0), sendable(99), sendable(700), sendable(Number.NaN), sendable(486.5)], [500, 500, 500, 500, 500]);
});

t.test('B11: a quote that is not closed in From is closed where that leaves one reading', async (t) => {
  t.equal(readMessage('INVITE sip:a@b SIP/2.0\r\nFrom: "Bob <sip:6001@pbx>;tag=7\r\n\r\n').headers['from'], '"Bob" <sip:6001@pbx>;tag=7');
  t.equal(readMessage('INVITE sip:a@b SIP/2.0\r\nFrom: "Bob <sip:6001@pbx> <sip:6002@pbx>;tag=7\r\n\r\n').headers['from'], '"Bob <sip:6001@pbx> <sip:6002@pbx>;tag=7');
});

t.test('M7: any casing, order, compact form or split over lines gives the same facts', async () => {
  const names = [['From', 'f'], ['Contact', 'm'], ['Diversion'], ['P-Asserted-Identity'], ['History-Info'], ['Referred-By', 'b'], ['X-Thing'], ['Content-Type', 'c']] as const;
  const spelled = fc.tuple(fc.constantFrom(...names), fc.nat(), fc.nat()).map(([forms, n, upper]) => {
    const name: string = forms[n % forms.length] ?? forms[0];
    return { key: forms[0].toLowerCase(), name: [...name].map((c, i) => ((upper >> (i % 16)) % 2 === 1 ? c.toUpperCase() : c.toLowerCase())).join('') };
  });
  fc.assert(fc.property(fc.array(fc.tuple(spelled, fc.integer()), { maxLength: 12 }), (lines) => {
    const facts = headerFacts(readMessage(`INVITE sip:a@b SIP/2.0\r\n${lines.map(([{ name }, value]) => `${name}: <sip:${value}@h>\r\n`).join('')}\r\n`));
    const expected: Record<string, string> = {};
    for (const [{ key }, value] of lines) expected[key] = `${expected[key] === undefined ? '' : `${expected[key]},`}<sip:${value}@h>`;
    assert.deepEqual(facts, Object.fromEntries(Object.entries(expected).map(([key, value]) => [key, [value]])));
  }));
});

t.test('a header is found by any of its names, private ones as they are written, and no name means anything else', async (t) => {
  const read = new SipMessage(`${invite('X-Fb: 1', 'm: <sip:e@f>', 'constructor: 2', '__proto__: 3')}\r\n\r\n`);
  t.same(['Contact', 'm', 'CONTACT', 'x-fb', 'X-FB', 'constructor'].map((name) => read.get(name)), ['<sip:e@f>', '<sip:e@f>', '<sip:e@f>', '1', '1', '2']);
  t.same(['toString', 'hasOwnProperty', 'Subject'].map((name) => read.get(name)), [undefined, undefined, undefined]);
  // One of ours, with names as its maker writes them.
  const made = new SipMessage({ headers: { 'X-Mine': '1', Contact: '<sip:g@h>' } } as unknown as string) as Message & { set(name: string, value: string): void };
  made.set('P-Early-Media', 'x');
  made.set('From', '<sip:a@b>');
  t.same(['x-mine', 'contact', 'p-early-media', 'f'].map((name) => made.get(name)), ['1', '<sip:g@h>', 'x', '<sip:a@b>']);
  t.same(Object.keys(made.headers), ['X-Mine', 'Contact', 'P-Early-Media', 'from']);
});

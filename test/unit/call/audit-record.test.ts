import t from 'tap';
import { auditRecord } from '../../../lib/call/watch/auditRecord.js';
import { Call } from '../../../lib/call/call.js';
import { createLogger } from '../../../lib/observe/logger.js';
import { maskDigits } from '../../../lib/observe/redact.js';
import type { CallerFacts, PeerMessageFacts, TargetFacts, Verdict } from '../../../lib/policy/types.js';
import { configOf, house, number } from '../policy/configuration.js';

const call = new Call({ direction: 'user-initiated', startedAt: 0, log: createLogger('silent'), showUser: (user) => user, onEnded: () => undefined });
call.facts.wacid = 'wacid.1';
const denied: Verdict = { allow: false, code: 'target.number', rule: 'target.number', status: 403, text: 'user +12025550123 reads as a telephone number' };
const caller: CallerFacts = {
  peer: 'pbx', uri: 'sip:+447700900101@sbc.example.net', body: 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0\r\na=ice-pwd:secret\r\n',
  headers: { from: [`"Anna 02079460958" <sip:${number}@10.0.0.7>`], authorization: ['Digest username="pbx", response="secret"'], 'proxy-authorization': ['Digest response="secret"'], diversion: ['<sip:%2B1202%355550123@10.0.0.7>'], 'x-secret': ['secret'] },
};

t.test('a line says which call, what was asked, what decided, under which configuration', async (t) => {
  const facts: TargetFacts = { origin: 'refer', number, route: 'main', peer: null, by: 'pbx', uri: 'sip:+12025550123@10.0.0.7' };
  t.match(auditRecord(call, facts, denied, house), {
    time: /^\d{4}-.*Z$/, kind: 'target', call: call.id, wacid: 'wacid.1', direction: 'user-initiated', allow: false, code: 'target.number', rule: 'target.number', status: 403, config: house.hash,
    facts: { origin: 'refer', number, route: 'main', by: 'pbx', uri: 'sip:+1202*****23@10.0.0.7' }, text: 'user +1202*****23 reads as a telephone number',
  });
  t.match(auditRecord(call, caller, { allow: true, code: 'caller.mayCall', rule: 'peers.pbx.mayCall[0]', text: 'may' }, house), { kind: 'caller', allow: true, facts: { peer: 'pbx' } });
  const message: PeerMessageFacts = { peer: 'pbx', status: 181, source: '10.0.0.7', headers: { contact: ['<sip:6001@10.0.0.7:5060>'] }, body: '' };
  t.match(auditRecord(call, message, denied, house, false), { kind: 'peerMessage', enforced: false, facts: { peer: 'pbx', status: 181, source: '10.0.0.7', headers: { contact: ['<sip:6001@10.0.0.7:5060>'] } } });
});

t.test('no secret, no body, no number of a user is in it, unless the operator wants numbers', async (t) => {
  const text = JSON.stringify(auditRecord(call, caller, denied, house));
  t.notMatch(text, /secret|crypto|ice-pwd|Digest|x-secret/i);
  t.notMatch(text, /7700900101|2025550123|2079460958/);
  t.match(text, number, 'the business number stays');
  const { domain: _domain, ...rest } = { domain: '', cdr: { fullNumbers: true }, peers: { pbx: { uri: 'sip:10.0.0.7', pstn: 'none' } } };
  t.match(JSON.stringify(auditRecord(call, caller, denied, configOf(rest))), /\+447700900101/);
});

t.test('long values are cut, and cost no time', async (t) => {
  const started = performance.now();
  for (const filler of ['1-', '(', '1 ', '%31', 'tel:', '1'.repeat(500)]) {
    const record = JSON.stringify(auditRecord(call, { ...caller, headers: { diversion: [filler.repeat(30_000)] } }, denied, house));
    t.ok(record.length < 2000, `${record.length}`);
  }
  t.ok(performance.now() - started < 2000);
});

t.test('what is masked', async (t) => {
  const rows = [
    ['sip:+447700900101@10.0.0.7:5060', 'sip:+4477******01@10.0.0.7:5060'], ['07700 900101', '07700*****01'], ['(202)555-0123 x', '(202)5*****23 x'], ['192.168.100.200', '192.168.100.200'],
    ['US.13491208655302741918', 'US.13491*************18'], ['6001', '6001'], ['%2B447700900101', '+4477******01'], [number, number], [number.slice(1), number.slice(1)], ['%zz 1234567', '%zz *******'], ['%34%34%37%37%30%30%39%30%30', '44770**00'],
  ] as const;
  for (const [text, masked] of rows) t.equal(maskDigits(text, new Set([number])), masked);
});

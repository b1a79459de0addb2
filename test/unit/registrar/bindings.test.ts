import fc from 'fast-check';
import t from 'tap';
import { addressOf, applyRegister, sameUri, type Binding, type RegisterFacts, type RegisterLimits, type RegisterOutcome } from '../../../lib/registrar/bindings.js';
import { parseUri } from '../../../lib/sip/uri.js';

const limits: RegisterLimits = { minExpires: 60, maxExpires: 3600, maxContacts: 3, push: [], objects: () => null };
const facts = (more: Partial<RegisterFacts> = {}): RegisterFacts => ({
  user: '6001', callId: 'a', cseq: 1, asked: -1, expires: undefined, contacts: ['<sip:6001@10.0.0.1:5060>'], path: [], outbound: false, flow: null, userAgent: null,
  source: { protocol: 'udp', address: '192.0.2.1', port: 4000 }, ...more,
});
const ok = (outcome: RegisterOutcome): readonly Binding[] => {
  if (!outcome.ok) throw new Error(`${outcome.status} ${outcome.reason}`);
  return outcome.bindings;
};
const apply = (current: readonly Binding[], more: Partial<RegisterFacts>, now = 0, over: Partial<RegisterLimits> = {}): RegisterOutcome => applyRegister(current, facts(more), { ...limits, ...over }, now);
const left = (bindings: readonly Binding[], now = 0): (string | number)[][] => bindings.map((b) => [b.contact, (b.expiresAt - now) / 1000]);

t.test('how long: the parameter before the header, both within what is allowed', (t) => {
  const seconds = (contact: string, expires?: string): number => (ok(apply([], { contacts: [contact], expires }))[0]!.expiresAt) / 1000;
  t.equal(seconds('<sip:a@b.example>'), 3600);
  t.equal(seconds('<sip:a@b.example>', '120'), 120);
  t.equal(seconds('<sip:a@b.example>;expires=90', '120'), 90);
  t.equal(seconds('sip:a@b.example;expires=90', '120'), 90);
  t.equal(seconds('<sip:a@b.example>', '99999999999999999999'), 3600);
  t.equal(seconds('<sip:a@b.example>', 'soon'), 3600, 'RFC 3261 §20.19: malformed counts as 3600');
  t.match(apply([], { expires: '59' }), { ok: false, status: 423, minExpires: 60 });
  t.match(apply([], { contacts: ['<sip:a@b.example>', '<sip:b@b.example>;expires=1'] }), { ok: false, status: 423 }, 'all or nothing');
  t.end();
});

t.test('refresh, unregister, expire', (t) => {
  const one = ok(apply([], { expires: '120' }));
  const two = ok(apply(one, { cseq: 2, contacts: ['<sip:6001@10.0.0.2>'] }));
  t.same(left(two), [['sip:6001@10.0.0.1:5060', 120], ['sip:6001@10.0.0.2', 3600]]);
  const refreshed = apply(two, { cseq: 3 }, 60_000);
  t.same(left(ok(refreshed), 60_000), [['sip:6001@10.0.0.2', 3540], ['sip:6001@10.0.0.1:5060', 3600]]);
  t.match(refreshed, { added: { length: 0 }, removed: { length: 0 } });
  t.equal(ok(refreshed)[1]!.registeredAt, 0, 'since when');
  t.same(left(ok(apply(two, { cseq: 3, contacts: [] }, 130_000)), 130_000), [['sip:6001@10.0.0.2', 3470]], 'the first has expired');
  const gone = apply(two, { cseq: 3, contacts: ['<sip:6001@10.0.0.1:5060>;expires=0'] });
  t.match(gone, { removed: [{ contact: 'sip:6001@10.0.0.1:5060' }] });
  t.equal(ok(gone).length, 1);
  t.match(apply(two, { cseq: 3, contacts: ['*'], expires: '0' }), { bindings: { length: 0 }, removed: { length: 2 } });
  t.match(apply(two, { cseq: 3, contacts: ['*'], expires: '60' }), { ok: false, status: 400 });
  t.match(apply(two, { cseq: 3, contacts: ['*', '<sip:a@b.example>'], expires: '0' }), { ok: false, status: 400 });
  t.same(ok(apply([], { contacts: ['<sip:6001@10.0.0.9>;expires=0'] })), [], 'what was never there');
  t.end();
});

t.test('an old REGISTER that comes late changes nothing', (t) => {
  const one = ok(apply([], { cseq: 7 }));
  t.match(apply(one, { cseq: 7, contacts: ['<sip:6001@10.0.0.1:5060>;expires=0'] }), { ok: false, status: 500 });
  t.match(apply(one, { cseq: 6, contacts: ['*'], expires: '0' }), { ok: false, status: 500 });
  t.ok(apply(one, { cseq: 1, callId: 'b' }).ok, 'another Call-ID: the phone has begun anew');
  t.end();
});

t.test('B6: a phone that counts from 1 again answers a nonce that is newer than its last refresh, which an old REGISTER cannot', (t) => {
  const one = ok(apply([], { cseq: 7, asked: 9_000 }, 10_000));
  t.match(apply(one, { cseq: 1, asked: 9_000 }, 11_000), { ok: false, status: 500 }, 'the nonce of before');
  t.match(apply(one, { cseq: 1, asked: 10_000 }, 11_000), { ok: false, status: 500 });
  const again = apply(one, { cseq: 1, asked: 10_001, source: { protocol: 'tcp', address: '192.0.2.1', port: 4001 } }, 11_000);
  t.match(ok(again), [{ cseq: 1, refreshedAt: 11_000, registeredAt: 10_000, source: { port: 4001 } }]);
  t.match(apply(ok(again), { cseq: 8, asked: 9_000 }, 12_000), { ok: true }, 'a higher CSeq needs no newer nonce');
  t.match(apply(one, { cseq: 1, asked: 20_000, contacts: ['*'], expires: '0' }, 21_000), { bindings: { length: 0 } });
  t.match(apply(one, { cseq: 1, asked: 20_000, contacts: ['<sip:6001@10.0.0.1:5060>;expires=0'] }, 21_000), { bindings: { length: 0 } });
  const flows = [1, 2].flatMap((id) => ok(apply([], { cseq: 5, outbound: true, contacts: [`<sip:6001@10.0.0.1>;+sip.instance="<urn:uuid:1>";reg-id=${id}`] }, 10_000)));
  const rebooted = ok(apply(flows, { cseq: 1, asked: 20_000, outbound: true, contacts: ['<sip:6001@10.0.0.9>;+sip.instance="<urn:uuid:1>";reg-id=1'] }, 21_000));
  t.same(rebooted.map(({ device, cseq }) => [device, cseq]), [['<urn:uuid:1> 2', 5], ['<urn:uuid:1> 1', 1]], 'RFC 5626: each flow by itself');
  t.end();
});

t.test('the one refreshed longest ago gives way; too many at once are refused', (t) => {
  let bindings: readonly Binding[] = [];
  for (let i = 1; i <= 3; i++) bindings = ok(apply(bindings, { callId: `c${i}`, contacts: [`<sip:6001@10.0.0.${i}>`] }));
  bindings = ok(apply(bindings, { callId: 'c1', cseq: 2, contacts: ['<sip:6001@10.0.0.1>'] }));
  const outcome = apply(bindings, { callId: 'c4', contacts: ['<sip:6001@10.0.0.4>'] });
  t.match(outcome, { evicted: [{ contact: 'sip:6001@10.0.0.2' }] });
  t.match(apply([], { contacts: ['a', 'b', 'c', 'd'].map((u) => `<sip:${u}@x.example>`) }), { ok: false, status: 403 });
  t.end();
});

t.test('a device that speaks RFC 5626 replaces itself, whatever its Contact', (t) => {
  const contact = (port: number, id = 1): string[] => [`<sip:6001@10.0.0.1:${port}>;+sip.instance="<urn:uuid:1>";reg-id=${id}`];
  const one = ok(apply([], { outbound: true, contacts: contact(5001) }));
  const again = ok(apply(one, { outbound: true, callId: 'b', contacts: contact(5002) }));
  t.same(left(again), [['sip:6001@10.0.0.1:5002', 3600]]);
  t.equal(ok(apply(again, { outbound: true, callId: 'c', contacts: contact(5003, 2) })).length, 2, 'a second flow of its own');
  t.equal(ok(apply(one, { outbound: false, callId: 'b', contacts: contact(5002) })).length, 2, 'without the option tag it is another Contact');
  t.end();
});

t.test('what cannot be read or is not to be used', (t) => {
  t.match(apply([], { contacts: ['mailto:a@b.example'] }), { ok: false, status: 400 });
  t.match(apply([], { contacts: ['<sip:@@>'] }), { ok: false, status: 400 });
  t.match(apply([], {}, 0, { objects: () => 'no' }), { ok: false, status: 403, reason: 'no' });
  t.end();
});

t.test('where requests go', (t) => {
  const one = ok(apply([], { path: ['<sip:edge.example;lr>', '<sip:edge2.example;lr>'] }))[0]!;
  t.same(addressOf(one), { uri: 'sip:6001@10.0.0.1:5060', proxy: 'sip:192.0.2.1:4000;transport=udp', headers: { Route: '<sip:edge.example;lr>, <sip:edge2.example;lr>' } });
  const six = ok(apply([], { source: { protocol: 'tls', address: '2001:db8::1', port: 4001 }, flow: null }))[0]!;
  t.same(addressOf(six), { uri: 'sip:6001@10.0.0.1:5060', proxy: 'sip:[2001:db8::1]:4001;transport=tls', headers: {} });
  t.equal(addressOf(ok(apply([], { flow: 'sip:token@sbc.example.net;lr;ob' }))[0]!).proxy, 'sip:token@sbc.example.net;lr;ob');
  t.end();
});

t.test('two URIs that mean the same (examples of RFC 3261 §19.1.4 among them)', (t) => {
  const rows: [string, string, boolean][] = [
    ['sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtLanTa.CoM;Transport=tcp', true],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5', true],
    ['sip:carol@chicago.com;newparam=5', 'sip:carol@chicago.com;security=on', true],
    ['SIP:ALICE@AtLanTa.CoM;Transport=udp', 'sip:alice@AtLanTa.CoM;Transport=UDP', false],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060', false],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;transport=udp', false],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:6000;transport=tcp', false],
    ['sip:a@b.example;rinstance=1', 'sip:a@b.example;rinstance=2', false],
    ['sip:a@b.example', 'sips:a@b.example', false],
  ];
  for (const [a, b, same] of rows) {
    t.equal(sameUri(parseUri(a)!, parseUri(b)!), same, `${a} and ${b}`);
    t.equal(sameUri(parseUri(b)!, parseUri(a)!), same);
  }
  t.end();
});

t.test('whatever comes, the table stays within its bounds and never holds a device twice', (t) => {
  const step = fc.record({
    callId: fc.constantFrom('a', 'b', 'c'), cseq: fc.integer({ min: 1, max: 9 }), expires: fc.constantFrom(undefined, '0', '60', '600', 'x', '5'), outbound: fc.boolean(),
    contacts: fc.array(fc.oneof(
      fc.constantFrom('*', '<sip:a@h.example>', '<sip:b@h.example>;expires=0', '<sip:c@h.example>;+sip.instance="<u>";reg-id=1', '<sip:d@h.example>;+sip.instance="<u>";reg-id=1', 'sip:e@h.example;expires=70'),
      fc.string(),
    ), { maxLength: 4 }),
  });
  fc.assert(fc.property(fc.array(fc.tuple(step, fc.integer({ min: 0, max: 400_000 })), { maxLength: 25 }), (steps) => {
    let bindings: readonly Binding[] = [];
    let now = 0;
    for (const [more, wait] of steps) {
      now += wait;
      const outcome = apply(bindings, more, now);
      if (!outcome.ok) continue;
      bindings = outcome.bindings;
      if (bindings.length > limits.maxContacts || bindings.some((b) => b.expiresAt <= now || b.expiresAt > now + 3_600_000)) return false;
      const devices = bindings.flatMap((b) => b.device ?? []);
      if (new Set(devices).size !== devices.length) return false;
      if (bindings.some((a, i) => bindings.some((b, j) => i < j && a.device === null && b.device === null && sameUri(a.uri, b.uri)))) return false;
    }
    return true;
  }), { numRuns: 2000 });
  t.end();
});

t.test('RFC 8599: an app at another address takes its old one back, and stays', (t) => {
  const app = (host: string, more = ''): string => `<sip:6001@${host};transport=tcp;pn-provider=apns;pn-prid=X>${more}`;
  const over = { push: ['apns'] };
  const before = ok(apply([], { contacts: [app('10.0.0.1')] }, 0, over));
  for (const contacts of [[app('10.0.0.2'), app('10.0.0.1', ';expires=0')], [app('10.0.0.1', ';expires=0'), app('10.0.0.2')]]) {
    t.same(ok(apply(before, { cseq: 2, contacts }, 0, over)).map(({ contact }) => contact.slice(0, 18)), ['sip:6001@10.0.0.2;'], 'in one request');
  }
  const moved = ok(apply(before, { cseq: 2, contacts: [app('10.0.0.2')] }, 0, over));
  t.equal(moved.length, 1, 'one app is one device');
  t.equal(ok(apply(moved, { cseq: 3, contacts: [app('10.0.0.1', ';expires=0')] }, 0, over)).length, 1, 'afterwards');
  t.end();
});

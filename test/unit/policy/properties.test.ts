import fc from 'fast-check';
import t from 'tap';
import { compilePolicy, judgeCaller, judgeLeak, judgeNewcomer, judgeTarget, prove } from '../../../lib/policy/index.js';
import type { TargetFacts, TargetOrigin } from '../../../lib/policy/types.js';
import { configOf, number } from './configuration.js';

/** Entries of users with a user of each and an oracle of their own, written without the policy's automata. */
const good: Readonly<Record<string, readonly [sample: string, oracle: RegExp]>> = {
  '6[0-9]{3}': ['6001', /^6[0-9]{3}$/], '7[0-9]{3}': ['7001', /^7[0-9]{3}$/], 'support': ['support', /^support$/], 'agent-[a-z]{1,4}': ['agent-x', /^agent-[a-z]{1,4}$/],
  '+442079460000': ['+442079460000', /^\+442079460000$/], '112': ['112', /^112$/],
};
// These must never survive the proof.
const bad = ['[0-9]+', '.*', '6[0-9]{3}.*', '\\+?[0-9]{4,}'];

const names = ['a', 'b', 'c', 'd'] as const;
const hosts = ['10.0.0.1', '10.0.0.2', '10.0.0.3:5070', 'pbx.example.net', '[2001:db8::7]:5062', '198.51.100.9'];
const often = <T>(usual: fc.Arbitrary<T>, rare: fc.Arbitrary<T>): fc.Arbitrary<T> => fc.oneof({ arbitrary: usual, weight: 30 }, { arbitrary: rare, weight: 1 });

const peer = fc.record({
  pstn: often(fc.constant('none'), fc.constant('carrier')), users: fc.uniqueArray(often(fc.constantFrom(...Object.keys(good)), fc.constantFrom(...bad)), { minLength: 1, maxLength: 3 }),
  mayTransferTo: fc.uniqueArray(fc.constantFrom(...names), { maxLength: 2 }),
});
const configuration = fc.record({
  hosts: often(fc.shuffledSubarray(hosts, { minLength: 4, maxLength: 4 }), fc.array(fc.constantFrom(...hosts), { minLength: 4, maxLength: 4 })), peers: fc.tuple(peer, peer, peer, peer),
  targets: fc.array(fc.tuple(fc.nat(3), fc.nat(), often(fc.constant(null), fc.constantFrom('112', '+12025550123', '6001'))), { minLength: 1, maxLength: 3 }),
  carriers: often(fc.constant<string[]>(['carrier.example']), fc.constant<string[]>(['carrier.example', '198.51.100.0/24', '10.0.0.2'])),
});

const user = fc.oneof(
  fc.constantFrom('6001', '7001', 'support', 'agent-x', '112', '911', '+442079460000', '+44-20-7946-0000', '%2B442079460000', '02079460000', '+12025550123', '0012025550123', '6001%2C%2C5550123', '6001;isub=1', '6001%3Bphone-context=+1', '60-01', '%36001', 'SUPPORT'),
  fc.stringMatching(/^[0-9+.()*-]{1,12}$/), fc.stringMatching(/^[a-z0-9-]{1,9}$/), fc.stringMatching(/^(%3[0-9]){1,8}$/),
);
const uri = fc.oneof(
  fc.tuple(fc.constantFrom('sip:', 'sip:', 'sip:', 'SIP:', 'sips:', 'tel:'), user, fc.constantFrom(...hosts, '10.0.0.1:5061', 'carrier.example', 'wa.meta.vc', 'sbc.example.net', 'PBX.Example.NET.', '[2001:DB8:0::7]:5062', '192.0.2.7', 'x.e164.arpa'), fc.constantFrom('', '', ';user=phone', ';transport=tcp', ';maddr=198.51.100.9', ';lr', '?Route=%3Csip:x%3E', ';gr=x'))
    .map(([scheme, name, host, rest]) => (scheme === 'tel:' ? `tel:${name}` : `${scheme}${name}@${host}${rest}`)),
  fc.constantFrom('tel:112', 'sip:', '', 'mailto:a@b'),
  fc.tuple(fc.constantFrom('6002', '7002', 'support', 'agent-y'), fc.constantFrom(...hosts)).map(([name, host]) => `sip:${name}@${host};ob`),
);

type Generated = typeof configuration extends fc.Arbitrary<infer T> ? T : never;

function build({ hosts: at, peers, targets, carriers }: Generated) {
  return configOf({
    peers: Object.fromEntries(peers.map((more, i) => [names[i]!, { uri: `sip:${at[i]!}`, ...more }])),
    routes: [{ name: 'main', number, to: targets.map(([i, j, other]) => ({ peer: names[i]!, user: other ?? good[peers[i]!.users[j % peers[i]!.users.length]!]?.[0] ?? '6001' })) }], policy: { carriers },
  });
}

t.test('in a configuration that passes check, no chain of redirections and transfers gets anywhere but to an on-net user of a peer with pstn: none', async (t) => {
  let passed = 0;
  let followed = 0;
  fc.assert(fc.property(configuration, fc.array(fc.tuple(uri, fc.constantFrom<TargetOrigin>('redirect', 'refer', 'replaces', 'order')), { minLength: 15, maxLength: 30 }), (generated, steps) => {
    const config = build(generated);
    const policy = compilePolicy(config);
    if (prove(policy).faults.length > 0) return true;
    passed += 1;
    const visit = (facts: TargetFacts): string | null => {
      const verdict = judgeTarget(policy, facts);
      if (!verdict.allow) return null;
      const found = config.peers[verdict.peer]!;
      const listed = found.users.some((entry) => good[entry]?.[1].test(verdict.user) ?? false);
      const sent = found.uri.replace('sip:', `sip:${verdict.user}@`);
      const may = facts.by === null || facts.by === verdict.peer || config.peers[facts.by]!.mayTransferTo.includes(verdict.peer);
      const carrier = config.policy.carriers.some((one) => found.uri.includes(one.replace('0/24', '')));
      if (found.pstn !== 'none' || !listed || verdict.uri !== sent || !may || carrier) throw new Error(`${JSON.stringify(facts)} was allowed: ${JSON.stringify(verdict)}`);
      return verdict.peer;
    };
    for (const [index, { peer: name, user: who }] of config.routes[0]!.to.entries()) {
      let at = visit({ origin: index === 0 ? 'route' : 'failover', number, route: 'main', peer: name, by: null, uri: config.peers[name]!.uri.replace('sip:', `sip:${who}@`) });
      for (const [asked, origin] of steps) {
        if (at === null) break;
        const next = visit({ origin, number, route: 'main', peer: null, by: at, uri: asked });
        if (next !== null) {
          at = next;
          followed += 1;
        }
      }
    }
    return true;
  }), { numRuns: 500 });
  t.ok(passed > 150, `${passed} configurations passed`);
  t.ok(followed > 100, `${followed} redirections were followed`);
  t.comment(`${passed} configurations, ${followed} redirections`);
});

const policy = compilePolicy(configOf({
  peers: {
    a: { uri: 'sip:10.0.0.1', pstn: 'none', users: ['6[0-9]{3}', 'support', '+442079460000'], mayTransferTo: ['b'] }, b: { uri: 'sip:pbx.example.net:5062;transport=tcp', pstn: 'none', users: ['7[0-9]{3}', 'Desk.1'] },
    c: { uri: 'sip:[2001:db8::7]', pstn: 'none', users: ['8[0-9]{3}'] }, gw: { uri: 'sip:10.0.0.9', users: ['6001'] },
  },
  policy: { carriers: ['carrier.example', '198.51.100.0/24'] },
}));

/** One meaning: what the variants below spell. */
const meaning = fc.record({
  user: fc.constantFrom('6001', '7001', '8001', '112', '+442079460000', '+12025550123', '02079460958', 'support', 'Desk.1', 'anna', '6001x'),
  host: fc.constantFrom('10.0.0.1', 'pbx.example.net', '[2001:db8::7]', '10.0.0.9', 'carrier.example', '198.51.100.4', 'wa.meta.vc', 'sbc.example.net', '192.0.2.1'),
  port: fc.constantFrom(null, 5060, 5062),
  params: fc.subarray(['transport=tcp', 'user=phone', 'lr', 'maddr=10.0.0.9', 'phone-context=+1', 'ob', 'method=INVITE'], { maxLength: 2 }),
  userParams: fc.oneof({ arbitrary: fc.constant<string[]>([]), weight: 4 }, { arbitrary: fc.subarray(['isub=1', 'tgrp=x', 'phone-context=+44'], { maxLength: 2 }), weight: 1 }),
});

/** A spelling: bits that each place of the URI takes its choice from. */
const spelling = fc.record({ bits: fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }), order: fc.array(fc.nat(), { minLength: 8, maxLength: 8 }) });

function spell(m: { user: string; host: string; port: number | null; params: string[]; userParams: string[] }, { bits, order }: { bits: boolean[]; order: number[] }): string {
  let at = 0;
  const bit = (): boolean => bits[at++ % bits.length]!;
  const byOrder = (list: string[]): string[] => list.map((value, i) => [order[i % order.length]!, value] as const).sort((x, y) => x[0] - y[0]).map(([, value]) => value);
  const anyCase = (text: string): string => [...text].map((char) => (bit() ? char.toUpperCase() : char.toLowerCase())).join('');
  const escape = (char: string): string => (bit() && bit() ? `%${bit() ? char.charCodeAt(0).toString(16) : char.charCodeAt(0).toString(16).toUpperCase()}` : char);
  // RFC 3966 §5.1.1: visual separators stand between digits only.
  const separated = /^\+?[0-9]+$/.test(m.user) ? [...m.user].map((char, i) => (i > 1 && bit() && bit() ? `${'-.()'[i % 4]}${char}` : char)).join('') : m.user;
  const named = (param: string): string => param.replace(/^[^=]+/, (name) => anyCase(name));
  const user = [...separated].map(escape).join('') + byOrder(m.userParams).map((param) => `;${named(param)}`).join('');
  const host = m.host === '[2001:db8::7]' ? (bit() ? '[2001:0DB8:0:0::7]' : m.host) : m.host.endsWith('t') || m.host.endsWith('c') ? `${anyCase(m.host)}${bit() ? '.' : ''}` : m.host;
  return `${anyCase('sip')}:${user}@${host}${m.port === null ? '' : `:${m.port}`}${byOrder(m.params).map((param) => `;${named(param)}`).join('')}`;
}

t.test('spellings of one URI get one verdict: case, escapes, order of parameters, separators, forms of a host', async (t) => {
  const codes = new Map<string, number>();
  fc.assert(fc.property(meaning, spelling, fc.constantFrom('a', 'b', 'c'), fc.constantFrom<TargetOrigin>('redirect', 'refer', 'replaces', 'order'), (m, way, by, origin) => {
    const plain = spell(m, { bits: new Array<boolean>(40).fill(false), order: [0, 1, 2, 3, 4, 5, 6, 7] });
    const judge = (text: string): unknown => {
      const verdict = judgeTarget(policy, { origin, number, route: null, peer: null, by, uri: text });
      return verdict.allow ? [verdict.code, verdict.rule, verdict.peer, verdict.user, verdict.uri] : [verdict.code, verdict.status];
    };
    const [first, second] = [judge(plain), judge(spell(m, way))];
    const [code] = first as [string];
    codes.set(code, (codes.get(code) ?? 0) + 1);
    if (JSON.stringify(first) !== JSON.stringify(second)) throw new Error(`${plain}: ${JSON.stringify(first)}; ${spell(m, way)}: ${JSON.stringify(second)}`);
  }), { numRuns: 4000 });
  t.ok((codes.get('target.onNet') ?? 0) > 5 && codes.size > 8, JSON.stringify([...codes]));
});

t.test('no text at all makes the rules throw or allow something that is not on-net', async () => {
  fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ maxLength: 60 }).map((rest) => `sip:${rest}`), fc.string({ maxLength: 30 }).map((rest) => `sip:${rest}@10.0.0.1`)), (text) => {
    const verdict = judgeTarget(policy, { origin: 'refer', number, route: null, peer: null, by: 'a', uri: text });
    return !verdict.allow || /^(6[0-9]{3}|support|\+442079460000)$/.test(verdict.user);
  }), { numRuns: 3000 });
});

const callers = compilePolicy(configOf({
  peers: { pbx: { uri: 'sip:10.0.0.7', sources: ['10.0.0.7'], pstn: 'none', users: ['6[0-9]{3}'], mayCall: [number], country: 'GB' }, gw: { uri: 'sip:10.0.0.9', users: ['6001'] } }, policy: { carriers: ['carrier.example', '198.51.100.0/24'] },
}));

/** A header that shows the telephone network, in some spelling; `at` puts it among others that do not. */
const sign = fc.oneof(
  fc.tuple(fc.constantFrom('diversion', 'history-info', 'p-asserted-identity', 'remote-party-id', 'p-preferred-identity'), fc.constantFrom('<tel:+12025550123>', '<TEL:+1-202-555-0123>;x=y', '"A, B" <sip:x@sip.CARRIER.example.>', '<sip:x@[::ffff:198.51.100.4]>', '<sip:%2B12025550123@10.0.0.7>', 'sip:(202)555-0123@10.0.0.7', '<sip:0044%32025550123@x>;index=1')),
  fc.tuple(fc.constantFrom('from', 'p-asserted-identity', 'contact', 'diversion'), fc.constantFrom(`<sip:${number};cpc=ordinary@10.0.0.7>`, `<sip:${number}@10.0.0.7;ISUP-OLI=00>`, '<sip:6001;%72n=1@10.0.0.7>', '<sip:6001@10.0.0.7;npdi>', '<sip:6001;tgrp=a;trunk-context=b@10.0.0.7>')),
  fc.tuple(fc.constantFrom('content-type', 'c'), fc.constantFrom('application/ISUP', ' Application/isup ; version=x', 'application/QSIG')),
);
const harmless = fc.constantFrom('<sip:6001@10.0.0.7>;reason=no-answer', `<sip:${number}@10.0.0.7>;index=1`, '"x" <sip:6002@10.0.0.7>');

t.test('an INVITE with one sign of the telephone network among harmless headers reaches nobody, as a call or as a pick-up', async () => {
  fc.assert(fc.property(sign, fc.array(harmless, { maxLength: 3 }), fc.array(harmless, { maxLength: 3 }), fc.boolean(), ([name, value], before, after, oneLine) => {
    const single = name === 'from' || name === 'content-type' || name === 'c';
    const values = single ? [value] : oneLine ? [[...before, value, ...after].join(', ')] : [...before, value, ...after];
    const facts = { peer: 'pbx', uri: 'sip:+447700900101@sbc.example.net', headers: { from: ['<sip:6001@10.0.0.7>;tag=1'], [name]: values }, body: '' };
    const good = judgeCaller(callers, { ...facts, headers: { from: ['<sip:6001@10.0.0.7>;tag=1'], diversion: before } });
    const verdict = judgeCaller(callers, facts);
    return good.allow && !verdict.allow && /^(origin|caller)\./.test(verdict.code) && judgeNewcomer(callers, facts) !== null;
  }), { numRuns: 2000 });
});

t.test('no header and no body makes the rules throw, or take long', async (t) => {
  const name = fc.constantFrom('from', 'f', 'contact', 'm', 'diversion', 'history-info', 'p-asserted-identity', 'content-type', 'reason', 'x-wa-wacid');
  const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 80 }), fc.tuple(fc.constantFrom('<', ',', '"', ';', 'isup', '%30', '0', 'a=candidate:', '/', '(', ' ', '\r\n ', '@', 'Q.850'), fc.constantFrom(1, 1000, 20_000)).map(([piece, times]) => piece.repeat(times)));
  let slowest = 0;
  fc.assert(fc.property(fc.dictionary(name, fc.array(text, { maxLength: 2 }), { maxKeys: 3 }), text, text, (headers, body, uri) => {
    const from = performance.now();
    judgeCaller(callers, { peer: 'pbx', uri, headers, body });
    judgeLeak(callers, { peer: 'pbx', status: 200, source: null, headers, body });
    slowest = Math.max(slowest, performance.now() - from);
  }), { numRuns: 1500 });
  t.ok(slowest < 1000, `${slowest} ms`);
});

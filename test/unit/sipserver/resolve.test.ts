import t from 'tap';
import { Presence, resolve } from '../../../lib/sipserver/locate/index.js';
import type { NameService, ResolveOptions, Srv, TargetRule } from '../../../lib/sipserver/locate/index.js';
import { parseUri } from '../../../lib/sipserver/parser/index.js';

const srv = (name: string, port: number, priority = 0, weight = 0): Srv => ({ name, port, priority, weight });

/** A name service that knows these records and counts the questions. */
function names(records: { naptr?: Record<string, [string, number, string][]>; srv?: Record<string, Srv[]>; a?: Record<string, string[]> }): NameService & { asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    naptr: async (d) => { asked.push(`naptr ${d}`); return (records.naptr?.[d] ?? []).map(([service, order, replacement]) => ({ service, order, preference: 0, replacement })); },
    srv: async (n) => { asked.push(`srv ${n}`); return records.srv?.[n] ?? []; },
    addresses: async (h) => { asked.push(`a ${h}`); return records.a?.[h] ?? []; },
  };
}

async function hops(uri: string, service: NameService, targets: Record<string, TargetRule> = {}, available: ResolveOptions['available'] = new Set(['udp', 'tcp', 'tls'])): Promise<string[] | string> {
  const parsed = parseUri(uri);
  if (parsed === undefined) throw new Error(uri);
  const found = await resolve(parsed, { names: service, targets, available, random: () => 0.5 });
  return 'reason' in found ? found.reason : found.map((h) => `${h.protocol}:${h.address}:${h.port}:${h.host}`);
}

t.test('numbers, ports and transports need no discovery (RFC 3263 §4.1, §4.2)', async (t) => {
  const none = names({ a: { 'h.example': ['192.0.2.1', '192.0.2.2'] } });
  for (const [uri, expected] of [
    ['sip:a@192.0.2.9', ['udp:192.0.2.9:5060:192.0.2.9']],
    ['sip:a@192.0.2.9:5070;transport=TCP', ['tcp:192.0.2.9:5070:192.0.2.9']],
    ['sips:a@192.0.2.9', ['tls:192.0.2.9:5061:192.0.2.9']],
    ['sip:[2001:db8::9]', ['udp:2001:db8::9:5060:[2001:db8::9]']],
    ['sip:h.example:5080', ['udp:192.0.2.1:5080:h.example', 'udp:192.0.2.2:5080:h.example']],
    ['sip:x.example;maddr=192.0.2.7;transport=tcp', ['tcp:192.0.2.7:5060:192.0.2.7']],
    ['sip:gone.example:5060', 'no address found for gone.example'],
    ['sip:h.example;transport=sctp', 'requested protocol/transport not available'],
  ] as const) t.same(await hops(uri, none), expected, uri);
  t.notOk(none.asked.some((q) => !q.startsWith('a ')), 'no NAPTR or SRV was asked for');
  t.same(await hops('sip:192.0.2.9;transport=udp', none, {}, new Set(['tcp'])), 'requested protocol/transport not available');
  t.same(await hops('sip:192.0.2.9', none, {}, new Set(['tcp', 'tls'])), ['tcp:192.0.2.9:5060:192.0.2.9'], 'what there is');
});

t.test('NAPTR chooses the transport, SRV the host and its order', async (t) => {
  const service = names({
    naptr: { 'p.example': [['SIP+D2U', 20, '_sip._udp.p.example'], ['SIPS+D2T', 10, '_sips._tcp.p.example'], ['E2U+sip', 1, 'x']] },
    srv: {
      '_sip._udp.p.example': [srv('u.p.example', 5060)],
      '_sips._tcp.p.example': [srv('b.p.example', 5071, 20), srv('a.p.example', 5061, 10)],
    },
    a: { 'a.p.example': ['192.0.2.1'], 'b.p.example': ['192.0.2.2'], 'u.p.example': ['192.0.2.3'] },
  });
  t.same(await hops('sip:x@p.example', service), ['tls:192.0.2.1:5061:p.example', 'tls:192.0.2.2:5071:p.example', 'udp:192.0.2.3:5060:p.example'],
    'and the certificate is asked for the name in the URI');
});

t.test('without NAPTR the SRV of the transport asked for, else of each; without SRV the address', async (t) => {
  const service = names({ srv: { '_sip._tcp.q.example': [srv('s.q.example', 5065)] }, a: { 's.q.example': ['192.0.2.5'], 'q.example': ['192.0.2.6'] } });
  t.same(await hops('sip:q.example;transport=tcp', service), ['tcp:192.0.2.5:5065:q.example']);
  t.same(await hops('sip:q.example', service), ['tcp:192.0.2.5:5065:q.example']);
  t.same(await hops('sip:q.example;transport=udp', service), ['udp:192.0.2.6:5060:q.example']);
  t.same(await hops('sip:localhost', names({ a: { localhost: ['127.0.0.1'] } })), ['udp:127.0.0.1:5060:localhost'], 'a bare name is not looked for in the DNS');
});

t.test('SRV weights (RFC 2782)', async (t) => {
  const records = [srv('light', 1, 0, 1), srv('heavy', 2, 0, 9)];
  const a = { light: ['192.0.2.1'], heavy: ['192.0.2.2'] };
  const first = { light: 0, heavy: 0 };
  for (let i = 0; i < 100; i++) {
    const parsed = parseUri('sip:w.example;transport=udp');
    const found = parsed && await resolve(parsed, { names: names({ srv: { '_sip._udp.w.example': records }, a }), targets: {}, available: new Set(['udp']), random: () => i / 100 });
    if (found === undefined || 'reason' in found) t.fail('not found');
    else first[found[0]?.address === '192.0.2.1' ? 'light' : 'heavy']++;
  }
  t.same(first, { light: 10, heavy: 90 });
});

t.test('what the operator fixed for a name', async (t) => {
  const service = names({ a: { 'wa.meta.vc': ['192.0.2.1'], 'stand-in': ['192.0.2.2'] } });
  const uri = 'sip:+1@wa.meta.vc;transport=tls';
  t.same(await hops(uri, service, { 'wa.meta.vc': {} }), ['tls:192.0.2.1:5061:wa.meta.vc']);
  t.same(await hops(uri, service, { 'wa.meta.vc': { address: '127.0.0.1', port: 5071 } }), ['tls:127.0.0.1:5071:wa.meta.vc']);
  t.same(await hops(uri, service, { 'wa.meta.vc': { address: 'stand-in' } }), ['tls:192.0.2.2:5061:wa.meta.vc']);
  t.notOk(service.asked.some((q) => q.startsWith('srv')));
});

t.test('the address that others see', async (t) => {
  const loop = { protocol: 'udp' as const, local: { address: '127.0.0.1', port: 5060 } };
  const all = { protocol: 'tls' as const, local: { address: '0.0.0.0', port: 5061 } };
  const plain = new Presence([loop, all], null, { 'wa.meta.vc': { advertise: 'sbc.example.net' } });
  t.same(await plain.towards('udp', '127.0.0.2', 'peer'), { host: '127.0.0.1', port: 5060 });
  t.same(await plain.towards('tls', '127.0.0.1', 'peer'), { host: '127.0.0.1', port: 5061 }, 'bound to all: the local address of the route');
  t.same(await plain.towards('tls', '127.0.0.1', 'WA.meta.vc'), { host: 'sbc.example.net', port: 5061 });
  t.same(await plain.towards('tcp', '127.0.0.1', 'peer', { address: '127.0.0.1', port: 40000 }), { host: '127.0.0.1', port: 40000 }, 'nothing listens: the socket itself');
  t.same(await new Presence([loop], '203.0.113.4:6060', {}).towards('udp', '192.0.2.1', 'peer'), { host: '203.0.113.4', port: 6060 });
  t.same(await new Presence([loop], '2001:db8::1', {}).towards('udp', '192.0.2.1', 'peer'), { host: '[2001:db8::1]', port: 5060 });
});

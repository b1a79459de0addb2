// B4: who we are is one notion; what else means a peer is its `hosts`.
import t from 'tap';
import { compilePolicy, judgeTarget, prove } from '../../../lib/policy/index.js';
import { ownHosts } from '../../../lib/sip/ownHosts.js';
import { configOf, number } from './configuration.js';

const accounts = { 6001: { password: 'x' }, 6002: { password: 'x' } };
const phones = { register: true, pstn: 'none', accounts };
const machine = ['10.0.0.4', 'fe80::4', '2001:db8::4'];

t.test('the domain, what is advertised with or without a port, and what a wildcard stands for', (t) => {
  const hostsOf = (sip: object): string[] => [...ownHosts(configOf({ sip: { tls: { cert: 'c', key: 'k' }, ...sip } }), machine).hosts].sort();
  t.same(hostsOf({ listen: ['udp:10.0.0.9:5060'] }), ['10.0.0.9', 'sbc.example.net']);
  t.same(hostsOf({ listen: ['udp:0.0.0.0:5060'] }), ['10.0.0.4', '127.0.0.1', 'sbc.example.net']);
  t.same(hostsOf({ listen: ['tcp:[::]:5060'] }), ['10.0.0.4', '127.0.0.1', '2001:db8::4', '::1', 'fe80::4', 'sbc.example.net']);
  t.same(hostsOf({ listen: ['udp:10.0.0.9:5060'], advertise: { meta: 'Edge.Example.Net:5061', peers: '203.0.113.4:5062' } }), ['10.0.0.9', '203.0.113.4', 'edge.example.net', 'sbc.example.net']);
  t.end();
});

/** The peer that a transferred call goes to; else the rule that refuses. */
function refer(peers: object, uri: string, by: string, sip: object = {}): string {
  const config = configOf({ peers, sip: { tls: { cert: 'c', key: 'k' }, ...sip } });
  const verdict = judgeTarget(compilePolicy(config, machine), { origin: 'refer', number, route: null, peer: null, by, uri });
  return verdict.allow ? verdict.peer : verdict.code;
}

t.test('a transfer to a phone, by every name of ours', (t) => {
  for (const host of ['sbc.example.net', '10.0.0.4', '127.0.0.1', '10.0.0.4:5060', '10.0.0.4:5060;transport=tcp', '203.0.113.4', '203.0.113.4:5062', '[2001:db8::4]']) {
    const sip = { listen: ['udp:0.0.0.0:5060', 'tcp:[::]:5060'], advertise: { peers: '203.0.113.4:5062' } };
    t.equal(refer({ phones }, `sip:6002@${host}`, 'phones', sip), 'phones', host);
    t.equal(refer({ phones }, `sip:+447700900555@${host}`, 'phones', sip), 'target.whatsapp', host);
  }
  t.equal(refer({ phones }, 'sip:6002@10.0.0.5', 'phones'), 'target.foreign');
  t.end();
});

t.test('a PBX on our machine shares the address: a port tells', (t) => {
  const pbx = { uri: 'sip:10.0.0.4:5080', pstn: 'none', users: ['7[0-9]{3}'], mayTransferTo: ['phones'] };
  t.equal(refer({ phones, pbx }, 'sip:6002@10.0.0.4', 'phones'), 'phones');
  t.equal(refer({ phones, pbx }, 'sip:6002@10.0.0.4:5060', 'phones'), 'phones');
  t.equal(refer({ phones, pbx }, 'sip:7001@10.0.0.4:5080', 'pbx'), 'pbx');
  t.equal(refer({ phones, pbx }, 'sip:7001@10.0.0.4:5099', 'pbx'), 'target.foreign');
  t.equal(refer({ phones, pbx }, 'sip:7001@10.0.0.4', 'pbx'), 'pbx', 'its own user at our host');
  t.equal(refer({ phones, pbx }, 'sip:6002@10.0.0.4', 'pbx'), 'phones', 'a registered user at our host');
  t.equal(refer({ phones, pbx: { ...pbx, mayTransferTo: [] } }, 'sip:6002@10.0.0.4', 'pbx'), 'transfer.right');
  t.end();
});

t.test('peers.*.hosts: further names of a peer', (t) => {
  const pbx = { uri: 'sip:10.0.0.7:5080', hosts: ['PBX.example.net', '192.0.2.7', '2001:db8::7'], pstn: 'none', users: ['7[0-9]{3}'] };
  for (const host of ['pbx.example.net', 'pbx.example.net:5080', '192.0.2.7', '192.0.2.7;transport=tcp', '192.0.2.7:5080', '[2001:db8:0::7]']) t.equal(refer({ pbx }, `sip:7001@${host}`, 'pbx'), 'pbx', host);
  t.equal(refer({ pbx }, 'sip:7001@192.0.2.7:5099', 'pbx'), 'target.foreign');
  t.equal(refer({ pbx }, 'sip:+12025550123@pbx.example.net', 'pbx'), 'target.number');
  t.equal(refer({ pbx, gw: { uri: 'sip:10.0.0.9', hosts: ['gw.example.net'], pstn: 'trunk', users: ['7[0-9]{3}'] } }, 'sip:7001@gw.example.net', 'pbx'), 'target.gateway');
  const faults = (hosts: string[]): string[] => prove(compilePolicy(configOf({
    peers: { pbx: { ...pbx, hosts, sources: ['10.0.0.7'], mayCall: [number] } }, policy: { carriers: ['carrier.example'] }, routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '7001' }] }],
  }), machine)).faults.map(({ path, message }) => `${path}: ${message}`);
  t.same(faults(['pbx.example.net']), []);
  t.match(faults(['sbc.example.net', 'sip.carrier.example', 'wa.meta.vc', '10.0.0.4']).sort(), [/hosts: 10\.0\.0\.4 is our own/, /hosts: sbc\.example\.net is our own/, /carrier/, /Meta/]);
  t.end();
});

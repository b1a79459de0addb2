// Attack M1: a peer known by its address alone is believed over UDP, where addresses can be forged; `check` says so.
import t from 'tap';
import { examinePeers } from '../../../lib/doctor/peers.js';
import { forgeablePeers } from '../../../lib/sip/forgeable.js';
import { fullDocument, parseTree, setAt } from '../config/documents.js';

function warned(listen: string[], peer: Record<string, unknown>): string[] {
  const tree = fullDocument();
  setAt(tree, 'queues', {});
  setAt(tree, 'sip.listen', listen);
  for (const [key, value] of Object.entries({ digest: null, sources: ['198.51.100.7'], transports: ['udp'], ...peer })) setAt(tree, `peers.pbx.${key}`, value);
  return forgeablePeers(parseTree(tree)).map(({ path }) => path);
}

t.test('who can be forged', async (t) => {
  t.same(warned(['tls:0.0.0.0:5061', 'udp:0.0.0.0:5060'], {}), ['peers.pbx.digest']);
  t.same(warned(['tls:0.0.0.0:5061', 'udp:203.0.113.4:5060'], { sources: ['10.0.0.7'] }), ['peers.pbx.digest'], 'a public socket, whatever the address');
  t.same(warned(['tls:0.0.0.0:5061', 'udp:[2001:db8::4]:5060'], {}), ['peers.pbx.digest']);
});

t.test('who cannot', async (t) => {
  t.same(warned(['tls:0.0.0.0:5061', 'udp:0.0.0.0:5060'], { digest: { username: 'pbx', password: '${PBX_PASSWORD}' } }), []);
  t.same(warned(['tls:0.0.0.0:5061', 'udp:0.0.0.0:5060'], { transports: ['tcp', 'tls'] }), []);
  t.same(warned(['tls:0.0.0.0:5061', 'udp:10.0.0.4:5060'], {}), []);
  t.same(warned(['tls:0.0.0.0:5061', 'udp:0.0.0.0:5060'], { sources: ['10.0.0.7'] }), []);
  t.same(warned(['tls:0.0.0.0:5061', 'tcp:203.0.113.4:5060'], {}), []);
  t.same(warned(['tls:0.0.0.0:5061', 'udp:0.0.0.0:5060'], { mayCall: [] }), []);
});

t.test('doctor says it, too', async (t) => {
  const tree = fullDocument();
  setAt(tree, 'queues', {});
  setAt(tree, 'sip.listen', ['tls:0.0.0.0:5061', 'udp:203.0.113.4:5060']);
  // Nobody is there: one that is asked would be waited for.
  for (const [key, value] of Object.entries({ digest: null, sources: ['198.51.100.7'], transports: ['udp'], pstn: 'other' })) setAt(tree, `peers.pbx.${key}`, value);
  const config = parseTree(tree);
  const { pbx } = config.peers;
  if (pbx === undefined) throw new Error('no peer');
  const findings = await examinePeers({ ...config, peers: { pbx } });
  t.equal(findings.filter(({ text }) => text.includes('peers.pbx.digest is null')).length, 1);
});

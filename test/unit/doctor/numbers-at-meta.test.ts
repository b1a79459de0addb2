// The doctor at Meta's side of a number: its settings where they are kept true, its health in any case.
import t from 'tap';
import { stringify } from 'yaml';
import { parseConfig } from '../../../lib/config/load.js';
import type { Config } from '../../../lib/config/types.js';
import { examineNumbers } from '../../../lib/doctor/graph.js';
import { id, number, stage, token } from '../graph/rig.js';

t.test('differences, health, and a token that is not taken, each with what to do', async (t) => {
  const { graph } = await stage(t);
  const config = (own: object, more: object = { graph: { url: graph.url, token } }): Config => parseConfig(stringify({
    domain: 'sbc.example.net', sip: { listen: ['tls:127.0.0.1:5061'], tls: { cert: 'c', key: 'k' } }, numbers: { [number]: { password: 'x', ...own } },
    peers: { pbx: { uri: 'sip:127.0.0.1:5060', pstn: 'none', users: ['6001'] } }, routes: [{ name: 'all', number, to: [{ peer: 'pbx', user: '6001' }] }], ...more,
  }), { env: {}, path: 'c.yaml' });
  t.same(await examineNumbers(config({}, {})), []);
  t.same(await examineNumbers(config({})), [], 'no id: nothing is asked');
  const health = await examineNumbers(config({ id }));
  t.match(health, [{ check: 'number', level: 'warn', text: /calls by SIP BLOCKED \(138024/ }, { level: 'ok' }, { level: 'ok' }, { level: 'warn', text: /138025/ }]);
  const settings = await examineNumbers(config({ id, settings: {} }));
  t.match(settings.filter(({ todo }) => todo === 'wa-b2bua provision apply').map(({ text }) => text), [/calling is DISABLED/, /sip is DISABLED/, /server is none/, /srtp is DTLS/]);
  graph.behave('token');
  for (const own of [{ id }, { id, settings: {} }]) t.match(await examineNumbers(config(own)), [{ level: 'fail', text: /190/, todo: /graph\.token/ }]);
});

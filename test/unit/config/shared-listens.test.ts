// Two keys that listen on one address are told before the start fails at the second.
import t from 'tap';
import { stringify } from 'yaml';
import { ConfigFaults } from '../../../lib/config/faults.js';
import { parseConfig } from '../../../lib/config/load.js';

const number = '+447700900001';

function faults(more: object): string[] {
  const text = stringify({
    domain: 'sbc.example.net', sip: { listen: ['udp:127.0.0.1:5060'] }, numbers: { [number]: { password: 'p' } },
    peers: { pbx: { uri: 'sip:127.0.0.1:5060', pstn: 'none', users: ['6001'] } }, routes: [{ name: 'all', number, to: [{ peer: 'pbx', user: '6001' }] }], ...more,
  });
  try {
    parseConfig(text, { env: {}, path: 'c.yaml' });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigFaults)) throw error;
    return error.faults.map(({ path, message }) => `${path} ${message}`);
  }
}

const tokens = [{ name: 'one', token: 'a-token-of-16-chars', scopes: ['read'] }];
const webhooks = (listen: string): object => ({ listen, appSecret: 's', verifyToken: 'v' });

t.test('an address of TCP is listened on once', async (t) => {
  const told = 'listens: give it another port, or an address of its own';
  for (const [more, wanted] of [
    [{ api: { listen: '127.0.0.1:8080', tokens } }, [`api.listen is where http.listen ${told}`]],
    [{ webhooks: webhooks('0.0.0.0:8080') }, [`webhooks.listen is where http.listen ${told}`]],
    [{ webhooks: webhooks('[::]:8080') }, [`webhooks.listen is where http.listen ${told}`]],
    [{ sip: { listen: ['tcp:0.0.0.0:8443'] }, webhooks: webhooks('10.0.0.4:8443') }, [`webhooks.listen is where sip.listen[0] ${told}`]],
    [{ sip: { listen: ['udp:0.0.0.0:5061', 'tcp:0.0.0.0:5061', 'tcp:127.0.0.1:5061'] } }, [`sip.listen[2] is where sip.listen[1] ${told}`]],
    [{ sip: { listen: ['ws:127.0.0.1:8080'] } }, [`http.listen is where sip.listen[0] ${told}`]],
    [{ http: { listen: null }, api: { listen: '127.0.0.1:8081', tokens }, webhooks: webhooks('127.0.0.1:8081') }, [`api.listen is where webhooks.listen ${told}`]],
    // These get along.
    [{ api: { listen: '127.0.0.1:8081', tokens }, webhooks: webhooks('127.0.0.1:8443') }, []],
    [{ api: { listen: '127.0.0.2:8080', tokens } }, []], [{ http: { listen: '127.0.0.1:0' }, api: { listen: '127.0.0.1:0', tokens } }, []],
    [{ sip: { listen: ['udp:127.0.0.1:8080'] } }, []], [{ sip: { listen: ['tcp:0.0.0.0:8080'] }, http: { listen: '[::1]:8080' } }, []],
  ] as const) t.same(faults(more), wanted, JSON.stringify(more));
});

t.test('Meta is not where this service listens itself', async (t) => {
  const meta = (address: string | null, port: number, listen: string, more: object = {}): object => ({ meta: { address, port, sources: ['127.0.0.1'], ...more }, sip: { listen: [listen], tls: { cert: 'a', key: 'b' } } });
  for (const [more, wanted] of [
    [meta('127.0.0.1', 5061, 'tls:127.0.0.1:5061'), /^meta\.port is 5061, where sip\.listen\[0\] listens at meta\.address \(127\.0\.0\.1\)/],
    [meta('127.0.0.1', 5061, 'tls:0.0.0.0:5061'), /^meta\.port /], [meta('::1', 5061, 'tls:[::]:5061'), /^meta\.port /], [meta('10.0.0.4', 7000, 'tls:10.0.0.4:7000'), /^meta\.port is 7000/],
    [meta(null, 5061, 'tls:10.0.0.4:5061', { host: '10.0.0.4' }), /^meta\.port is 5061, where sip\.listen\[0\] listens at meta\.host/],
    // These get along.
    [meta('127.0.0.1', 5062, 'tls:127.0.0.1:5061'), null], [meta('127.0.0.2', 5061, 'tls:127.0.0.1:5061'), null], [meta('127.0.0.1', 5061, 'udp:127.0.0.1:5061'), null],
    [meta(null, 5061, 'tls:0.0.0.0:5061'), null], [meta('203.0.113.9', 5061, 'tls:0.0.0.0:5061'), null],
  ] as const) {
    const found = faults(more).filter((line) => !line.startsWith('sip.'));
    if (wanted === null) t.same(found, [], JSON.stringify(more));
    else t.match(found, [wanted], JSON.stringify(more));
  }
});

import { stringify } from 'yaml';
import { parseConfig } from '../../../lib/config/load.js';
import type { Config } from '../../../lib/config/types.js';

export const number = '+447700900001';
export const usNumber = '+15550100001';

/** A configuration of plain data; secrets and files are of no account to policy. */
export function configOf(tree: Record<string, unknown>): Config {
  return parseConfig(stringify({
    domain: 'sbc.example.net', sip: { tls: { cert: 'c.pem', key: 'k.pem' } },
    numbers: { [number]: { password: 'x' }, '+447700900002': { password: 'x' }, [usNumber]: { password: 'x' } },
    ...tree,
  }), { env: {}, path: 'test' });
}

/** The house of the decision tables: a PBX, softphones on IPv6, an SBC known by name, a neighbour and a gateway. */
export const house = configOf({
  peers: {
    pbx: {
      uri: 'sip:10.0.0.7:5060;transport=udp', sources: ['10.0.0.7/32'], pstn: 'none', country: 'GB',
      users: ['6[0-9]{3}', 'support', '+442079460000', 'anna.smith', '\\*9[0-9]'], mayTransferTo: ['phones'], mayCall: [number, usNumber],
    },
    phones: { uri: 'sip:[2001:db8::5]:5070;transport=tcp', sources: ['2001:db8::5/128'], pstn: 'none', users: ['agent-[a-z]{1,10}', '100'] },
    sbc: { uri: 'sip:SBC.Office.Example;transport=tls', sources: ['10.0.0.8'], pstn: 'none', users: ['7[0-9]{3}'] },
    next: { uri: 'sip:10.0.0.11', sources: ['10.0.0.11'], pstn: 'none', users: ['8[0-9]{3}'] },
    gw: { uri: 'sip:10.0.0.9', sources: ['10.0.0.9', '10.0.0.10'], pstn: 'carrier trunk', users: ['6[0-9]{3}'] },
  },
  routes: [
    { name: 'main', number, to: [{ peer: 'pbx', user: '6001' }, { peer: 'sbc', user: '7001' }] },
    { name: 'second', number: '+447700900002', to: [{ peer: 'next', user: '8001' }] },
  ],
  policy: { carriers: ['carrier.example', '198.51.100.0/24', '2001:db8:c::/48'] },
});

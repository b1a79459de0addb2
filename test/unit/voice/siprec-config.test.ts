// Recorders of others in the configuration: names, one key for all that record, and no way to the telephone network.
import t from 'tap';
import { parseConfig } from '../../../lib/config/load.js';
import { compilePolicy, prove } from '../../../lib/policy/index.js';
import { judgeTarget } from '../../../lib/policy/target.js';

const number = '+447700900001';
const file = (more: object): string => JSON.stringify({
  domain: 'sbc.example.net', sip: { listen: ['udp:127.0.0.1:5060'] }, numbers: { [number]: { password: 'x' } },
  peers: { pbx: { uri: 'sip:10.0.0.7', pstn: 'none', users: ['6001'] }, recorder: { uri: 'sip:10.0.0.9', pstn: 'none', users: ['rec'] }, gateway: { uri: 'sip:10.0.0.8', users: ['rec'] }, ...(more as { peers?: object }).peers },
  siprec: { archive: { to: [{ peer: 'recorder', user: 'rec' }] } }, routes: [], ...Object.fromEntries(Object.entries(more).filter(([key]) => key !== 'peers')),
});
const read = (more: object): ReturnType<typeof parseConfig> => parseConfig(file(more), { env: {}, path: 'test' });
const faultsOf = (more: object): string => {
  try {
    read(more);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
};
const route = (siprec: object, more: object = {}): object => ({ routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }], siprec: { recorder: 'archive', ...siprec }, ...more }] });

t.test('names and what goes together', (t) => {
  t.equal(faultsOf(route({})), '');
  t.match(faultsOf(route({ recorder: 'archiv' })), /routes\[0\]\.siprec\.recorder.*archive/s);
  t.match(faultsOf({ siprec: { archive: { to: [{ peer: 'recordr', user: 'rec' }] } } }), /siprec\.archive\.to\[0\]\.peer.*recorder/s);
  t.match(faultsOf({ siprec: { archive: { to: [] } } }), /siprec\.archive\.to/);
  t.match(faultsOf({ peers: { recorder: { register: true, pstn: 'none' } } }), /phones that register: a recorder has a uri/);
  t.match(faultsOf({ peers: { recorder: { websocket: 'wss://x.example.net/', pstn: 'none', users: ['rec'] } } }), /is a voice agent/);
  t.match(faultsOf({ peers: { recorder: { uri: 'sip:10.0.0.9', webrtc: true, pstn: 'none', users: ['rec'] } } }), /webrtc: true: a recorder gets plain RTP or SDES/);
  t.match(faultsOf({ recording: { directory: '/tmp' }, ...route({ pauseKey: '*' }, { record: { announce: null } }) }), /routes\[0\]\.siprec\.pauseKey.*the key pauses both/s);
  t.equal(faultsOf({ recording: { directory: '/tmp' }, ...route({ pauseKey: '*' }, { record: { announce: null, pauseKey: '*' } }) }), '');
  t.match(faultsOf({ recording: { directory: '/tmp' }, ...route({}, { record: { announce: 'said.wav' } }) }), /routes\[0\]\.siprec\.announce.*before it is said/s);
  t.equal(faultsOf({ recording: { directory: '/tmp' }, ...route({ announce: 'said.wav' }, { record: { announce: 'said.wav' } }) }), '');
  t.end();
});

t.test('check finds a recorder at a gateway, and one that reads as a number; only what siprec lists is one', (t) => {
  const proof = (more: object): string[] => prove(compilePolicy(read(more))).faults.map(({ path, message }) => `${path}: ${message}`);
  t.same(proof(route({})), []);
  t.match(proof({ siprec: { archive: { to: [{ peer: 'gateway', user: 'rec' }] } } }), [/^siprec\.archive\.to\[0\]: target\.gateway/]);
  t.match(proof({ siprec: { archive: { to: [{ peer: 'recorder', user: '+12025550123' }] } } }), [/^siprec\.archive\.to\[0\]: target\.number/]);
  t.match(proof({ siprec: { archive: { to: [{ peer: 'recorder', user: 'other' }] } } }), [/^siprec\.archive\.to\[0\]: target\.user/]);
  const policy = compilePolicy(read({ peers: { recorder: { uri: 'sip:10.0.0.9', pstn: 'none', users: ['rec', 'spare'] } } }));
  const judged = (user: string): string => judgeTarget(policy, { origin: 'siprec', number, route: null, peer: 'recorder', by: null, uri: `sip:${user}@10.0.0.9` }).code;
  t.equal(judged('rec'), 'target.onNet');
  t.equal(judged('spare'), 'route.target');
  t.end();
});

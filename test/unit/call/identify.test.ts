// Which peer a request is from: by address, by digest, by both, or a registered device. The real rules; what the password proves is the stand-in's word.
import t from 'tap';
import { identifyPeer, type PeerIdentity } from '../../../lib/call/peer/identify.js';
import type { Identifying } from '../../../lib/call/context.js';
import { compileRules } from '../../../lib/app/rules.js';
import { FakeRequest, FakeResponse } from '../../fakes/sip.js';
import { configOf } from '../policy/configuration.js';

const peer = (more: object): object => ({ uri: 'sip:10.0.0.99', pstn: 'none', users: ['anna'], ...more });
const config = configOf({
  peers: {
    pbx: peer({ uri: 'sip:10.0.0.1;transport=udp', sources: ['10.0.0.1'] }),
    both: peer({ uri: 'sip:10.0.0.2', sources: ['10.0.0.2'], digest: { username: 'both', password: 'b' } }),
    anywhere: peer({ uri: 'sip:pbx.example.org', digest: { username: 'roaming', password: 'r' } }),
    secured: peer({ uri: 'sip:sbc.example.org;transport=tls', digest: { username: 'secured', password: 's' }, tls: { ca: 'ca.pem' } }),
    phones: { register: true, pstn: 'none', accounts: { 6001: { password: 'p' } } },
  },
});
const rules = await compileRules(config);
const noDigest = await compileRules(configOf({ peers: { pbx: peer({ sources: ['10.0.0.1'] }) } }));

interface Row {
  readonly what: string;
  readonly from: string;
  /** The peer that its certificate makes known. */
  readonly certified?: string;
  /** The user whose password is shown; null: none is, so that a challenge goes out. */
  readonly shows: string | null;
  /** A device has registered from this very socket. */
  readonly registered?: boolean;
  readonly phones?: boolean;
  readonly rules?: typeof rules;
  readonly is: PeerIdentity;
}

const asked: PeerIdentity = { known: false, answered: true };
const rows: readonly Row[] = [
  { what: 'by address alone', from: '10.0.0.1', shows: null, is: { known: true, peer: 'pbx', account: null } },
  { what: 'by address: a name that only stands beside it makes it nobody else', from: '10.0.0.1', shows: '6001', is: { known: true, peer: 'pbx', account: null } },
  { what: 'address and digest: asked first', from: '10.0.0.2', shows: null, is: asked },
  { what: 'address and digest: both shown', from: '10.0.0.2', shows: 'both', is: { known: true, peer: 'both', account: null } },
  { what: "address and digest: another peer's password does not do", from: '10.0.0.2', shows: 'roaming', is: asked },
  { what: 'digest from anywhere', from: '198.51.100.7', shows: 'roaming', is: { known: true, peer: 'anywhere', account: null } },
  { what: 'from anywhere: the password of a peer that is known by its address does not do', from: '198.51.100.7', shows: 'both', is: asked },
  { what: 'from anywhere: nor that of a peer that is known by its certificate', from: '198.51.100.7', shows: 'secured', is: asked },
  { what: 'certificate and digest: both shown', from: '198.51.100.7', certified: 'secured', shows: 'secured', is: { known: true, peer: 'secured', account: null } },
  { what: 'a registered device', from: '198.51.100.7', shows: '6001', phones: true, is: { known: true, peer: 'phones', account: '6001' } },
  { what: 'an account that this address may not use', from: '198.51.100.7', shows: '6002', phones: true, is: asked },
  { what: "a device behind a trunk's address that registered from there is the device", from: '10.0.0.1', shows: '6001', phones: true, registered: true, is: { known: true, peer: 'phones', account: '6001' } },
  { what: 'nobody is asked where nobody is called from anywhere', from: '198.51.100.7', shows: '6001', rules: noDigest, is: { known: false, answered: false, why: 'neither meta.sources nor any peers[].sources match' } },
];

for (const { what, from, certified = null, shows, registered = false, phones = false, rules: compiled = rules, is } of rows) {
  t.test(what, (t) => {
    const passwords: (string | null)[] = [];
    const spared: boolean[] = [];
    const context = {
      rules: () => compiled,
      registrar: {
        peerAt: () => (registered ? 'phones' : null), serves: () => phones,
        account: (user: string) => (user === '6001' ? { peer: 'phones', password: 'p' } : null),
      },
      authenticator: {
        take: (_req: unknown, _res: unknown, passwordOf: (user: string) => string | null, spare: boolean) => {
          spared.push(spare);
          const password = shows === null ? null : passwordOf(shows);
          passwords.push(password);
          return password === null ? { ok: false } : { ok: true, user: shows };
        },
      },
    } as unknown as Identifying;
    const request = new FakeRequest('INVITE', {}, '', from);
    t.strictSame(identifyPeer(context, compiled.judgeSource(from, certified === null ? 'udp' : 'tls', certified), request, new FakeResponse()), is);
    if (spared.length > 0) t.equal(spared[0], from === '10.0.0.2' || certified !== null, "only a peer's own address is spared a ban");
    t.end();
  });
}

// ICE and DTLS of one port, on a network in memory: what comes before ICE knows who is there.
import t from 'tap';
import { makeCertificate } from '../../../lib/media/dtls/index.js';
import { hostCandidate, newIceCredentials, type IceAddress } from '../../../lib/media/ice/index.js';
import { Secured } from '../../../lib/media/relay/wire/secured.js';
import type { DtlsSettings } from '../../../lib/media/relay/wire/settings.js';
import type { SrtpKeys } from '../../../lib/media/srtp/index.js';
import { IceNet } from '../../helpers/iceNet.js';

const [here, there] = [{ address: '192.0.2.1', port: 4000 }, { address: '192.0.2.2', port: 5000 }];
const isDtls = (bytes: Buffer): boolean => (bytes[0] ?? 0) >= 20 && (bytes[0] ?? 0) < 64;

/** Two ends, each with ICE and DTLS, that know each other. */
class Pair {
  readonly net = new IceNet();
  readonly keys: { local: SrtpKeys; remote: SrtpKeys }[] = [];
  readonly faults: string[] = [];
  readonly ends: readonly [Secured, Secured];

  constructor() {
    const certificates = [makeCertificate(), makeCertificate()] as const;
    const credentials = [newIceCredentials(), newIceCredentials()] as const;
    const end = (mine: 0 | 1, at: IceAddress, their: IceAddress): Secured => {
      const yours = mine === 0 ? 1 : 0;
      const [hash = '', value = ''] = certificates[yours].fingerprint.split(' ');
      const settings: DtlsSettings = {
        controlling: mine === 0, role: mine === 0 ? 'client' : 'server', own: { ...credentials[mine], local: at },
        remote: { ...credentials[yours], lite: false, candidates: [hostCandidate(their)] }, fingerprints: [{ hash, value }],
      };
      const one = new Secured(settings, certificates[mine], {
        send: (bytes, to) => this.net.send(Buffer.from(bytes), at, to), keyed: (keys) => this.keys.push(keys), failed: (kind, reason) => this.faults.push(`${kind}: ${reason}`),
      });
      one.settle(settings);
      this.net.open(at, ({ bytes, from }) => one.receive(bytes, from, this.net.now));
      this.net.every5ms((now) => one.tick(now));
      return one;
    };
    this.ends = [end(0, here, there), end(1, there, here)];
  }

  begin(): void {
    for (const one of this.ends) one.begin(this.net.now);
  }

  /** Milliseconds until both have their keys; null: they do not get them. */
  took(): number | null {
    const began = this.net.now;
    return this.net.run(20_000, () => this.keys.length === 2) ? this.net.now - began : null;
  }
}

t.test('the first ClientHello that overtakes the answer to our check is not lost: its sender does not wait for its time-out', async (t) => {
  const pair = new Pair();
  // Answers to what the server asks are slow, so that it has validated nobody as the client's hello comes.
  pair.net.path = ({ bytes, from }) => [from.port === here.port && !isDtls(bytes) && bytes[0] === 1 ? 45 : 1];
  pair.begin();
  const took = pair.took();
  const hellos = pair.net.sent.filter(({ bytes, from }) => isDtls(bytes) && from.port === here.port && bytes[13] === 1);
  t.ok(took !== null && took < 70, `${took} ms`);
  t.equal(hellos.length, 1, 'it was said once');
  t.ok(pair.keys[0]?.local.key.equals(pair.keys[1]?.remote.key ?? Buffer.alloc(0)) === true);
});

t.test('strangers who send early cost no handshake, from one address or from many', async (t) => {
  for (const from of [() => ({ address: '203.0.113.9', port: 9000 }), (n: number) => ({ address: `203.0.113.${n % 250}`, port: 9000 + n })]) {
    const pair = new Pair();
    pair.net.path = ({ bytes, from: source }) => [source.port === here.port && !isDtls(bytes) && bytes[0] === 1 ? 45 : 1];
    for (let n = 0; n < 5000; n += 1) t.notOk(pair.ends[1].receive(Buffer.alloc(n % 3 === 0 ? 9000 : 200, 22), from(n), pair.net.now) || null);
    pair.begin();
    pair.net.every5ms((now) => { for (let n = 0; n < 3; n += 1) pair.ends[1].receive(Buffer.alloc(200, 22), from(n), now); });
    const took = pair.took();
    t.ok(took !== null && took < 300, `${took} ms`);
    t.same(pair.faults, []);
  }
});

t.test('an association that its far end closes leaves its keys, and is no failed handshake', async (t) => {
  const pair = new Pair();
  pair.begin();
  t.not(pair.took(), null);
  pair.ends[0].close();
  pair.net.run(100);
  t.same(pair.faults, []);
});

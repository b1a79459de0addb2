// The DTLS ends against werift's, as the stand-ins use it.
import t from 'tap';
import { DtlsEndpoint, makeCertificate } from '../../../lib/media/dtls/index.js';
import { DtlsSession, makeDtlsCertificate } from '../../../lib/simulator/media/dtls.js';

const ours = makeCertificate();
const theirs = await makeDtlsCertificate();
const [hash = '', value = ''] = theirs.fingerprint.split(' ');

for (const role of ['client', 'server'] as const) {
  t.test(`we are the ${role}`, async (t) => {
    const [own, other] = await new Promise<[unknown, unknown]>((resolve, reject) => {
      let own: unknown;
      let other: unknown;
      const both = (): void => { if (own !== undefined && other !== undefined) resolve([own, other]); };
      const endpoint = new DtlsEndpoint({
        role, certificate: ours, fingerprints: [{ hash, value }], profiles: ['AES_CM_128_HMAC_SHA1_80'],
        events: {
          send: (datagram) => { setImmediate(() => { session.receive(datagram); }); },
          connected: ({ local, remote }) => { own = { local: { key: local.key, salt: local.salt }, remote: { key: remote.key, salt: remote.salt } }; both(); },
          failed: (reason) => { reject(new Error(reason)); },
        },
      });
      const session = new DtlsSession({ role: role === 'client' ? 'server' : 'client', certificate: theirs, fingerprint: ours.fingerprint, local: { address: '127.0.0.1', port: 9 } }, {
        send: (bytes) => { setImmediate(() => { endpoint.receive(Buffer.from(bytes), performance.now()); }); },
        connected: ({ local, remote }) => { other = { local: remote, remote: local }; both(); },
        fault: (detail) => { reject(new Error(`werift: ${detail}`)); },
      });
      const ticks = setInterval(() => { endpoint.tick(performance.now()); }, 5);
      t.teardown(() => { clearInterval(ticks); session.close(); endpoint.close(); });
      endpoint.start(performance.now());
      session.start();
    });
    t.same(own, other);
  });
}

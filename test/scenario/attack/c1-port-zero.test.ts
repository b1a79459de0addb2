// C1: a datagram with source port 0, which Linux delivers, ended the process.
import { once } from 'node:events';
import { createSocket } from 'node:dgram';
import t from 'tap';
import { startSipServer } from '../../../lib/sipserver/index.js';
import { noRawPackets, sendRaw, stunRequest } from '../../helpers/rawPackets.js';

const request = (method: string): Buffer => Buffer.from([
  `${method} sip:6001@127.0.0.1 SIP/2.0`, 'Via: SIP/2.0/UDP 127.0.0.9;rport;branch=z9hG4bK-zero', 'Max-Forwards: 70', 'From: <sip:x@127.0.0.9>;tag=1',
  'To: <sip:6001@127.0.0.1>', 'Call-ID: zero', `CSeq: 1 ${method}`, 'Content-Length: 0', '', '',
].join('\r\n'));

t.test('STUN and SIP from port 0 leave the process alive and its log quiet', { skip: await noRawPackets() }, async (t) => {
  const errors: string[] = [];
  const quiet = (): void => { /* not of interest */ };
  const server = await startSipServer({
    listen: ['udp:127.0.0.1:0'], admin: { host: '127.0.0.1', port: 0, secret: 'x' },
    logger: { info: quiet, warn: quiet, debug: quiet, error: (_o, m) => { errors.push(m); } },
  });
  t.teardown(() => server.close());
  const port = Number(server.listening[0]?.split(':').at(-1));
  const to = { address: '127.0.0.1', port };
  const from = { address: '127.0.0.9', port: 0 };
  t.ok(await sendRaw([stunRequest(), request('OPTIONS'), request('INVITE'), request('ACK')].map((data) => ({ from, to, data }))));
  // The socket takes datagrams in order: when this one is answered the others have been taken.
  const client = createSocket('udp4');
  t.teardown(() => { client.close(); });
  client.send(stunRequest(), port, '127.0.0.1');
  await once(client, 'message');
  t.same(errors, []);
  t.equal(server.stats().faults, 0);
});

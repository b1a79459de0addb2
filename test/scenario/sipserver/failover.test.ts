import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t from 'tap';
import type { NameService } from '../../../lib/sipserver/locate/index.js';
import { Peer, reply, start } from './harness.js';

const SDP = 'v=0\r\n';

/** A UDP port nobody has. */
async function deadPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => { socket.close(() => { resolve(); }); });
  return port;
}

function service(ports: number[]): NameService {
  return {
    naptr: async () => [],
    srv: async (name) => (name === '_sip._udp.pbx.example' ? ports.map((port, i) => ({ name: 'localhost', port, priority: i, weight: 0 })) : []),
    addresses: async () => ['127.0.0.1'],
  };
}

t.test('an ICMP error is a transport error, at once', async (t) => {
  const { srf } = await start(t);
  const started = Date.now();
  const refusal = await srf.createUAC(`sip:bob@127.0.0.1:${await deadPort()}`, { localSdp: SDP }).catch((e: unknown) => e);
  t.match(refusal, { status: 503, reason: /Transport Error.*ECONNREFUSED/ });
  t.ok(Date.now() - started < 1000);
});

t.test('the next target takes over from one that is not there, silent, or overloaded (RFC 3263 §4.3)', async (t) => {
  const dead = await deadPort();
  const silent = await Peer.on(t, ['udp:127.0.0.1:0']);
  const busy = await Peer.on(t, ['udp:127.0.0.1:0']);
  const good = await Peer.on(t, ['udp:127.0.0.1:0']);
  const { srf } = await start(t, { names: service([dead, silent.port('udp'), busy.port('udp'), good.port('udp')]), timers: { T1: 10, T2: 40, T4: 50, D: 640 } });
  const calling = srf.createUAC('sip:bob@pbx.example;transport=udp', { localSdp: SDP });
  const ignored = await silent.next('INVITE');
  const refused = await busy.next('INVITE');
  reply(refused, 503, 'busy');
  await busy.next('ACK');
  const invite = await good.next('INVITE');
  reply(invite, 200, 'bob', { Contact: `<sip:bob@127.0.0.1:${good.port('udp')}>` }, SDP);
  t.equal((await calling).sip.remoteTag, 'bob');
  await good.next('ACK');
  const branches = new Set([ignored, refused, invite].map((r) => /branch=[^;]+/.exec(r.message.get('via') ?? '')?.[0]));
  t.equal(branches.size, 3, 'each try is a transaction of its own');
  t.equal(new Set([ignored, refused, invite].map((r) => `${r.message.get('call-id')} ${r.message.get('cseq')} ${r.message.get('from')}`)).size, 1, 'of one and the same request');
});

t.test('when all fail, the last reason is told; a busy peer is not gone past', async (t) => {
  const one = await Peer.on(t, ['udp:127.0.0.1:0']);
  const two = await Peer.on(t, ['udp:127.0.0.1:0']);
  const { srf } = await start(t, { names: service([one.port('udp'), two.port('udp')]) });
  const first = srf.createUAC('sip:bob@pbx.example;transport=udp', { localSdp: SDP }).catch((e: unknown) => e);
  reply(await one.next('INVITE'), 486, 'one');
  t.match(await first, { status: 486 });
  const second = srf.createUAC('sip:bob@pbx.example;transport=udp', { localSdp: SDP }).catch((e: unknown) => e);
  reply(await one.next('INVITE'), 503, 'one');
  reply(await two.next('INVITE'), 503, 'two');
  t.match(await second, { status: 503 });
  t.equal(two.seen.filter((r) => r.message.method === 'INVITE').length, 0);
});

t.test('a large request goes over TCP where the URI leaves the choice, and over UDP where TCP is refused', async (t) => {
  const { srf } = await start(t);
  const both = await Peer.on(t, ['udp:127.0.0.1:0']);
  await both.transports.listen(`tcp:127.0.0.1:${both.port('udp')}`);
  const large = `v=0\r\n${'a=x\r\n'.repeat(300)}`;
  const uri = `sip:bob@127.0.0.1:${both.port('udp')}`;
  const calling = srf.createUAC(uri, { localSdp: large });
  const invite = await both.next('INVITE');
  t.equal(invite.flow.protocol, 'tcp');
  t.match(invite.message.get('via'), /^SIP\/2\.0\/TCP /);
  reply(invite, 200, 'bob', { Contact: `<${uri};transport=tcp>` }, SDP);
  await calling;
  void srf.createUAC(`${uri};transport=udp`, { localSdp: large }).catch(() => { /* ends with the test */ });
  t.equal((await both.next('INVITE')).flow.protocol, 'udp', 'named in the URI');
  const only = await Peer.on(t, ['udp:127.0.0.1:0']);
  void srf.createUAC(`sip:bob@127.0.0.1:${only.port('udp')}`, { localSdp: large }).catch(() => { /* ends with the test */ });
  t.equal((await only.next('INVITE')).flow.protocol, 'udp', 'TCP refused');
});

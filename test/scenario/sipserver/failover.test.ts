import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t from 'tap';
import { SystemNameService } from '../../../lib/sipserver/locate/index.js';
import type { NameService } from '../../../lib/sipserver/locate/index.js';
import { a, aaaa, naptr, nameServer, srv } from './name-server.js';
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

t.test('NAPTR, SRV and addresses from a name server, with fail-over at each step', async (t) => {
  const dead = await deadPort();
  const good = await Peer.on(t, ['tcp:127.0.0.1:0', 'udp:127.0.0.1:0']);
  const dns = await nameServer(t, {
    'pbx.example': [naptr(20, 'SIP+D2U', '_sip._udp.pbx.example'), naptr(10, 'SIP+D2T', '_sip._tcp.pbx.example'), naptr(5, 'SIPS+D2X', 'nobody.example')],
    // The first target refuses, the second has an address where nobody is besides the right one.
    '_sip._tcp.pbx.example': [srv(1, dead, 'one.pbx.example'), srv(2, good.port('tcp'), 'two.pbx.example'), srv(0, 5060, '')],
    '_sip._udp.pbx.example': [srv(1, good.port('udp'), 'two.pbx.example')],
    'one.pbx.example': [a('127.0.0.1')],
    'two.pbx.example': [a('127.0.0.99'), a('127.0.0.1'), aaaa('::1')],
  });
  const { srf } = await start(t, { names: new SystemNameService([dns.address]) });
  const call = async (uri: string): Promise<{ protocol: string; took: number }> => {
    const before = Date.now();
    const calling = srf.createUAC(uri, { localSdp: SDP });
    const invite = await good.next('INVITE');
    reply(invite, 200, 'bob', { Contact: `<sip:bob@127.0.0.1:${good.port(invite.flow.protocol)};transport=${invite.flow.protocol}>` }, SDP);
    await calling;
    await good.next('ACK');
    return { protocol: invite.flow.protocol, took: Date.now() - before };
  };
  t.equal((await call('sip:bob@pbx.example')).protocol, 'tcp', 'NAPTR prefers TCP; its second target, at its second address, takes the call');
  t.equal((await call('sip:bob@pbx.example;transport=udp')).protocol, 'udp', 'the URI names the transport: no NAPTR');
  const asked = dns.asked.length;
  t.equal((await call('sip:bob@pbx.example')).protocol, 'tcp');
  t.equal(dns.asked.length, asked, 'answers are remembered');
  t.ok(['NAPTR pbx.example', 'SRV _sip._tcp.pbx.example', 'A one.pbx.example', 'A two.pbx.example'].every((q) => dns.asked.includes(q)), dns.asked.join(', '));
});

t.test('a name that does not exist, and a name server that keeps silent', async (t) => {
  const dns = await nameServer(t, { 'silent.example': 'silence', '_sip._udp.silent.example': 'silence', '_sip._tcp.silent.example': 'silence' });
  const { srf } = await start(t, { names: new SystemNameService([dns.address]) });
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const before = Date.now();
  const silent = srf.createUAC('sip:bob@silent.example', { localSdp: SDP }).catch((e: unknown) => e);
  t.match(await srf.createUAC('sip:bob@gone.example', { localSdp: SDP }).catch((e: unknown) => e), { status: 503, reason: 'no address found for gone.example' });
  const meanwhile = srf.createUAC(`sip:bob@127.0.0.1:${peer.port('udp')}`, { localSdp: SDP });
  reply(await peer.next('INVITE'), 200, 'bob', { Contact: `<sip:bob@127.0.0.1:${peer.port('udp')}>` }, SDP);
  await meanwhile;
  t.ok(Date.now() - before < 1500, 'other calls do not wait for it');
  t.match(await silent, { status: 503 });
  t.ok(Date.now() - before < 20_000, `${Date.now() - before} ms`);
});

t.test('a target that kept silent is tried last for a while', async (t) => {
  const silent = await Peer.on(t, ['udp:127.0.0.1:0']);
  const good = await Peer.on(t, ['udp:127.0.0.1:0']);
  const { srf } = await start(t, { names: service([silent.port('udp'), good.port('udp')]), timers: { T1: 10, T2: 40, T4: 50, D: 640 } });
  for (const [round, asked] of [['first', true], ['second', false]] as const) {
    const calling = srf.createUAC('sip:bob@pbx.example;transport=udp', { localSdp: SDP });
    const invite = await good.next('INVITE');
    reply(invite, 200, 'bob', { Contact: `<sip:bob@127.0.0.1:${good.port('udp')}>` }, SDP);
    await calling;
    await good.next('ACK');
    t.equal(silent.seen.splice(0).length > 0, asked, `the ${round} call`);
  }
});

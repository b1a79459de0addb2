// A phone registers at one node, and a call that comes to another rings it: through the node that holds its flow.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { MetaSide, SimulatedUser, startPeer, type SimulatedPeer } from '../../../lib/simulator/index.js';
import { freePort } from '../../helpers/ports.js';
import { RawPhone } from '../../helpers/rawPhone.js';
import { startRedis } from '../../helpers/redis.js';
import { domain, listener, number, password, plainListener, runService, type Running } from '../../helpers/service.js';

const auth = { username: '6001', password: 'pw-6001' };

async function twoNodes(t: Test) {
  const redis = await startRedis(t);
  const addresses = { a: `tcp:127.0.0.1:${await freePort()}`, b: `tcp:127.0.0.1:${await freePort()}` };
  const start = async (name: 'a' | 'b'): Promise<Running> => {
    const node = await runService({
      metaPort: null, peers: {},
      overlay: {
        state: redis.url, node: { name, secret: 'the-nodes-only-0123456789', addresses }, sip: { listen: ['tls:127.0.0.1:0', 'udp:127.0.0.1:0', addresses[name]] },
        peers: { phones: { register: true, pstn: 'none', accounts: { 6001: { password: 'pw-6001' } }, mayCall: [number], codecs: ['PCMU'] } },
        routes: [{ name: 'main', number, to: [{ peer: 'phones', user: '6001' }], ringTimeout: 5 }], limits: { ban: { after: 3, first: 60 } },
      },
    });
    t.teardown(() => node.close());
    return node;
  };
  const [a, b] = [await start('a'), await start('b')];
  const side = await MetaSide.open({ to: `127.0.0.1:${b.tls.port}`, serverName: domain, ca: b.certificates.ca });
  t.teardown(() => side.close());
  const call = async (): Promise<SimulatedUser> => {
    const user = new SimulatedUser(side, { number, password });
    await user.place();
    return user;
  };
  /** Resolves when both say where the devices are that are registered: `here`, or the name of a node. */
  const registered = async (atA: readonly string[], atB: readonly string[]): Promise<void> => {
    for (const wanted = JSON.stringify([atA, atB]); ;) {
      const lists = await Promise.all([a, b].map(async ({ service }) => (await (await fetch(`http://${service.http ?? ''}/status`)).json() as { registrations: { node?: string }[] }).registrations.map(({ node }) => node ?? 'here')));
      if (JSON.stringify(lists) === wanted) return;
      await new Promise((resolve) => { setTimeout(resolve, 20); });
    }
  };
  return { a, b, redis, call, registered };
}

async function phone(t: Test, transport: 'udp' | 'tcp'): Promise<SimulatedPeer> {
  const peer = await startPeer({ codecs: ['PCMU'], user: '6001', listen: `${transport}:127.0.0.1:0` });
  t.teardown(() => peer.close());
  return peer;
}

for (const transport of ['tcp', 'udp'] as const) {
  t.test(`over ${transport}: rung, heard, hung up by either; re-INVITEs go both ways; it moves to the other node`, async (t) => {
    const { a, b, call, registered } = await twoNodes(t);
    const softphone = await phone(t, transport);
    t.equal((await softphone.register({ registrar: `${transport}:${plainListener(a, transport)}`, domain, auth, expires: 600 })).status, 200);
    await registered(['here'], ['a']);

    const incoming = softphone.nextCall();
    const first = await call();
    t.equal(first.report().status, 200, 'the phone of the other node is rung');
    const answered = await incoming;
    // From the phone, through its node, to the node that has the call.
    t.equal(await answered.hold(), 200);
    t.equal(await answered.resume(), 200);
    const over = new Promise((resolve) => answered.once('ended', resolve));
    await first.hangUp();
    t.equal(await over, 'far', 'the BYE finds the phone');
    t.same(first.report().violations, []);

    const again = softphone.nextCall();
    const second = await call();
    // Heard by packets: they are counted over a second at least.
    await new Promise((resolve) => { setTimeout(resolve, 1500); });
    t.ok(second.report().audio?.toneHeard, 'audio goes both ways');
    const ended = new Promise((resolve) => second.once('ended', resolve));
    await (await again).bye();
    t.equal(await ended, 'business', 'the phone\'s BYE finds the node of the call');

    // Nobody answers: the CANCEL finds it too.
    softphone.answer = 'ring';
    const ringing = softphone.nextCall();
    const third = call();
    const rings = await ringing;
    const cancelled = new Promise((resolve) => rings.once('refused', resolve));
    t.equal(await cancelled, 487);
    t.equal((await third).report().status, 480);
    t.same((await b.records(3)).map(({ termination: { by, reason } }) => `${by} ${reason}`), ['user hangup', 'peer hangup', 'peer noAnswer']);

    softphone.answer = 'echo';
    t.equal((await softphone.register({ registrar: `${transport}:${plainListener(b, transport)}`, domain, auth, expires: 600 })).status, 200);
    await registered(['b'], ['here']);
    const last = await call();
    t.equal(last.report().status, 200);
    await last.hangUp();
    await b.records(4);
    t.equal((await a.records(0)).length, 0, 'the node of the phone had no call');
  });
}

t.test('its connection breaks; its node goes; who guesses at one node is banned at both', async (t) => {
  const { a, b, redis, call, registered } = await twoNodes(t);
  const softphone = await phone(t, 'tcp');
  const there = `tcp:${plainListener(a, 'tcp')}`;
  await softphone.register({ registrar: there, domain, auth, expires: 600 });
  await registered(['here'], ['a']);
  await softphone.close();
  await registered([], []);
  t.equal((await call()).report().status, 480, 'the other node has heard of it');

  const next = await phone(t, 'tcp');
  await next.register({ registrar: there, domain, auth, expires: 600 });
  await registered(['here'], ['a']);
  await redis.replace();
  await registered(['here'], ['a']);
  const up = async (): Promise<boolean> => (await (await fetch(`http://${b.service.http ?? ''}/status`)).json() as { state: { state: string } }).state.state === 'up';
  while (!await up()) await new Promise((resolve) => { setTimeout(resolve, 50); });
  const after = await call();
  t.equal(after.report().status, 200, 'a Redis without memory is given it anew');
  await after.hangUp();

  const guesser = await phone(t, 'udp');
  for (let i = 0; i < 3; i += 1) await guesser.register({ registrar: `udp:${plainListener(a, 'udp')}`, domain, auth: { username: '6002', password: 'guess' } }).catch(() => undefined);
  for (;;) {
    const { bans } = await (await fetch(`http://${b.service.http ?? ''}/status`)).json() as { bans: { who: string }[] };
    if (bans.length > 0) break;
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
  await a.close();
  while ((await (await fetch(`http://${b.service.http ?? ''}/status`)).json() as { registrations: unknown[] }).registrations.length > 0) await new Promise((resolve) => { setTimeout(resolve, 100); });
  t.pass('a node that has gone has no phones');
});

t.test('a stranger who was refused has a tag of a node: what he sends with it to another node is no reason to shut that one out', async (t) => {
  const { a, b } = await twoNodes(t);
  const socket = createSocket('udp4');
  t.teardown(() => { socket.close(); });
  socket.bind(0, '127.0.0.5');
  await once(socket, 'listening');
  const { port } = socket.address();
  let count = 0;
  const ask = async (node: Running, tag: string): Promise<string> => {
    count += 1;
    const answer = once(socket, 'message');
    socket.send(`OPTIONS sip:x@${domain} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.5:${port};branch=z9hG4bKstranger${count}\r\nFrom: <sip:x@x.example>;tag=x${count}\r\nTo: <sip:x@${domain}>${tag === '' ? '' : `;tag=${tag}`}\r\nCall-ID: stranger${count}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n`, node.udp.port, '127.0.0.1');
    const [text] = await answer as [Buffer];
    return text.toString();
  };
  const refused = await ask(b, '');
  const tag = /^To:.*;tag=(\S+)/im.exec(refused)?.[1] ?? '';
  t.match(tag, /\.b\./, refused);
  for (let i = 0; i < 12; i += 1) t.match(await ask(a, tag), /^SIP\/2.0 481/);
  const { bans } = await (await fetch(`http://${b.service.http ?? ''}/status`)).json() as { bans: unknown[] };
  t.same(bans, []);
});

t.test('what a phone learns of its node when it is rung lets nobody send anything on', async (t) => {
  const { a, call, registered } = await twoNodes(t);
  const third = createSocket('udp4').bind(0, '127.0.0.1');
  await once(third, 'listening');
  t.teardown(() => third.close());
  const reached: string[] = [];
  third.on('message', (data) => reached.push(data.toString('latin1')));
  const raw = await RawPhone.open(domain, 'tcp', listener(a.service, 'tcp'));
  t.teardown(() => raw.close());
  t.equal((await raw.authenticated({ user: '6001', contact: `<sip:6001@${raw.here};transport=tcp>`, expires: 600 }, auth)).status, 200);
  await registered(['here'], ['a']);
  const placed = call();
  while (!raw.heard.some(({ method }) => method === 'INVITE')) await new Promise((resolve) => { setTimeout(resolve, 20); });
  const invite = raw.heard.find(({ method }) => method === 'INVITE')!;
  const routes = invite.list('record-route');
  t.match(routes[0], /;lr;px=/);
  const uri = `sip:+442079460000@127.0.0.1:${third.address().port}`;
  const stranger = await RawPhone.open(domain, 'tcp', listener(a.service, 'tcp'));
  t.teardown(() => stranger.close());
  for (const phone of [raw, stranger]) {
    for (const [method, to] of [['INVITE', `<${uri}>`], ['MESSAGE', `<${uri}>`], ['BYE', `<${uri}>;tag=made-up`]] as const) {
      const answer = await phone.ask({ method, uri, to, callId: invite.get('call-id') ?? '', cseq: 7, lines: [`Route: ${routes[0] ?? ''}`] });
      t.ok(answer.status >= 400, `${method}: ${answer.status}`);
      phone.heard.length = 0;
    }
    phone.throw({ method: 'ACK', uri, callId: invite.get('call-id') ?? '', cseq: 7, lines: [`Route: ${routes[0] ?? ''}`] });
  }
  await (await placed).hangUp().catch(() => undefined);
  t.same(reached, [], 'nothing came out');
});

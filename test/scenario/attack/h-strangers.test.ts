// H1, H2, H4, H5, L2, L12, N2: what a stranger sends takes nothing from Meta and the peers.
import { once } from 'node:events';
import { connect as tlsConnect } from 'node:tls';
import t, { type Test } from 'tap';
import { engines } from '../../helpers/engines.js';
import { listener, number } from '../../helpers/service.js';
import { stunRequest } from '../../helpers/rawPackets.js';
import { datagrams, gone, line, request } from '../../helpers/stranger.js';
import { openStage, pause, type Stage, type StageOptions } from '../harness.js';

const skip = engines.sip === 'embedded' ? false : 'the embedded server is the subject';

async function open(t: Test, overlay: StageOptions['overlay'] = {}): Promise<{ stage: Stage; udp: number; tcp: number; counters: () => Promise<Record<string, number>> }> {
  const stage = await openStage({ overlay: { meta: { mediaTimeout: 0 }, ...overlay }, peers: { pbx: { media: 'none' } } });
  t.teardown(() => stage.close());
  return {
    stage, udp: stage.running.udp.port, tcp: listener(stage.running.service, 'tcp').port,
    async counters() {
      const text = await (await fetch(`http://${stage.running.service.http}/metrics`)).text();
      return Object.fromEntries([...text.matchAll(/^wab_sipserver_(?:events_total|in_use)\{\w+="(\w+)"\} (\S+)$/gm)].map(([, name, value]) => [name, Number(value)]));
    },
  };
}

/** A peer whose users register: anybody may come and show a password. */
const phones = { peers: { phones: { register: true, pstn: 'none', accounts: { 7001: { password: 'p' } }, mayCall: [number], codecs: ['PCMU'] } } };

t.test('where nobody registers, strangers get silence whatever they send', { skip }, async (t) => {
  const { stage, udp, tcp, counters } = await open(t);
  const stranger = await datagrams();
  t.teardown(() => { stranger.close(); });
  for (const method of ['INVITE', 'OPTIONS', 'REGISTER', 'MESSAGE', 'CANCEL', 'BYE', 'ACK']) {
    await stranger.send(request(method), udp);
    await stranger.send(request(method, { to: 'nobody' }), udp);
  }
  await stranger.send('rubbish of more than twenty bytes\r\n\r\n', udp);
  await stranger.send(stunRequest(), udp);
  const { socket, heard } = await line(tcp);
  socket.write(request('INVITE', { via: 'TCP' }));
  t.ok(await gone(socket), 'a connection is closed');
  await pause(300);
  t.same(stranger.heard, []);
  t.equal(heard(), '');
  t.match(await counters(), { serverTransactions: 0, requestsIn: 0, faults: 0 });
  t.equal((await stage.call({}, 200)).status, 200);
});

t.test('guests: one answer without state; INVITE and REGISTER once 401, however often nobody acknowledges it', { skip }, async (t) => {
  const { udp, counters } = await open(t, phones);
  const guest = await datagrams();
  t.teardown(() => { guest.close(); });
  await guest.send(request('INVITE', { id: 'g1', body: 'v=0\r\n', headers: ['Content-Type: application/sdp'] }), udp);
  await pause(3000);
  t.equal(guest.heard.length, 1, 'no 100, and the 401 is not repeated');
  t.match(guest.heard[0], /^SIP\/2\.0 401 /);
  t.match(await counters(), { serverTransactions: 0, strangersTransactions: 0 });
  await guest.send(request('INVITE', { id: 'g1' }), udp);
  await pause(300);
  const tags = guest.heard.map((text) => /^To: .*;tag=(\S+)/im.exec(text)?.[1]);
  t.equal(tags[0], tags[1], 'RFC 3261 §8.2.7: the same tag for the same request');
  guest.heard.length = 0;
  for (const [method, to] of [['OPTIONS', ''], ['MESSAGE', 'x'], ['INVITE', 'x'], ['BYE', 'x'], ['CANCEL', '']] as const) await guest.send(request(method, { to }), udp);
  for (let i = 0; i < 20; i++) await guest.send(request('ACK'), udp);
  await pause(300);
  t.same(guest.heard.map((text) => text.slice(8, 11)).sort(), ['403', '481', '481', '481', '481']);
  t.match(await counters(), { serverTransactions: 0 });
});

t.test('H5, N2: however many requests come, Meta finds a transaction', { skip }, async (t) => {
  for (const overlay of [{}, phones]) {
    const { stage, udp, counters } = await open(t, { ...overlay, sip: { limits: { transactions: 40 } } });
    const stranger = await datagrams();
    t.teardown(() => { stranger.close(); });
    for (let i = 0; i < 200; i++) for (const [method, to] of [['INVITE', 'x'], ['CANCEL', ''], ['REGISTER', ''], ['INVITE', '']] as const) await stranger.send(request(method, { to }), udp);
    const report = await stage.call({}, 200);
    t.equal(report.status, 200);
    t.match(await counters(), { refused: 0 });
  }
});

t.test('H1: a burst ends no call', { skip, timeout: 60_000 }, async (t) => {
  for (const overlay of [{}, phones]) {
    const { stage, tcp, counters } = await open(t, overlay);
    const user = stage.user();
    t.equal(await user.place(), 200);
    const body = 'x'.repeat(60_000);
    const lines = await Promise.all(Array.from({ length: 30 }, () => line(tcp)));
    for (const { socket } of lines) for (let i = 0; i < 50 && socket.writable; i++) socket.write(request('MESSAGE', { to: 'x', via: 'TCP', body, headers: ['Content-Type: text/plain'] }));
    await pause(2000);
    t.equal(stage.running.service.table.size, 1, 'the call lives');
    t.match(await counters(), { clients: 1, faults: 0 });
    await user.hangUp();
    user.close();
    for (const { socket } of lines) socket.destroy();
  }
});

t.test('H4: whoever holds every place he can get keeps nobody out', { skip, timeout: 60_000 }, async (t) => {
  const { stage, tcp, counters } = await open(t, { ...phones, sip: { limits: { connections: 20, strangers: { connectionsPerSecond: 1000 } } } });
  const held = [];
  for (let i = 0; i < 40; i++) {
    const { socket } = await line(tcp, `127.0.0.${20 + (i % 8)}`);
    socket.write(i % 2 === 0 ? '\x01\r\n\r\n' : request('OPTIONS', { via: 'TCP' }));
    held.push(socket);
  }
  await pause(300);
  t.ok((await counters())['strangersConnections']! <= 10, 'half at most');
  t.ok(held.filter((_, i) => i % 2 === 0).every((socket) => socket.closed), 'what cannot be read is speech of nobody');
  t.equal((await stage.call({}, 200)).status, 200, 'Meta comes in');
  for (const socket of held) socket.destroy();
});

t.test('N3: handshakes that are never finished, opened again as soon as they end, do not keep Meta out', { skip, timeout: 60_000 }, async (t) => {
  const { stage } = await open(t, { ...phones, sip: { limits: { handshakes: 10, strangers: { handshakes: 5 } } } });
  const { port } = listener(stage.running.service, 'tls');
  let on = true;
  const attack = Array.from({ length: 40 }, async (_, i) => {
    while (on) {
      const { socket } = await line(port, `127.0.0.${30 + (i % 20)}`);
      await gone(socket, 200);
      socket.destroy();
      await pause(1);
    }
  });
  await pause(500);
  for (let i = 0; i < 4; i++) {
    const meta = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    meta.on('error', () => { /* judged below */ });
    t.ok(await Promise.race([once(meta, 'secureConnect').then(() => true, () => false), pause(3000).then(() => false)]), `connection ${i + 1}`);
    meta.destroy();
  }
  on = false;
  await Promise.all(attack);
});

t.test('H2: strangers leave nothing in memory, and the ladder of a live call stays', { skip, timeout: 60_000 }, async (t) => {
  const { stage, udp } = await open(t, phones);
  const user = stage.user();
  t.equal(await user.place(), 200);
  const [call] = stage.running.service.table.all();
  const stranger = await datagrams();
  t.teardown(() => { stranger.close(); });
  const body = 'x'.repeat(7000);
  for (let i = 0; i < 2500; i++) await stranger.send(request('ACK', i % 2 === 0 ? {} : { body }), udp);
  await pause(300);
  t.match(stage.running.service.ladder(call!.id), /INVITE/);
  await user.hangUp();
  user.close();
});

t.test('L12, L2: a stranger is answered at his rate; STUN counts, and no answer is larger than its question', { skip }, async (t) => {
  const { udp, counters } = await open(t, { ...phones, sip: { limits: { strangers: { messagesPerSecond: 10 } } } });
  const guest = await datagrams();
  t.teardown(() => { guest.close(); });
  for (let i = 0; i < 100; i++) await guest.send(i % 2 === 0 ? stunRequest() : request('OPTIONS'), udp);
  await pause(300);
  t.ok(guest.heard.length <= 20, `${guest.heard.length} answers`);
  t.ok((await counters())['strangersRateDropped']! >= 80);
  for (const text of guest.heard) t.ok(text.length < 500);
});

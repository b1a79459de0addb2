// H5, H4: whatever strangers use up of what guests have, phones are asked for their password where it was shown before.
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { engines } from '../../helpers/engines.js';
import { RawPhone } from '../../helpers/rawPhone.js';
import { domain, listener, number } from '../../helpers/service.js';
import { datagrams, request } from '../../helpers/stranger.js';
import { openStage, pause, type Stage, type StageOptions } from '../harness.js';

const skip = engines.sip === 'embedded' ? false : 'the embedded server is the subject';
const home = '127.0.0.4';
const who = { username: '7001', password: 'p' };
/** Small, so that a small flood is too much. */
const strangers = { messagesPerSecond: 20, requestsPerSecond: 50, allMessagesPerSecond: 100, allBytesPerSecond: 50_000, connectionsPerSecond: 50 };

async function open(t: Test, overlay: StageOptions['overlay'] = {}): Promise<Stage> {
  const stage = await openStage({
    overlay: { peers: { phones: { register: true, pstn: 'none', accounts: { 7001: { password: 'p' } }, mayCall: [number], codecs: ['PCMU'] } }, sip: { limits: { strangers } }, ...overlay }, peers: { pbx: { media: 'none' } },
  });
  t.teardown(() => stage.close());
  return stage;
}

async function register(t: Test, stage: Stage, transport: 'udp' | 'tcp'): Promise<void> {
  const phone = await RawPhone.open(domain, transport, listener(stage.running.service, transport), home);
  t.equal((await phone.authenticated({ user: '7001' }, who)).status, 200, 'it registers');
  phone.close();
}

/** REGISTERs from 200 addresses, 1000 a second, until the work is done. */
async function flooded(port: number, work: () => Promise<void>): Promise<void> {
  const senders = await Promise.all(Array.from({ length: 200 }, (_, i) => datagrams(`127.0.3.${i + 1}`)));
  const state = { on: true };
  const flood = (async () => {
    for (let i = 0; state.on; i++) {
      for (let j = 0; j < 20; j++) await senders[(i * 20 + j) % senders.length]?.send(request('REGISTER', { from: `127.0.3.${((i * 20 + j) % 200) + 1}` }), port);
      await pause(20);
    }
  })();
  await pause(300);
  try {
    await work();
  } finally {
    state.on = false;
    await flood;
    for (const sender of senders) sender.close();
  }
}

/** How many of 10 requests by new sockets from there, each sent once, are answered with a challenge. */
async function asked(stage: Stage, address: string): Promise<number> {
  const answers = [];
  for (let i = 0; i < 10; i++) {
    const phone = await RawPhone.open(domain, 'udp', stage.running.udp, address);
    answers.push(await phone.ask({ user: '7001', method: i % 2 === 0 ? 'REGISTER' : 'INVITE' }, 400).then(({ status }) => status, () => 0));
    phone.close();
    await pause(150);
  }
  return answers.filter((status) => status === 401).length;
}

t.test('UDP: forged addresses use up the questions, a phone at home is asked each time, also after a restart', { skip, timeout: 120_000 }, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'wab-known-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const state = { state: `file:${join(dir, 'state')}` };
  const first = await open(t, state);
  await register(t, first, 'udp');
  await flooded(first.running.udp.port, async () => {
    t.equal(await asked(first, home), 10);
    t.ok(await asked(first, '127.0.0.5') < 10, 'one that nobody has heard of waits: the flood is one');
    await register(t, first, 'udp');
  });
  await first.close();
  const second = await open(t, state);
  await flooded(second.running.udp.port, async () => { t.equal(await asked(second, home), 10, 'known from the state file'); });
});

t.test('TCP: connections of many addresses use up what is taken in, a phone at home comes in', { skip, timeout: 60_000 }, async (t) => {
  const stage = await open(t);
  await register(t, stage, 'tcp');
  const { port } = listener(stage.running.service, 'tcp');
  const sockets: Socket[] = [];
  let on = true;
  const flood = (async () => {
    for (let i = 0; on; i++) {
      const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.3.${(i % 200) + 1}` });
      socket.on('error', () => { /* refused */ });
      sockets.push(socket);
      await pause(5);
    }
  })();
  try {
    await pause(300);
    for (let i = 0; i < 10; i++) {
      await register(t, stage, 'tcp');
      await pause(150);
    }
  } finally {
    on = false;
    await flood;
    for (const socket of sockets) socket.destroy();
  }
});

t.test('one address does not use up the questions of all', { skip, timeout: 60_000 }, async (t) => {
  const stage = await open(t);
  const greedy = await datagrams('127.0.0.8');
  t.teardown(() => { greedy.close(); });
  for (let i = 0; i < 90; i++) await greedy.send(request('REGISTER', { from: '127.0.0.8' }), stage.running.udp.port);
  const phone = await RawPhone.open(domain, 'udp', stage.running.udp, '127.0.0.5');
  t.equal((await phone.ask({ user: '7001' }, 400)).status, 401);
  phone.close();
});

t.test('an office whose phones all come at once over TCP is asked at once, where a password was shown before', { skip, timeout: 60_000 }, async (t) => {
  const stage = await open(t);
  await register(t, stage, 'tcp');
  // What that registration took of the second is back.
  await pause(1000);
  const atOnce = async (address: string): Promise<number[]> => {
    const phones = await Promise.all(Array.from({ length: 10 }, () => RawPhone.open(domain, 'tcp', listener(stage.running.service, 'tcp'), address)));
    const answers = await Promise.all(phones.map(async (phone) => phone.ask({ user: '7001' }, 1000).then(({ status }) => status, () => 0)));
    for (const phone of phones) phone.close();
    return answers;
  };
  t.same(await atOnce(home), Array(10).fill(401));
  const elsewhere = await atOnce('127.0.0.6');
  const asked = elsewhere.filter((status) => status === 401).length;
  t.ok(asked >= 4 && asked < 10, `${elsewhere.join(' ')}: of an office nobody has heard of four at once, the others as time goes on`);
});

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { number } from '../helpers/service.js';
import { openStage, pause, type Stage } from './harness.js';

const health = { interval: 1, outAfter: 2, backAfter: 2 };

interface Status { peers: { peer: string; state: string; reason: string | null; roundTripMs: number | null }[] }

const status = async (stage: Stage): Promise<Status> => (await fetch(`http://${stage.running.service.http}/status`)).json() as Promise<Status>;

async function until(stage: Stage, peer: string, state: string): Promise<number> {
  const begun = Date.now();
  while (Date.now() - begun < 20_000) {
    if ((await status(stage)).peers.some((p) => p.peer === peer && p.state === state)) return Date.now() - begun;
    await pause(50);
  }
  throw new Error(`${peer} did not become ${state}: ${JSON.stringify((await status(stage)).peers)}`);
}

t.test('a peer that stops answering is passed over, and taken again when it is back', async (t) => {
  const stage = await openStage({
    peers: { first: { config: { health } }, second: { config: { health } } },
    overlay: { routes: [{ name: 'main', number, to: [{ peer: 'first', user: '6001' }, { peer: 'second', user: '6002' }], ringTimeout: 20 }] },
  });
  t.teardown(() => stage.close());
  await until(stage, 'first', 'up');
  t.ok((await status(stage)).peers[0]!.roundTripMs! >= 0);
  stage.peers.first!.vanish();
  t.ok(await until(stage, 'first', 'out') < 8000);
  t.match((await status(stage)).peers[0]!.reason, /no answer within 1 s/);
  const begun = Date.now();
  const report = await stage.call({}, 500);
  t.equal(report.status, 200);
  t.same(report.violations, []);
  t.ok(Date.now() - begun < 4000, 'without waiting for the one that is out');
  const metrics = async (): Promise<string> => (await fetch(`http://${stage.running.service.http}/metrics`)).text();
  t.match(await metrics(), /wab_peer_up\{peer="first"\} 0\n/);
  t.match(await metrics(), /wab_peer_up\{peer="second"\} 1\n/);

  stage.peers.first!.comeBack();
  await until(stage, 'first', 'up');
  t.equal((await stage.call({}, 500)).status, 200);
  const [over, back] = await stage.running.records(2);
  t.equal(over!.peer, 'second');
  t.equal(back!.peer, 'first');
  for (const text of ['peer first is out of service: no answer within 1 s, 2 times in a row', 'peer first is back in service after']) {
    t.ok(stage.running.log.some((line) => line.includes(text)), text);
  }
});

t.test('calls count too: two that find nobody, and it is out', async (t) => {
  const stage = await openStage({ peers: { pbx: { config: { health: { interval: 3600, outAfter: 2, backAfter: 1 } } } } });
  t.teardown(() => stage.close());
  await until(stage, 'pbx', 'up');
  await stage.peers.pbx!.close();
  t.equal((await stage.call()).status, 480, 'refused by the network');
  await until(stage, 'pbx', 'out');
  const begun = Date.now();
  const refused = await stage.call();
  t.match(refused, { status: 480, retryAfter: /^30$/ }, 'what Meta is told');
  t.ok(Date.now() - begun < 1500, 'at once');
  const [tried, spared] = await stage.running.records(2);
  t.match(tried!.termination, { by: 'peer', reason: 'unreachable' });
  t.match(spared!.termination, { by: 'us', reason: 'nobodyThere', status: 480, text: /peer pbx is out of service since/ });
  const ladder = await (await fetch(`http://${stage.running.service.http}/calls/${spared!.id}/ladder`)).text();
  t.match(ladder, /480/);
});

for (const keying of ['sdes', 'dtls'] as const) {
  t.test(`${keying}: every peer of the route is out: the user hears the message of the route to its end`, async (t) => {
    const message = join(t.testdir(), 'closed.wav');
    await writeFile(message, twoSecondsOf(440));
    const stage = await openStage({
      peers: { pbx: { config: { health } } },
      overlay: { numbers: { [number]: { keying } }, routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }], downMessage: message }] },
    });
    t.teardown(() => stage.close());
    stage.peers.pbx!.vanish();
    await until(stage, 'pbx', 'out');
    const caller = stage.user({ keying });
    t.equal(await caller.place(), 200);
    const [cdr] = await stage.running.records(1);
    const report = caller.report();
    caller.close();
    t.same(report.violations, []);
    t.ok(report.audio!.packetsReceived >= 95, `${report.audio!.packetsReceived} packets`);
    t.match(cdr!.termination, { by: 'us', reason: 'nobodyThere', status: 480 });
    t.ok(cdr!.durationMs! >= 1900 && cdr!.durationMs! < 5000, `${cdr!.durationMs} ms`);
  });
}

t.test('a message that cannot be read costs no more than itself', async (t) => {
  const broken = join(t.testdir(), 'broken.wav');
  await writeFile(broken, 'not a sound');
  const stage = await openStage({
    peers: { pbx: { config: { health } } },
    overlay: { routes: [{ name: 'told', number, to: [{ peer: 'pbx', user: '6001' }], downMessage: broken }] },
  });
  t.teardown(() => stage.close());
  stage.peers.pbx!.vanish();
  await until(stage, 'pbx', 'out');
  const caller = stage.user();
  t.equal(await caller.place(), 200);
  await stage.running.records(1);
  caller.close();
  t.ok(stage.running.log.some((line) => line.includes('downMessage of route told cannot be played')));
});

/** A WAV file, 16-bit PCM at 8 kHz. */
function twoSecondsOf(hertz: number): Buffer {
  const samples = Int16Array.from({ length: 16_000 }, (_, i) => Math.round(8000 * Math.sin((2 * Math.PI * hertz * i) / 8000)));
  const head = Buffer.alloc(44);
  head.write('RIFF', 0); head.writeUInt32LE(36 + 32_000, 4); head.write('WAVEfmt ', 8); head.writeUInt32LE(16, 16); head.writeUInt16LE(1, 20); head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8000, 24); head.writeUInt32LE(16_000, 28); head.writeUInt16LE(2, 32); head.writeUInt16LE(16, 34); head.write('data', 36); head.writeUInt32LE(32_000, 40);
  return Buffer.concat([head, Buffer.from(samples.buffer)]);
}

t.test('a peer that no datagram can be sent to is out of service, and one line says why', async (t) => {
  // A socket of the loopback interface sends nothing to anywhere else.
  const uri = 'sip:198.51.100.1:5060;transport=udp';
  const stage = await openStage({ overlay: { peers: { nowhere: { uri, sources: ['198.51.100.1'], pstn: 'none', users: ['anna'], health: { interval: 1, outAfter: 2 } } } } });
  t.teardown(() => stage.close());
  const told = (): string[] => stage.running.log.filter((line) => line.includes('198.51.100.1'));
  for (const deadline = Date.now() + 15_000; told().length === 0 && Date.now() < deadline;) await pause(50);
  await pause(2500);
  t.match(told(), [/peer nowhere is out of service: 503 /], 'once, whoever asks how often');
});

import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { CallRecord } from '../../../lib/call/record.js';
import { MetaSide, SimulatedUser, startMeta, startPeer } from '../../../lib/simulator/index.js';
import { runProcess } from '../../helpers/process.js';
import { domain, freePort, number, password, writeConfig } from '../../helpers/service.js';
import { pause } from '../harness.js';
import { until } from '../pbx/steps.js';

async function stage(t: Test, state: (dir: string) => string) {
  const dir = await mkdtemp(join(tmpdir(), 'wab-journal-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const peer = await startPeer({ media: 'none', answer: (user: string) => (user === '6002' ? 'ring' : 'echo') });
  t.teardown(() => peer.close());
  const metaPort = await freePort();
  const { text, certificates, cdrFile } = await writeConfig(dir, {
    metaPort, peers: { pbx: { port: peer.port, mayCall: [number] } },
    overlay: {
      state: state(dir), meta: { mediaTimeout: 0 },
      routes: [{ name: 'rings', number, payload: '^ring', to: [{ peer: 'pbx', user: '6002' }] }, { name: 'main', number, to: [{ peer: 'pbx', user: '6001' }] }],
    },
  });
  const config = join(dir, 'config.yaml');
  await writeFile(config, text);
  const records = async (): Promise<CallRecord[]> => (await readFile(cdrFile, 'utf8')).split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as CallRecord);
  const side = async (service: Awaited<ReturnType<typeof runProcess>>): Promise<MetaSide> => {
    const meta = await MetaSide.open({
      to: `127.0.0.1:${service.port('tls')}`, serverName: domain, ca: certificates.ca, listen: `127.0.0.1:${metaPort}`, cert: certificates.metaCert, key: certificates.metaKey,
    });
    t.teardown(() => meta.close());
    return meta;
  };
  return { dir, peer, config, cdrFile, records, side, metaPort, certificates };
}

for (const [what, state] of [['beside the CDR', () => 'memory'], ['in the state file', (dir: string) => `file:${join(dir, 'state')}`]] as const) {
  t.test(`E4: kill -9 with calls up, which are kept ${what}: each has one record at the next start`, async (t) => {
    const { peer, config, records, side } = await stage(t, state);
    let service = await runProcess(config);
    t.teardown(() => service.end('SIGKILL'));
    const meta = await side(service);
    const called = await startMeta({ side: meta, numbers: [{ number, password, hostname: domain }], byeVia: 'same', media: 'none', behaviour: 'noring' });
    t.teardown(() => called.close());
    const user = (more: object = {}): SimulatedUser => new SimulatedUser(meta, { number, password, media: 'none', ...more });
    const gone = user();
    t.equal(await gone.place(), 200);
    await gone.hangUp();
    const up = user({ from: '+447700900111' });
    t.equal(await up.place(), 200);
    const rings = user({ from: '+447700900112', payload: 'ring' });
    void rings.place();
    await new Promise<void>((resolve) => { rings.once('ringing', () => resolve()); });
    const out = await peer.call(`sip:+447700900113@127.0.0.1:${service.port('udp')}`, { from: `<sip:${number}@pbx.example>` });
    t.equal(await out.final, 200);
    while ((await records()).length < 1) await pause(20);
    await pause(1200);
    await service.end('SIGKILL');
    t.equal((await records()).length, 1, 'nobody wrote them yet');

    service = await runProcess(config);
    const all = await records();
    t.equal(all.length, 4);
    t.equal(new Set(all.map(({ id }) => id)).size, 4);
    const left = all.slice(1);
    for (const { termination } of left) t.match(termination, { by: 'us', reason: 'restarted', status: 503 });
    const byRoute = (route: string | null): CallRecord | undefined => left.find((record) => record.route === route);
    t.match(byRoute('main'), { direction: 'user-initiated', number, user: '+4477******11', peer: 'pbx', target: '6001', callIds: { meta: /.+/, peer: /.+/ }, durationMs: Number, setupMs: Number });
    t.match(byRoute('rings'), { direction: 'user-initiated', peer: 'pbx', target: '6002', durationMs: null, tries: [{ user: '6002' }] });
    t.match(byRoute(null), { direction: 'business-initiated', user: '+4477******13', peer: 'pbx', durationMs: Number });
    await until(() => service.output().includes('a call was up when the process before died'), 'the line in the log');

    // Killed again at once: no second time.
    await service.end('SIGKILL');
    service = await runProcess(config);
    t.equal((await records()).length, 4);
  });
}

t.test('E4: a record that is there already is not written again, and an orderly stop leaves nothing behind', async (t) => {
  const { config, cdrFile, records, side } = await stage(t, () => 'memory');
  let service = await runProcess(config);
  t.teardown(() => service.end('SIGKILL'));
  const meta = await side(service);
  const user = new SimulatedUser(meta, { number, password, media: 'none' });
  t.equal(await user.place(), 200);
  await pause(200);
  await service.end('SIGKILL');
  // As if it had died between the record and the line that says so.
  const kept = /c ([0-9a-f-]{36})\t/.exec(await readFile(`${cdrFile}.live`, 'utf8'))?.[1] ?? '';
  await appendFile(cdrFile, `${JSON.stringify({ id: kept, time: new Date().toISOString() })}\n`);
  service = await runProcess(config);
  t.equal((await records()).length, 1);
  await service.end('SIGINT');
  service = await runProcess(config);
  t.equal((await records()).length, 1);
  t.notMatch(await readFile(`${cdrFile}.live`, 'utf8'), /\{/, 'no call is left in it');
  await service.end('SIGINT');
});

// A service is taken out of use, and into use again, by its API and by `wa-b2bua drain`.
import t, { type Test } from 'tap';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CallRecord } from '../../lib/call/record.js';
import { MetaSide, SimulatedUser, startPeer } from '../../lib/simulator/index.js';
import { allScopes, ApiClient } from '../helpers/apiClient.js';
import { Command } from '../helpers/command.js';
import { domain, freePort, metaHost, number, password, waitForLines, writeConfig } from '../helpers/service.js';

const admin = 'admin-0123456789abcdef';
const desk = 'desk-0123456789abcdefg';

/** `wa-b2bua run` with an API that `wa-b2bua drain` can ask. */
async function open(t: Test, limits: Record<string, number>) {
  const dir = await mkdtemp(join(tmpdir(), 'wab-drain-'));
  const peer = await startPeer({ codecs: ['PCMU'] });
  const [metaPort, apiPort] = [await freePort(), await freePort()];
  const { text, certificates, cdrFile } = await writeConfig(dir, {
    metaPort, peers: { pbx: { port: peer.port } },
    overlay: { limits, api: { listen: `127.0.0.1:${apiPort}`, tokens: [{ name: 'ops', token: admin, scopes: ['read', 'admin'] }, { name: 'desk', token: desk, scopes: allScopes }] } },
  });
  const file = join(dir, 'wa-b2bua.yaml');
  await writeFile(file, text);
  const command = new Command('run', '-c', file);
  let meta: MetaSide | null = null;
  t.teardown(async () => {
    await meta?.close();
    await command.stop();
    await peer.close();
    await rm(dir, { recursive: true, force: true });
  });
  const ready = JSON.parse(await command.line(/"ready":true/)) as { listening: string[]; http: string; api: string };
  const side = meta = await MetaSide.open({
    to: ready.listening.find((one) => one.startsWith('tls:')) ?? '', serverName: domain, ca: certificates.ca, listen: `127.0.0.1:${metaPort}`, cert: certificates.metaCert, key: certificates.metaKey,
  });
  return {
    command, file, api: new ApiClient(ready.api, admin), desk: new ApiClient(ready.api, desk),
    user: () => new SimulatedUser(side, { number, password }),
    ready: async () => (await fetch(`http://${ready.http}/ready`)).status,
    records: (count: number): Promise<CallRecord[]> => waitForLines(cdrFile, count),
  };
}

t.test('drained by the API: /ready says so at once, new calls are taken during the delay and refused after it, none is cut, and calls are taken again', async (t) => {
  const { api, desk, user, ready, command } = await open(t, { drainDelay: 3600 });
  const first = user();
  t.equal(await first.place(), 200);
  t.match(await desk.post('/v1/drain'), { status: 403, body: { error: { code: 'token.scope' } } }, 'not for whoever places calls');
  t.match(await api.post('/v1/drain', { soon: true }), { status: 400 });
  t.match(await api.post('/v1/drain'), { status: 202, body: { state: 'leaving', calls: 1, since: String, endsAt: String } });
  t.equal(await ready(), 503);
  const second = user();
  t.equal(await second.place(), 200, 'a call that a balancer still sends');
  t.match(await api.post('/v1/drain', { delay: 0, seconds: 3600 }), { status: 202, body: { state: 'draining', calls: 2 } }, 'the times are new');
  t.equal(await user().place(), 503);
  t.match(await api.ask('DELETE', '/v1/drain'), { status: 200, body: { state: 'taking', calls: 2, since: null, endsAt: null } });
  t.equal(await ready(), 200);
  const third = user();
  t.equal(await third.place(), 200);
  for (const one of [first, second, third]) {
    await one.hangUp();
    t.same(one.report().violations, []);
  }
  t.match(await api.post('/v1/drain', { delay: 0 }), { status: 202, body: { calls: 0 } });
  t.match(await api.get('/v1/drain'), { status: 200, body: { state: 'drained', calls: 0 } });
  t.equal(command.child.exitCode, null, 'it stays');
  t.match(await api.ask('DELETE', '/v1/drain'), { status: 200 });
  const last = user();
  t.equal(await last.place(), 200);
  await last.hangUp();
});

t.test('`drain --exit` waits until no call is up, shows how far it is, and the service ends', async (t) => {
  const { user, command, file, records } = await open(t, {});
  const caller = user();
  t.equal(await caller.place(), 200);
  const drain = new Command('drain', '-c', file, '--exit', '--json');
  t.match(JSON.parse(await drain.line(/draining/)), { state: 'draining', calls: 1, endsAt: String });
  await caller.hangUp();
  t.equal(await drain.exit, 0);
  t.match(JSON.parse(drain.out.at(-1) ?? ''), { state: 'drained', calls: 0 });
  t.equal(await command.exit, 0);
  t.match((await records(1))[0]?.termination, { by: 'user', reason: 'hangup' });
});

t.test('SIGTERM while it drains joins that drain, which is not called off any more; at its deadline the calls end', async (t) => {
  const { api, user, command, records } = await open(t, { drain: 3600 });
  const caller = user();
  t.equal(await caller.place(), 200);
  const over = new Promise((resolve) => caller.once('ended', resolve));
  t.match(await api.post('/v1/drain'), { status: 202, body: { state: 'draining' } });
  command.child.kill('SIGTERM');
  for (let answer = await api.ask('DELETE', '/v1/drain'); answer.status !== 409; answer = await api.ask('DELETE', '/v1/drain')) await api.post('/v1/drain');
  t.match(await api.post('/v1/drain', { seconds: 0 }), { status: 202 }, 'a nearer deadline');
  t.equal(await over, 'business');
  t.equal(await command.exit, 0);
  t.match((await records(1))[0]?.termination, { by: 'us', reason: 'drained' });
});

t.test('SIGTERM ends a longer drain by the times of the file: who supervises waits by those', async (t) => {
  const { api, user, command } = await open(t, { drain: 1 });
  const caller = user();
  t.equal(await caller.place(), 200);
  const over = new Promise((resolve) => caller.once('ended', resolve));
  t.match(await api.post('/v1/drain', { seconds: 3600 }), { status: 202, body: { state: 'draining' } });
  command.child.kill('SIGTERM');
  t.equal(await over, 'business');
  t.equal(await command.exit, 0);
});

t.test('`drain` says what it needs, and `--cancel` takes calls again', async (t) => {
  const { api, file } = await open(t, {});
  await api.post('/v1/drain');
  const cancel = new Command('drain', '-c', file, '--cancel');
  t.equal(await cancel.exit, 0);
  t.match(cancel.out, ['taking: 0 calls up']);
  const dir = t.testdir();
  await writeFile(join(dir, 'no-api.yaml'), (await writeConfig(dir, { metaPort: null, peers: { pbx: { port: 5060 } } })).text);
  const none = new Command('drain', '-c', join(dir, 'no-api.yaml'));
  t.equal(await none.exit, 1);
  t.match(none.err.join('\n'), /CONFIG_INVALID.*api\.listen.*scopes \[read, admin\]/);
  t.notOk(none.err.join('\n').includes(metaHost));
});

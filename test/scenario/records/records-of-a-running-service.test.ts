// What a service has written is searched and added up while it works, by the API and from the command line.
import t from 'tap';
import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiClient, apiKeys, tokens } from '../../helpers/apiClient.js';
import { Command } from '../../helpers/command.js';
import { number, writeConfig } from '../../helpers/service.js';
import { watchStalls } from '../../helpers/stalls.js';
import { line, start } from '../../unit/records/records.js';
import { openStage, pause } from '../harness.js';

async function folder(t: { after(work: () => Promise<void>): void }): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-records-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

t.test('a call is found by its user though its record hides the number, by tokens that may not see it too', async (t) => {
  const told: string[] = [];
  const receiver = createServer((request, response) => {
    request.on('data', (part: Buffer) => { told.push(part.toString()); }).on('end', () => response.end());
  });
  await new Promise<void>((resolve) => { receiver.listen(0, '127.0.0.1', resolve); });
  t.after(() => { receiver.close(); });
  const cdrFile = join(await folder(t), 'cdr.jsonl');
  const stage = await openStage({ overlay: {
    api: apiKeys, routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }] }], cdr: { file: cdrFile, sinks: [{ http: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/cdr` }] },
  } });
  t.after(() => stage.close());
  const { service } = stage.running;
  const [all, reader] = [new ApiClient(service.api, tokens.all), new ApiClient(service.api, tokens.reader)];
  t.match(await reader.get('/v1/records'), { status: 200, body: { records: [], next: null, upToDate: true } });
  for (const user of ['+447700900101', '+447700900102']) {
    const caller = stage.user({ from: user });
    t.equal(await caller.place(), 200);
    await caller.hangUp();
    caller.close();
  }
  for (const end = Date.now() + 10_000; (await readFile(cdrFile, 'utf8')).split('\n').length < 3 && Date.now() < end;) await pause(10);
  const [first] = (await readFile(cdrFile, 'utf8')).trimEnd().split('\n').map((text) => JSON.parse(text) as { id: string });
  t.match(first, { user: '+4477******01', userKey: /^[0-9a-f]{32}$/ });
  t.equal((await stat(`${cdrFile}.key`)).mode & 0o777, 0o600);
  const { body } = await reader.get('/v1/records?user=%2B447700900101');
  t.match(body, { records: [{ id: first?.id, user: '+4477******01' }], next: null, upToDate: true });
  t.match((await reader.get('/v1/records?limit=1')).body, { records: [{ user: '+4477******02' }], next: /./ });
  t.match((await reader.get(`/v1/records?limit=1&cursor=${(await reader.get('/v1/records?limit=1')).body.next}`)).body, { records: [{ id: first?.id }], next: null });
  t.match((await all.get('/v1/analytics?by=number')).body, { by: 'number', total: { calls: 2, answered: 2, userInitiated: { calls: 2, answered: 2, pickUpRate: 1 } }, groups: [{ key: number, calls: 2 }], upToDate: true });
  for (const query of ['limit=0', 'limit=201', 'limit=1e9', 'from=yesterday', 'from=2026-13-45', 'cursor=abc', "number='%20OR%201=1", 'peer=../x', 'sort=time', 'number=1&number=2']) t.equal((await reader.get(`/v1/records?${query}`)).status, 400, query);
  for (const query of ['by=user', 'by=day;drop', 'from=2020-01-01&to=2026-01-01', 'from=2026-01-02&to=2026-01-01', 'by=hour&from=2026-01-01&to=2026-06-01']) t.equal((await reader.get(`/v1/analytics?${query}`)).status, 400, query);
  for (const end = Date.now() + 10_000; !told.join('').includes(first?.id ?? 'none') && Date.now() < end;) await pause(10);
  t.ok(told.join('').includes(first?.id ?? 'none'), 'the sink has it too');
});

t.test('a service with 100,000 records to take in answers, and its calls do not notice', async (t) => {
  const cdrFile = join(await folder(t), 'cdr.jsonl');
  const stage = await openStage({ overlay: { api: apiKeys, routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }] }], cdr: { file: cdrFile } } });
  t.after(() => stage.close());
  const { service } = stage.running;
  const many: string[] = [];
  for (let i = 0; i < 100_000; i += 1) many.push(line(i, { time: new Date(start + i * 20_000).toISOString(), media: { meta: { codec: 'opus' }, peer: { codec: 'PCMU' } } }));
  await writeFile(`${cdrFile}.1`, `${many.join('\n')}\n`);
  const reader = new ApiClient(service.api, tokens.reader);
  // The thread is there, with the index that it makes.
  await reader.get('/v1/records?limit=1');
  const stalls = watchStalls();
  t.after(() => stalls.stop());
  let worst = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    worst = Math.max(worst, performance.now() - last - 5);
    last = performance.now();
  }, 5);
  let complete = false;
  for (const end = Date.now() + 120_000; !complete && Date.now() < end;) complete = (await reader.get('/v1/records?limit=1')).body.upToDate === true;
  clearInterval(timer);
  t.ok(complete, 'everything is in it');
  t.ok(worst < stalls.bound(100), `the main thread was late by ${Math.round(worst)} ms at most, a thread without work by ${Math.round(stalls.worstMs)}`);
  t.equal((await reader.get('/v1/analytics?by=number&from=2026-11-01&to=2026-12-01')).body.total.calls, 100_000);
  await appendFile(cdrFile, `${line(100_001, { time: '2026-11-30T00:00:00.000Z' })}\n`);
  t.equal((await reader.get('/v1/analytics?by=number&from=2026-11-01&to=2026-12-01')).body.total.calls, 100_001);
  t.ok((await readFile(`${cdrFile}.key`, 'utf8')).length > 60);
});

t.test('the command line searches and adds up without a service, and beside one that has the index', async (t) => {
  const dir = await folder(t);
  const cdrFile = join(dir, 'cdr.jsonl');
  const rates = join(dir, 'rates.yaml');
  await writeFile(rates, 'currency: EUR\ntiers: []\nmarkets:\n  all: { countries: ["*"], rates: [0.6] }\n');
  const overlay = { cdr: { file: cdrFile, rates }, http: { listen: null } };
  const config = join(dir, 'config.yaml');
  await writeFile(config, (await writeConfig(dir, { metaPort: 5061, peers: { pbx: { port: 5070 } }, overlay })).text);
  await writeFile(cdrFile, `${line(1)}\n${line(2, { direction: 'business-initiated', user: '+4477******02' })}\n${line(3, { peer: 'sales', durationMs: null, termination: { by: 'peer', reason: 'busy' } })}\n`);
  const run = async (...args: string[]): Promise<{ exit: number | null; out: string; err: string }> => {
    const command = new Command(...args);
    const exit = await command.exit;
    return { exit, out: command.out.join('\n'), err: command.err.join('\n') };
  };
  const found = await run('records', '-c', config, '--reason', 'busy', '--json');
  t.equal(found.exit, 0, found.err);
  t.match(JSON.parse(found.out), { records: [{ peer: 'sales' }], next: null });
  t.match((await run('records', '-c', config, '--limit', '1')).out, /\+4477\*{6}01 -> \+447700900001 +sales +not answered +peer busy\nmore: --cursor \S+/);
  const { out } = await run('analytics', '-c', config, '--from', '2026-11-01', '--to', '2026-11-02', '--by', 'peer', '--json');
  t.match(JSON.parse(out), { total: { calls: 3, businessInitiated: { calls: 1, estimatedPrice: { amount: 0.6, currency: 'EUR', minutes: 1 } } }, groups: [{ key: 'pbx', calls: 2 }, { key: 'sales', calls: 1 }] });
  const stage = await openStage({ overlay: { ...overlay, api: apiKeys } });
  t.after(() => stage.close());
  t.match((await new ApiClient(stage.running.service.api, tokens.reader).get('/v1/records')).body.records, { length: 3 });
  t.match((await run('analytics', '-c', config, '--from', '2026-11-01', '--to', '2026-11-02')).out, /^total +3 +2 \(66\.7 %\) +2 +50\.0 % +2\.0 +60 s +0\.6000 EUR$/m);
  t.ok((await readdir(dir)).includes('cdr.jsonl.index-cli'));
  t.match(await run('records', '-c', config, '--limit', '0'), { exit: 1, err: /--limit/ });
  t.match(await run('records', '-c', config, '--cursor', 'x'), { exit: 1, err: /cursor/ });
  t.match(await run('analytics', '-c', config, '--by', 'user'), { exit: 1, err: /--by/ });
});

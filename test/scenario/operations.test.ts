import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse, stringify } from 'yaml';
import type { CallRecord } from '../../lib/call/record.js';
import { MetaSide, SimulatedUser, startPeer } from '../../lib/simulator/index.js';
import { makeCertificates } from '../helpers/certificates.js';
import { Command } from '../helpers/command.js';
import { domain, freePort, mediaPorts, metaHost, number, password } from '../helpers/service.js';
import { pause } from './harness.js';

interface Ready { readonly listening: string[]; readonly http: string }

/** The service as an operator runs it: the command, a file, signals. */
async function runCommand(t: Test, level = 'info') {
  const dir = await mkdtemp(join(tmpdir(), 'wab-operations-'));
  const certificates = await makeCertificates(join(dir, 'certs'), { domain, metaHost });
  const peer = await startPeer({ codecs: ['PCMU'] });
  const metaPort = await freePort();
  const file = join(dir, 'wa-b2bua.yaml');
  await writeFile(file, stringify({
    domain,
    sip: { listen: ['tls:127.0.0.1:0', 'udp:127.0.0.1:0'], tls: { cert: certificates.cert, key: certificates.key } },
    meta: { host: metaHost, port: metaPort, ca: certificates.ca, address: '127.0.0.1', sources: ['127.0.0.1'] },
    media: { rtpengine: { ports: await mediaPorts() } },
    numbers: { [number]: { password } },
    peers: { pbx: { uri: peer.uri, sources: ['127.0.0.1'], pstn: 'none', users: ['6[0-9]{3}'] } },
    routes: [{ name: 'first', number, to: [{ peer: 'pbx', user: '6001' }] }],
    http: { listen: '127.0.0.1:0' }, cdr: { file: join(dir, 'cdr.jsonl') }, log: { level },
  }));
  const command = new Command('run', '-c', file);
  const sides: MetaSide[] = [];
  t.teardown(async () => {
    for (const side of sides) await side.close();
    await command.stop();
    await peer.close();
    await rm(dir, { recursive: true, force: true });
  });
  const ready = JSON.parse(await command.line(/"ready":true/)) as Ready;
  const meta = await MetaSide.open({
    to: ready.listening.find((l) => l.startsWith('tls:'))!, serverName: domain, ca: certificates.ca,
    listen: `127.0.0.1:${metaPort}`, cert: certificates.metaCert, key: certificates.metaKey,
  });
  sides.push(meta);
  return {
    command, ready, file, peer,
    user: () => new SimulatedUser(meta, { number, password }),
    page: async (path: string) => {
      const response = await fetch(`http://${ready.http}${path}`);
      return { status: response.status, text: await response.text() };
    },
    cdrs: async () => (await readFile(join(dir, 'cdr.jsonl'), 'utf8')).split('\n').filter((l) => l !== '').map((l) => JSON.parse(l) as CallRecord),
    async change(edit: (config: { routes: { name: string }[]; domain: unknown }) => void) {
      const config = parse(await readFile(file, 'utf8')) as { routes: { name: string }[]; domain: unknown };
      edit(config);
      await writeFile(file, stringify(config));
      command.child.kill('SIGHUP');
    },
  };
}

t.test('SIGHUP takes a new configuration for calls to come, and keeps the old one when the new is wrong', async (t) => {
  const service = await runCommand(t);
  const caller = service.user();
  t.equal(await caller.place(), 200);
  await service.change((config) => { config.routes[0]!.name = 'second'; });
  await service.command.line(/configuration reloaded/);
  const next = service.user();
  t.equal(await next.place(), 200, 'a new call');
  await next.hangUp();
  t.equal((JSON.parse((await service.page('/calls')).text) as unknown[]).length, 1, 'the first call is still up');

  await service.change((config) => { config.domain = 7; });
  const refusal = await service.command.line(/the old one stays in force/);
  t.match(refusal, /domain/, 'the line names the key');
  const third = service.user();
  t.equal(await third.place(), 200, 'calls go on');
  await third.hangUp();
  await caller.hangUp();
  for (const user of [caller, next, third]) t.same(user.report().violations, []);
  service.command.child.kill('SIGTERM');
  t.equal(await service.command.exit, 0);
  t.same((await service.cdrs()).map((cdr) => cdr.route).sort(), ['first', 'second', 'second']);
});

t.test('SIGTERM drains: no new calls, those that are up may end by themselves, then exit status 0', async (t) => {
  const service = await runCommand(t);
  t.equal((await service.page('/ready')).status, 200);
  const caller = service.user();
  t.equal(await caller.place(), 200);
  service.command.child.kill('SIGTERM');
  // The signal is handled by the time a page says so; the page itself is the event.
  let ready = await service.page('/ready');
  for (let tries = 0; ready.status === 200 && tries < 100; tries++) ready = await service.page('/ready');
  t.match(ready, { status: 503, text: /draining/ });
  t.equal((await service.page('/health')).status, 200, 'alive all the while');
  t.equal(await service.user().place(), 503, 'a new call');
  await pause(300);
  await caller.hangUp();
  t.same(caller.report().violations, []);
  t.equal(await service.command.exit, 0);
  t.match((await service.cdrs()).at(-1)!.termination, { by: 'user', reason: 'hangup' });
});

t.test('a second SIGTERM ends the calls that are left, with BYE', async (t) => {
  const service = await runCommand(t);
  const caller = service.user();
  t.equal(await caller.place(), 200);
  const ended = new Promise((resolve) => caller.once('ended', resolve));
  service.command.child.kill('SIGTERM');
  let ready = await service.page('/ready');
  for (let tries = 0; ready.status === 200 && tries < 100; tries++) ready = await service.page('/ready');
  service.command.child.kill('SIGTERM');
  t.equal(await ended, 'business');
  t.equal(await service.command.exit, 0);
  t.match((await service.cdrs()).at(-1)!.termination, { by: 'us', reason: 'drained' });
});

t.test('the pages say what goes on, and nothing secret is in any page, log line or CDR', async (t) => {
  const service = await runCommand(t, 'trace');
  const caller = service.user();
  t.equal(await caller.place(), 200);
  const [live] = JSON.parse((await service.page('/calls')).text) as { id: string; state: string; peer: string }[];
  t.match(live, { state: 'answered', number });
  const ladder = (await service.page(`/calls/${live!.id}/ladder`)).text;
  t.match(ladder, /INVITE[^]*407[^]*INVITE[^]*200 OK/);
  t.match((await service.page(`/calls/${live!.id}/sip`)).text, /from Meta\)\nINVITE sip:[^]*Proxy-Authorization: Digest [^]*a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:…[^]*to pbx\)\nINVITE sip:6001@/);
  t.match((await service.page('/metrics')).text, /^wab_live_calls 1$/m);
  t.match(JSON.parse((await service.page('/status')).text), { calls: 1, sip: [{ up: true }], media: { instances: [{ healthy: true }] } });
  t.match(JSON.parse((await service.page(`/calls/${live!.id}/media`)).text), { meta: { codec: 'opus', keying: 'sdes', packetsIn: Number }, peer: { codec: 'PCMU', packetsOut: Number } }, 'media figures of a live call');
  t.equal((await service.page('/calls/00000000-0000-0000-0000-000000000000/media')).status, 404);
  t.equal((await service.page('/calls/00000000-0000-0000-0000-000000000000/ladder')).status, 404);
  t.equal((await service.page('/nothing')).status, 404);
  t.equal((await fetch(`http://${service.ready.http}/calls`, { method: 'POST' })).status, 405);
  await caller.hangUp();
  await service.command.line(/call ended/);
  const pages = await Promise.all(['/calls', `/calls/${live!.id}/ladder`, '/metrics', '/status', `/calls/${live!.id}/sip`].map(async (path) => (await service.page(path)).text));
  t.match(pages[2], /^wab_calls_total\{direction="user-initiated",by="user",reason="hangup",status="200",result="success"\} 1$/m);
  service.command.child.kill('SIGTERM');
  t.equal(await service.command.exit, 0);

  const said = [...pages, ...service.command.out, ...service.command.err, JSON.stringify(await service.cdrs())].join('\n');
  const wire = service.peer.reports.map((r) => r.message).join('\n') + caller.report().messages.join('\n');
  t.ok(said.length > 2000 && wire !== '', 'there is something to look at');
  t.notMatch(said, new RegExp(password), 'the password');
  t.notMatch(said, /inline:[A-Za-z0-9+/]{8}/, 'an SDES key');
  t.notMatch(said, /response=\\?"[0-9a-f]{8}/, 'a digest response');
  t.notMatch(said, /447700900101/, "the user's number");
});

t.test('a configuration that cannot be used: one clear line, exit status 1, nothing started', async (t) => {
  const dir = t.testdir({ 'bad.yaml': 'domain: 10.0.0.1\n' });
  for (const [args, complaint] of [
    [['run', '-c', join(dir, 'bad.yaml')], /domain: must be a full host name/],
    [['run', '-c', join(dir, 'none.yaml')], /none\.yaml/],
    [['check', '-c', join(dir, 'bad.yaml')], /domain: must be a full host name/],
  ] as const) {
    const command = new Command(...args);
    t.equal(await command.exit, 1);
    const said = [...command.out, ...command.err].join('\n');
    t.match(said, complaint);
    t.notMatch(said, /^ +at /m, 'no stack trace');
  }
});

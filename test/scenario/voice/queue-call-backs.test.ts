// Users whom a queue is to call back: across a death of the process, and where they have not permitted calls.
import t from 'tap';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MetaSide, SimulatedUser, startGraph, startMeta, startPeer } from '../../../lib/simulator/index.js';
import { ApiClient, apiKeys, tokens } from '../../helpers/apiClient.js';
import { runProcess } from '../../helpers/process.js';
import { domain, freePort, number, password, waitForLines, writeConfig } from '../../helpers/service.js';
import { recordOf, until } from '../pbx/steps.js';
import { agentTone, ended, heard, hearsTone, listener, prompts, sounds, voiceStage } from './rig.js';

const id = '100000000000001';
const calling = { status: 'ENABLED', sip: { status: 'ENABLED', webhook_delivery: 'ENABLED' }, srtp_key_exchange_protocol: 'SDES', callback_permission_status: 'ENABLED' };

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  t.test(`${signal}: who is to be called back is called back by the next process`, async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'wab-call-backs-'));
    t.teardown(() => rm(dir, { recursive: true, force: true }));
    const { file } = await sounds(t, { announcement: 400, music: 5000 });
    const peer = await startPeer({ answer: 'tone', tones: [agentTone, agentTone], codecs: ['PCMU'] });
    t.teardown(() => peer.close());
    const metaPort = await freePort();
    const { text, certificates, cdrFile } = await writeConfig(dir, {
      metaPort, peers: { pbx: { port: peer.port, mayCall: [number] } },
      overlay: {
        state: `file:${join(dir, 'state')}`, limits: { drain: 0 },
        queues: { support: { to: [{ peer: 'pbx', user: '6001' }], music: file('music'), callBack: { key: '5', confirm: file('announcement'), pause: 10 } } },
        routes: [{ name: 'main', number, queue: 'support' }],
      },
    });
    const config = join(dir, 'config.yaml');
    await writeFile(config, text);
    let service = await runProcess(config);
    t.teardown(() => service.end('SIGKILL'));
    const side = await MetaSide.open({
      to: `127.0.0.1:${service.port('tls')}`, serverName: domain, ca: certificates.ca, listen: `127.0.0.1:${metaPort}`, cert: certificates.metaCert, key: certificates.metaKey,
    });
    t.teardown(() => side.close());
    const meta = await startMeta({ side, numbers: [{ number, password, hostname: domain }], byeVia: 'fresh', behaviour: 'tone,ring=0.2' });
    t.teardown(() => meta.close());
    const caller = (last: number): SimulatedUser => new SimulatedUser(side, { number, password, from: `+4477009001${last}`, source: 'silence', expect: [...Object.values(prompts), agentTone] });

    const first = caller(10);
    t.equal(await first.place(), 200);
    await hearsTone(first, agentTone);
    const second = caller(11);
    t.equal(await second.place(), 200);
    await hearsTone(second, prompts.music);
    await second.press('5', 80);
    await ended(second);
    t.equal(heard(second).at(-1), prompts.announcement);
    t.equal(meta.reports.length, 0, 'nobody is free');
    await service.end(signal);
    first.close();
    for (const call of peer.liveCalls) await Promise.race([call.bye(), new Promise((resolve) => setTimeout(resolve, 100))]).catch(() => undefined);

    service = await runProcess(config);
    await until(() => meta.liveCalls[0]?.report().audio?.toneHeard === true, 'the user is called back, and hears the agent', 30_000);
    await peer.liveCalls.at(-1)!.bye();
    await until(() => meta.reports.length === 1, 'the end');
    t.same(meta.reports[0]!.violations, []);
    const records = await waitForLines(cdrFile, 3);
    t.match(records.find(({ direction }) => direction === 'business-initiated'), { user: /^\+4477/, peer: 'pbx', target: '6001', reference: 'callBack:support', termination: { by: 'peer', reason: 'hangup' } });
    if (signal === 'SIGTERM') return;
    await service.end('SIGTERM');
    service = await runProcess(config);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    t.equal(meta.reports.length, 1, 'once');
  });
}

t.test('who has not permitted calls is told so and waits on; who is asked, and permits them, is called back', async (t) => {
  const { file } = await sounds(t, { announcement: 400, closed: 400, music: 5000 });
  const graph = await startGraph({ tokens: { EAAtoken: '9' }, numbers: [{ number, id, calling, servers: { 9: { hostname: domain, port: 5061, password } } }] });
  t.teardown(() => graph.close());
  const queue = (): object => ({ to: [{ peer: 'pbx', user: '6001' }], music: file('music'), callBack: { key: '5', confirm: file('announcement'), refused: file('closed'), pause: 10, tries: 3 } });
  const open = async (permission: 'check' | 'request'): ReturnType<typeof voiceStage> => voiceStage(t, {
    api: apiKeys, graph: { url: graph.url, token: 'EAAtoken', verifyEvery: 0 }, numbers: { [number]: { id, permission } },
    queues: { support: queue() }, routes: [{ name: 'main', number, queue: 'support' }],
  }, { peers: { pbx: { answer: { source: 'tone' }, tones: [agentTone, agentTone], config: { mayCall: [number] } } } });

  const strict = await open('check');
  const talks = listener(strict, { from: '+447700900110' });
  t.equal(await talks.place(), 200);
  await hearsTone(talks, agentTone);
  const unasked = listener(strict, { from: '+447700900111' });
  t.equal(await unasked.place(), 200);
  await hearsTone(unasked, prompts.music);
  await unasked.press('5', 80);
  await hearsTone(unasked, prompts.closed);
  await hearsTone(unasked, prompts.music, 2);
  t.equal(graph.requests.filter(({ path }) => path.endsWith('/messages')).length, 0, 'nobody is asked');
  await talks.hangUp();
  await hearsTone(unasked, agentTone);
  await unasked.hangUp();
  t.match(await recordOf(strict, unasked), { queue: [{ queue: 'support', left: 'answered' }] });

  const asking = await open('request');
  const meta = await asking.answerAsMeta({ behaviour: 'tone,ring=0.2', ledger: graph.calls });
  const events = await new ApiClient(asking.running.service.api, tokens.all).events();
  t.teardown(() => events.close());
  const busy = listener(asking, { from: '+447700900112' });
  t.equal(await busy.place(), 200);
  await hearsTone(busy, agentTone);
  const asked = listener(asking, { from: '+447700900113' });
  t.equal(await asked.place(), 200);
  await hearsTone(asked, prompts.music);
  await asked.press('5', 80);
  await ended(asked);
  t.match(await events.when(({ type }) => type === 'callBack.kept'), { data: { user: '+447700900113' } });
  t.equal(graph.requests.filter(({ path }) => path.endsWith('/messages')).length, 1, 'the user is asked');
  graph.answer(number, '+447700900113', 'accept');
  await busy.hangUp();
  await until(() => meta.liveCalls[0]?.report().audio?.toneHeard === true, 'the user is called back, and hears the agent', 30_000);
  await asking.peers.pbx!.liveCalls[0]!.bye();
  t.match(await events.when(({ type }) => type === 'callBack.done' || type === 'callBack.dropped', 'the end of it', 60_000), { type: 'callBack.done', data: { user: '+447700900113' } });
  t.equal(meta.reports.length, 1);
  t.same(meta.reports[0]!.violations, []);
});

// Users who wait in queues, as they and the phones see it; the same on every media engine.
import t from 'tap';
import { ApiClient, apiKeys, tokens } from '../../helpers/apiClient.js';
import { number } from '../../helpers/service.js';
import { pause } from '../harness.js';
import { assertQuietLeg, recordOf, until } from '../pbx/steps.js';
import { agentTone, ended, heard, hearsTone, listener, prompts, sounds, voiceStage } from './rig.js';

interface Figures { queues: { queue: string; waiting: number; longestMs: number | null; free: number; busy: number; callBacks: number }[] }

t.test('by key a user is let go and called back when it is their turn: the agent first, then the user; who does not take it is rung again, and then no more', async (t) => {
  const { file } = await sounds(t, { announcement: 400, music: 5000 });
  const stage = await voiceStage(t, {
    api: apiKeys,
    queues: { support: { to: [{ peer: 'pbx', user: '6001' }], music: file('music'), callBack: { key: '5', confirm: file('announcement'), pause: 10, tries: 2 } } },
    routes: [{ name: 'main', number, queue: 'support' }],
  }, { peers: { pbx: { answer: { source: 'tone' }, tones: [agentTone, agentTone], config: { mayCall: [number] } } } });
  const events = await new ApiClient(stage.running.service.api, tokens.all).events();
  t.teardown(() => events.close());
  const callBacks = async (): Promise<number | undefined> => ((await (await fetch(`http://${stage.running.service.http}/status`)).json()) as Figures).queues[0]?.callBacks;
  const meta = await stage.answerAsMeta({ behaviour: 'tone,ring=0.3' });
  const wants = async (last: number): Promise<ReturnType<typeof listener>> => {
    const user = listener(stage, { from: `+4477009001${last}` });
    t.equal(await user.place(), 200);
    await hearsTone(user, prompts.music);
    await user.press('25', 80);
    await ended(user);
    t.equal(heard(user).at(-1), prompts.announcement);
    t.match(await recordOf(stage, user), { queue: [{ queue: 'support', left: 'callBack' }], termination: { by: 'us', reason: 'callBack', status: 200 } });
    assertQuietLeg(t, user.report());
    return user;
  };

  const first = listener(stage, { from: '+447700900110' });
  t.equal(await first.place(), 200);
  await hearsTone(first, agentTone);
  await wants(11);
  t.equal(await callBacks(), 1);
  t.match(await events.when(({ type }) => type === 'callBack.kept'), { data: { number, user: '+447700900111', queue: 'support', tries: 0 } });
  t.equal(meta.reports.length, 0, 'nobody is free');
  await first.hangUp();
  await events.when(({ type, data }) => type === 'call.answered' && data.leg === 'meta' && data.direction === 'business-initiated', 'the user is called back');
  await pause(700);
  t.equal(stage.running.service.table.onPeer('pbx'), 1);
  await stage.peers.pbx!.liveCalls[0]!.bye();
  const done = await events.when(({ type }) => type === 'callBack.done');
  t.match(done, { data: { user: '+447700900111', tries: 1 } });
  t.equal(await callBacks(), 0);
  const record = (await stage.running.records(3)).find(({ direction }) => direction === 'business-initiated');
  t.match(record, { id: done.call, number, peer: 'pbx', target: '6001', reference: 'callBack:support', termination: { by: 'peer', reason: 'hangup' } });
  t.ok(meta.reports[0]?.audio?.toneHeard, 'the user heard the agent');
  t.same(meta.reports[0]?.violations, []);

  meta.behaviour = 'declined';
  const busy = listener(stage, { from: '+447700900110' });
  t.equal(await busy.place(), 200);
  await hearsTone(busy, agentTone);
  await wants(12);
  await busy.hangUp();
  t.match(await events.when(({ type }) => type === 'callBack.dropped', 'it is given up', 40_000), { data: { user: '+447700900112', tries: 2, why: 'the user was rung 2 times' } });
  t.equal(await callBacks(), 0);
  t.equal((await stage.running.records(7)).filter(({ reference, termination }) => reference === 'callBack:support' && termination.reason === 'declined').length, 2);
  await until(() => stage.running.service.table.size === 0, 'no call is left');
});

t.test('who waits: music, places, a hang-up, a key, a free phone, too long, too many', async (t) => {
  const { file } = await sounds(t, { place1: 400, place2: 400, announcement: 400, closed: 400, music: 5000 });
  const exits = { keys: { 1: { play: file('closed') } } };
  const stage = await voiceStage(t, {
    queues: {
      support: { to: [{ peer: 'pbx', user: '6001' }], music: file('music'), announce: { every: 5, places: [file('place1'), file('place2')], file: file('announcement') }, ...exits },
      short: { to: [{ peer: 'pbx', user: '6002' }], music: file('music'), maxWait: 2, maxLength: 1, otherwise: { play: file('closed') }, full: { status: 486 } },
    },
    routes: [{ name: 'short', number, payload: '^short$', queue: 'short' }, { name: 'main', number, queue: 'support' }],
  }, { peers: { pbx: { answer: (user) => (user === '6002' ? { ringMs: 60_000 } : { source: 'tone' }), tones: [agentTone, agentTone] } } });
  const figures = async (queue: string): Promise<Figures['queues'][number] | undefined> =>
    ((await (await fetch(`http://${stage.running.service.http}/status`)).json()) as Figures).queues.find((one) => one.queue === queue);
  const caller = async (last: number, payload?: string): Promise<ReturnType<typeof listener>> => {
    const user = listener(stage, { from: `+4477009001${last}`, payload });
    t.equal(await user.place(), 200);
    return user;
  };

  const first = await caller(10);
  await hearsTone(first, agentTone);
  const second = await caller(11);
  await hearsTone(second, prompts.music);
  const third = await caller(12);
  await hearsTone(third, prompts.music);
  const fourth = await caller(13);
  await hearsTone(fourth, prompts.music);
  t.match(await figures('support'), { waiting: 3, free: 0, busy: 1 });
  await third.hangUp();
  t.match(await recordOf(stage, third), { queue: [{ queue: 'support', left: 'hungUp' }], target: null, tries: [], termination: { by: 'user', reason: 'hangup' } });
  t.match(await figures('support'), { waiting: 2 }, 'it has left at once');
  await hearsTone(second, prompts.announcement);
  await hearsTone(second, prompts.music, 2);
  t.same(heard(second), [prompts.music, prompts.place1, prompts.announcement, prompts.music]);
  await hearsTone(fourth, prompts.place2);
  await fourth.press('51', 80);
  await ended(fourth);
  t.equal(heard(fourth).at(-1), prompts.closed);
  t.match(await recordOf(stage, fourth), { queue: [{ queue: 'support', left: 'key' }], termination: { by: 'us', reason: 'announced' } });
  await first.hangUp();
  await hearsTone(second, agentTone);
  t.match(await figures('support'), { waiting: 0, longestMs: null, free: 0, busy: 1 });
  await second.hangUp();
  const record = await recordOf(stage, second);
  t.match(record, { queue: [{ queue: 'support', left: 'answered' }], target: '6001', termination: { by: 'user', reason: 'hangup' } });
  t.ok(record.queue[0]!.waitMs > 5000, `${record.queue[0]!.waitMs} ms`);
  await until(() => stage.running.service.table.size === 0, 'no call is left');
  t.match(await figures('support'), { free: 1, busy: 0 });

  const late = await caller(14, 'short');
  await hearsTone(late, prompts.music);
  const full = listener(stage, { from: '+447700900115', payload: 'short' });
  t.equal(await full.place(), 486, 'too many wait');
  t.match(await recordOf(stage, full), { queue: [{ queue: 'short', left: 'full', waitMs: 0 }], termination: { by: 'us', reason: 'turnedAway' } });
  await ended(late);
  t.same(heard(late), [prompts.music, prompts.closed]);
  t.match(await recordOf(stage, late), { queue: [{ queue: 'short', left: 'late' }], tries: [{ user: '6002', reason: 'cancelled' }] });
  for (const user of [first, second, third, fourth, late]) assertQuietLeg(t, user.report());

  const metrics = await (await fetch(`http://${stage.running.service.http}/metrics`)).text();
  for (const [left, count] of [['answered', 2], ['hungUp', 1], ['key', 1]] as const) t.match(metrics, `wab_queue_calls_total{queue="support",left="${left}"} ${count}\n`);
  t.match(metrics, 'wab_queue_wait_seconds_count{queue="support"} 2\n');
  t.match(metrics, 'wab_queue_waiting{queue="short"} 0\n');
});

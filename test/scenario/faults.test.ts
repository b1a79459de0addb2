import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readFileSync, readdirSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { engines } from '../helpers/engines.js';
import { openStage, pause, type Stage } from './harness.js';

/** Process ids of our own child processes with this name. */
function children(name: string): number[] {
  return readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).map(Number).filter((pid) => {
    try {
      const [, command, rest] = /^\d+ \((.*)\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))!;
      return command!.startsWith(name) && Number(rest!.split(' ')[1]) === process.pid;
    } catch {
      return false;
    }
  });
}

async function until(what: string, holds: () => boolean, ms = 10_000): Promise<void> {
  const deadline = Date.now() + ms;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`waited ${ms} ms for: ${what}`);
    await pause(20);
  }
}

const notLeft = async (t: Test, stage: Stage): Promise<void> => {
  await until('no call left', () => stage.running.service.table.size === 0);
  t.equal(stage.running.service.table.size, 0);
};

t.test('rtpengine killed mid-call: its calls end as mediaLost, new ones get 503 until it is back, then calls work', { skip: engines.media !== 'rtpengine' }, async (t) => {
  const stage = await openStage();
  t.teardown(() => stage.close());
  const user = stage.user({ expect: [] });
  const ended = new Promise((resolve) => user.once('ended', resolve));
  t.equal(await user.place(), 200);
  const [engine] = children('rtpengine');
  t.ok(engine, 'our rtpengine was found');
  process.kill(engine!, 'SIGKILL');
  t.equal(await ended, 'business');
  const [cdr] = await stage.running.records(1);
  t.match(cdr!.termination, { by: 'us', reason: 'mediaLost', status: 503 });
  // Whether this one meets the engine down or back up is a race; it must be told one or the other.
  const status = (await stage.call({ expect: [] }, 100)).status;
  t.ok(status === 503 || status === 200, `meanwhile: ${status}`);
  await until('a new rtpengine', () => children('rtpengine').length === 1 && stage.running.log.filter((line) => line.includes('rtpengine runs')).length === 2);
  const report = await stage.call({}, 1200);
  t.ok(report.ok, 'a call works again');
  await notLeft(t, stage);
});

t.test('a media thread ends mid-call: its calls end as mediaLost, those of the other go on, and new ones work', { skip: engines.media !== 'embedded' }, async (t) => {
  const threads: Worker[] = [];
  const seen = (message: unknown): void => { threads.push((message as { worker: Worker }).worker); };
  subscribe('worker_threads', seen);
  const stage = await openStage({ overlay: { media: { workers: 2 } } });
  unsubscribe('worker_threads', seen);
  t.teardown(() => stage.close());
  // Eight share the first thread.
  const users = Array.from({ length: 9 }, (_, i) => stage.user({ from: `+44770090010${i}`, expect: [] }));
  const ended = new Map<number, unknown>();
  for (const [index, user] of users.entries()) {
    user.once('ended', (by: unknown) => { ended.set(index, by); });
    t.equal(await user.place(), 200);
  }
  t.equal(threads.length, 2, 'two media threads');
  await threads[0]?.terminate();
  const cdrs = await stage.running.records(8);
  t.match(cdrs.map(({ termination }) => termination), Array.from({ length: 8 }, () => ({ by: 'us', reason: 'mediaLost', status: 503 })));
  await until('the BYEs to Meta', () => ended.size >= 8);
  t.same([...ended.values()], Array.from({ length: 8 }, () => 'business'), 'the other call goes on');
  t.equal(stage.running.service.table.size, 1);
  for (let i = 0; i < 4; i += 1) t.ok((await stage.call({}, 800)).ok, 'new calls work, on the thread that is left and on the one in its place');
  await users.find((_, index) => !ended.has(index))?.hangUp();
  await notLeft(t, stage);
});

t.test('a peer that vanishes mid-call: Meta keeps getting packets, and a hang-up still ends the call cleanly', { timeout: 90_000 }, async (t) => {
  const stage = await openStage();
  t.teardown(() => stage.close());
  const user = stage.user();
  t.equal(await user.place(), 200);
  await pause(500);
  stage.peers.pbx!.vanish();
  await pause(2500);
  await user.hangUp();
  const { audio, violations } = user.report();
  t.same(violations, []);
  t.ok(audio!.maxGapMs < 1000, `longest gap ${audio!.maxGapMs} ms`);
  const [cdr] = await stage.running.records(1);
  t.match(cdr!.termination, { by: 'user', reason: 'hangup' });
  await notLeft(t, stage);
});

t.test('a peer that vanishes while ringing: the user gives up, or the ring timer does', async (t) => {
  const stage = await openStage({ peers: { pbx: { answer: 'ring' } }, overlay: { routes: [{ name: 'main', number: '+447700900001', to: [{ peer: 'pbx', user: '6001' }], ringTimeout: 2 }] } });
  t.teardown(() => stage.close());
  const user = stage.user();
  user.once('ringing', () => stage.peers.pbx!.vanish());
  t.equal(await user.place(), 480);
  await notLeft(t, stage);
});

t.test("Meta's connection is cut mid-call and comes back: the call goes on and ends with BYE on the new one", async (t) => {
  const stage = await openStage();
  t.teardown(() => stage.close());
  const user = stage.user();
  t.equal(await user.place(), 200);
  await pause(600);
  await user.hangUp({ fresh: true });
  const report = user.report();
  t.equal(report.byeStatus, 200);
  t.same(report.violations, []);
  t.ok(report.audio!.toneHeard);
  await notLeft(t, stage);
});

t.test('a slow peer delays nobody else', async (t) => {
  const stage = await openStage({ peers: { pbx: { answer: (called: string) => (called === '6002' ? 'slow=2' : 'echo') } }, overlay: {
    routes: [
      { name: 'slow', number: '+447700900001', payload: '^slow$', to: [{ peer: 'pbx', user: '6002' }] },
      { name: 'quick', number: '+447700900001', to: [{ peer: 'pbx', user: '6001' }] },
    ],
  } });
  t.teardown(() => stage.close());
  const slow = stage.user({ payload: 'slow' });
  const placing = slow.place();
  const quick = await stage.call({}, 300);
  t.equal(quick.status, 200);
  t.ok(quick.setup.answeredMs! < 1500, `answered after ${quick.setup.answeredMs} ms`);
  t.equal(await placing, 200);
  await slow.hangUp();
  await notLeft(t, stage);
});

t.test("Meta's side goes silent: the call is ended as mediaTimeout", async (t) => {
  const stage = await openStage({ overlay: { meta: { mediaTimeout: 2 } } });
  t.teardown(() => stage.close());
  const user = stage.user({ expect: [], media: 'none' });
  const ended = new Promise((resolve) => user.once('ended', resolve));
  t.equal(await user.place(), 200);
  t.equal(await ended, 'business');
  const [cdr] = await stage.running.records(1);
  t.match(cdr!.termination, { by: 'us', reason: 'mediaTimeout', status: 408 });
  t.match(user.report().byeReason, /SIP;cause=408/);
});

t.test('close() with calls up ends them with BYE on both sides and leaves no handle behind', async (t) => {
  const stage = await openStage();
  const user = stage.user({ expect: [] });
  t.equal(await user.place(), 200);
  const gone = new Promise((resolve) => stage.peers.pbx!.once('ended', resolve));
  await stage.running.service.close();
  await gone;
  t.equal(user.report().endedBy, 'business');
  await stage.close();
  t.equal(children('rtpengine').length, 0, 'our rtpengine is gone');
});

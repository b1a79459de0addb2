import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { engineArguments } from '../../../lib/media/rtpengine/process.js';
import { engines } from '../../helpers/engines.js';
import { freePort, mediaPorts } from '../../helpers/ports.js';
import type { Overlay } from '../../helpers/service.js';
import { openStage, pause, type Stage } from '../harness.js';

const skip = engines.media !== 'rtpengine';

/** Process ids of rtpengines that this process has started. */
function ours(): number[] {
  return readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).map(Number).filter((pid) => {
    try {
      const [, command, rest] = /^\d+ \((.*)\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'latin1')) ?? [];
      return command?.startsWith('rtpengine') === true && Number(rest?.split(' ')[1]) === process.pid;
    } catch {
      return false;
    }
  });
}

async function until(what: string, holds: () => boolean, ms = 15_000): Promise<void> {
  const deadline = performance.now() + ms;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited ${ms} ms for: ${what}`);
    await pause(20);
  }
}

/** An engine of the operator's. */
async function startEngine(): Promise<{ control: number; child: ChildProcess; again(): ChildProcess }> {
  const control = await freePort();
  const [first = 0, last = 0] = (await mediaPorts()).split('-').map(Number);
  const args = engineArguments({
    spawn: true, program: engines.rtpengine, control: [], interface: { meta: '127.0.0.1', peers: '127.0.0.1' }, ports: { first, last }, anchor: '127.0.0.1',
  }, control);
  const again = (): ChildProcess => spawn('setpriv', ['--pdeathsig', 'KILL', engines.rtpengine, ...args], { stdio: 'ignore' });
  return { control, child: again(), again };
}

const remote = (control: number): Overlay => ({ media: { rtpengine: { spawn: false, control: [`127.0.0.1:${control}`] } }, meta: { mediaTimeout: 4 } });
const late = (stage: Stage): number => stage.running.log.filter((line) => line.includes('rtpengine answers late')).length;
const inTime = (stage: Stage): number => stage.running.log.filter((line) => line.includes('answers in time again')).length;

/** Two calls, the engine frozen for six seconds, longer than Meta may be silent; then both still there, with audio, and new ones taken. */
async function surviveFreeze(t: Test, stage: Stage, pid: number): Promise<ReturnType<Stage['user']>[]> {
  const users = [stage.user(), stage.user({ from: '+447700900102' })];
  for (const user of users) t.equal(await user.place(), 200);
  const ended: string[] = [];
  for (const user of users) user.once('ended', (by) => ended.push(String(by)));
  await pause(500);
  process.kill(pid, 'SIGSTOP');
  try {
    await until('seen to be slow', () => late(stage) === 1);
    const refused = stage.user({ from: '+447700900103', expect: [] });
    const begin = performance.now();
    t.equal(await refused.place(), 503, 'a new call is refused');
    t.ok(performance.now() - begin < 2000, 'at once');
    t.ok(refused.report().retryAfter, 'and told when to come back');
    refused.close();
    await pause(5000);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  t.same(ended, [], 'live calls stay');
  t.equal(stage.running.service.table.size, 2);
  await until('in time again', () => inTime(stage) === 1);
  t.ok((await stage.call({ from: '+447700900103' }, 1200)).ok, 'new calls are taken');
  for (const user of users) t.ok(user.report().audio?.toneHeard);
  t.same(ended, []);
  return users;
}

t.test('A14: our own rtpengine frozen for six seconds: calls stay, new ones get 503; killed: mediaLost at once', { skip, timeout: 60_000 }, async (t) => {
  const stage = await openStage({ overlay: { meta: { mediaTimeout: 4 } } });
  t.teardown(() => stage.close());
  const [pid = 0] = ours();
  const [first, second] = await surviveFreeze(t, stage, pid);
  await first?.hangUp();
  const ended = second === undefined ? [] : once(second, 'ended');
  const begin = performance.now();
  process.kill(pid, 'SIGKILL');
  await ended;
  for (const user of [first, second]) user?.close();
  t.ok(performance.now() - begin < 1000, `told after ${Math.round(performance.now() - begin)} ms`);
  const records = await stage.running.records(4);
  t.ok(records.some(({ termination }) => termination.by === 'us' && termination.reason === 'mediaLost'));
  t.notOk(records.some(({ termination }) => termination.reason === 'mediaTimeout'));
});

t.test("A14: an operator's rtpengine frozen for six seconds, then killed", { skip, timeout: 60_000 }, async (t) => {
  const engine = await startEngine();
  t.teardown(() => engine.child.kill('SIGKILL'));
  const stage = await openStage({ overlay: remote(engine.control) });
  t.teardown(() => stage.close());
  const users = await surviveFreeze(t, stage, engine.child.pid ?? 0);
  const begin = performance.now();
  engine.child.kill('SIGKILL');
  await until('both have ended', () => stage.running.service.table.size === 0);
  for (const user of users) user.close();
  t.ok(performance.now() - begin < 5000, `after ${Math.round(performance.now() - begin)} ms`);
  const records = await stage.running.records(4);
  t.equal(records.filter(({ termination }) => termination.reason === 'mediaLost').length, 2);
});

t.test("A14: an operator's rtpengine that is started anew at once has lost its calls", { skip, timeout: 60_000 }, async (t) => {
  const engine = await startEngine();
  let child = engine.child;
  t.teardown(() => child.kill('SIGKILL'));
  const stage = await openStage({ overlay: { ...remote(engine.control), meta: { mediaTimeout: 30 } } });
  t.teardown(() => stage.close());
  const user = stage.user({ expect: [] });
  t.equal(await user.place(), 200);
  engine.child.kill('SIGKILL');
  await once(engine.child, 'exit');
  child = engine.again();
  await until('it has ended', () => stage.running.service.table.size === 0);
  user.close();
  const [record] = await stage.running.records(1);
  t.match(record?.termination, { by: 'us', reason: 'mediaLost' });
  await until('it is there', () => stage.running.log.filter((line) => line.includes('rtpengine')).length > 0);
  await pause(2500);
  t.ok((await stage.call({}, 1200)).ok, 'calls work on the new one');
});

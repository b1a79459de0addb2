import t from 'tap';
import { missing } from '../../helpers/engines.js';
import { number } from '../../helpers/service.js';
import { openStage, pause, type Stage } from '../harness.js';

const skip = missing('drachtio');

async function until(what: string, holds: () => boolean | Promise<boolean>, ms = 12_000): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited ${ms} ms for: ${what}`);
    await pause(20);
  }
}

const ready = async (stage: Stage): Promise<number> => (await fetch(`http://${stage.running.service.http}/ready`)).status;
const allUp = async (stage: Stage): Promise<boolean> => (await (await fetch(`http://${stage.running.service.http}/status`)).json() as { sip: { up: boolean }[] }).sip.every(({ up }) => up);
const dial = (stage: Stage, server: number, user = '+447700900101'): ReturnType<Stage['peers'][string]['call']> =>
  stage.peers.pbx!.call(`sip:${user}@127.0.0.1:${stage.running.drachtio[server]!.plain}`, { from: `<sip:${number}@pbx.example>` });

t.test('drachtio-server killed mid-call: sipLost; 503 by readiness; back again, calls work without a restart of ours', { skip, timeout: 90_000 }, async (t) => {
  const stage = await openStage({ drachtioServers: 1 });
  t.teardown(() => stage.close());
  const user = stage.user({ expect: [] });
  t.equal(await user.place(), 200);
  await stage.running.drachtio[0]!.kill();
  const [cdr] = await stage.running.records(1);
  t.match(cdr!.termination, { by: 'us', reason: 'sipLost', status: 503 });
  t.equal(await ready(stage), 503);
  user.close();
  await stage.running.drachtio[0]!.restart();
  await until('the connection is back', async () => await ready(stage) === 200);
  const report = await stage.call();
  t.ok(report.ok, 'a call works again');
  t.equal(stage.running.service.table.size, 0);
});

t.test('one of two servers killed: calls on the other go on, new ones are placed there', { skip, timeout: 90_000 }, async (t) => {
  const stage = await openStage({ drachtioServers: 2, peers: { pbx: { config: { mayCall: [number] } } } });
  t.teardown(() => stage.close());
  const meta = await stage.answerAsMeta();
  await until('both are up', () => allUp(stage));
  await stage.running.drachtio[0]!.kill();
  await until('the loss is noticed', () => stage.running.log.some((line) => line.includes('was lost')));
  t.equal(await ready(stage), 200, 'one is enough');
  for (let round = 0; round < 3; round++) {
    const call = await dial(stage, 1, `+4477009001${10 + round}`);
    t.equal(await call.final, 200, `placed on the one that is left: ${call.report().message}`);
    await pause(500);
    await call.bye();
  }
  t.same(meta.reports.flatMap((r) => r.violations), []);
  await stage.running.drachtio[0]!.restart();
  await until('both are back', () => allUp(stage));
  t.ok((await stage.call()).ok, 'the first takes calls again');
});

t.test('a call whose legs are on two servers ends when either goes', { skip, timeout: 90_000 }, async (t) => {
  const stage = await openStage({ drachtioServers: 2, peers: { pbx: { config: { mayCall: [number] } } } });
  t.teardown(() => stage.close());
  await stage.answerAsMeta({ behaviour: 'tone' });
  await until('both are up', () => allUp(stage));
  // In turn: of two calls one has its Meta leg on the second server and its peer leg on the first, or the other way round.
  const calls = [await dial(stage, 0), await dial(stage, 0, '+447700900102')];
  for (const call of calls) t.equal(await call.final, 200);
  await stage.running.drachtio[1]!.kill();
  const [cdr] = await stage.running.records(1);
  t.match(cdr!.termination, { by: 'us', reason: 'sipLost' });
  await until('the call that was on both is gone', () => stage.running.service.table.size === 1);
  await pause(300);
  const living = calls.filter((call) => call.report().endedBy === 'nobody');
  t.equal(living.length, 1, "the other goes on; this one's peer got BYE");
  await living[0]!.bye();
  await stage.running.records(2);
});

t.test('the shipped configuration: no complaint in the log, TLS 1.2 and 1.3, large datagrams', { skip }, async (t) => {
  const stage = await openStage({ drachtioServers: 1 });
  t.teardown(() => stage.close());
  t.ok((await stage.call()).ok);
  t.same(stage.running.drachtio[0]!.log.filter((line) => /\b(error|warn\w*|invalid|failed|unable)\b/i.test(line)), []);
});

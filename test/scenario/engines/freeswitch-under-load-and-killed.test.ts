import t from 'tap';
import type { Config } from '../../../lib/config/types.js';
import { engines, missing } from '../../helpers/engines.js';
import { noChannels, sharedFreeswitch, startFreeswitch } from '../../helpers/freeswitch.js';
import { mediaPorts } from '../../helpers/service.js';
import { openStage, pause } from '../harness.js';

const skip = missing('freeswitch');

t.test('100 calls, ten at a time: each answered, with audio', { skip, timeout: 110_000 }, async (t) => {
  const stage = await openStage({ media: 'freeswitch' });
  t.teardown(() => stage.close());
  const reports: Awaited<ReturnType<typeof stage.call>>[] = [];
  for (let round = 0; round < 10; round++) {
    reports.push(...await Promise.all(Array.from({ length: 10 }, () => stage.call({}, 2000))));
  }
  t.equal(reports.filter(({ status }) => status === 200).length, 100, 'answered');
  const mute = reports.filter(({ audio }) => !audio?.toneHeard);
  t.equal(mute.length, 0, `without audio: ${JSON.stringify(mute.map(({ audio, violations }) => [audio?.packetsReceived, audio?.detail.tone, violations]))}`);
  t.comment(`joined again: ${stage.running.log.filter((line) => line.includes('were not joined')).length}`);
  const setup = reports.map(({ setup: { answeredMs } }) => answeredMs ?? Infinity).sort((a, b) => a - b);
  const first = reports.map(({ audio }) => audio?.firstPacketMs ?? Infinity).sort((a, b) => a - b);
  t.comment(`first packet ${first[50]!.toFixed(0)} ms after the answer (median), ${first[99]!.toFixed(0)} ms at most`);
  t.comment(`answered after ${setup[50]!.toFixed(0)} ms (median), ${setup[99]!.toFixed(0)} ms at most`);
});

t.test('FreeSWITCH killed mid-call: mediaLost and BYE; 503 meanwhile; back again, calls work without a restart of ours', { skip, timeout: 90_000 }, async (t) => {
  const stage = await openStage({ media: 'freeswitch' });
  t.teardown(() => stage.close());
  const { freeswitch } = stage.running;
  const user = stage.user({ expect: [] });
  const ended = new Promise((resolve) => user.once('ended', resolve));
  t.equal(await user.place(), 200);
  await freeswitch!.kill();
  t.equal(await ended, 'business');
  const [cdr] = await stage.running.records(1);
  t.match(cdr!.termination, { by: 'us', reason: 'mediaLost', status: 503 });
  t.equal((await stage.call({ expect: [] }, 100)).status, 503);
  await freeswitch!.restart();
  while (stage.running.log.filter((line) => line.includes('connected to FreeSWITCH')).length < 2) await pause(50);
  t.ok((await stage.call()).ok, 'a call works again');
});

t.test('FreeSWITCH without time for ten seconds mid-call: its calls stay, new ones get 503; once it goes on calls work', { skip, timeout: 90_000 }, async (t) => {
  const stage = await openStage({ media: 'freeswitch', overlay: { meta: { mediaTimeout: 4 } } });
  t.teardown(() => stage.close());
  const freeswitch = stage.running.freeswitch!;
  t.teardown(() => freeswitch.thaw());
  const user = stage.user();
  let ended = false;
  user.once('ended', () => { ended = true; });
  t.equal(await user.place(), 200);
  await pause(500);
  freeswitch.freeze();
  while (!stage.running.log.some((line) => line.includes('the connection to FreeSWITCH was lost'))) await pause(50);
  t.equal((await stage.call({ expect: [], from: '+447700900102' }, 100)).status, 503);
  await pause(2000);
  freeswitch.thaw();
  while (stage.running.log.filter((line) => line.includes('connected to FreeSWITCH')).length < 2) await pause(50);
  t.ok((await stage.call({ from: '+447700900102' })).ok, 'a call works again');
  t.notOk(ended, 'the call is still there');
  await user.hangUp();
  t.ok(user.report().audio?.toneHeard);
  user.close();
  await noChannels(freeswitch);
});

t.test('FreeSWITCH and drachtio-server killed mid-call and started again: the call ends once, calls work without a restart of ours', { skip: skip || missing('drachtio'), timeout: 90_000 }, async (t) => {
  const stage = await openStage({ media: 'freeswitch', drachtioServers: 1 });
  t.teardown(() => stage.close());
  const { freeswitch, drachtio, service } = stage.running;
  const user = stage.user({ expect: [] });
  t.equal(await user.place(), 200);
  await Promise.all([freeswitch!.kill(), drachtio[0]!.kill()]);
  const [cdr] = await stage.running.records(1);
  t.match(cdr!.termination, { by: 'us', reason: /^(sipLost|mediaLost)$/, status: 503 });
  user.close();
  await Promise.all([freeswitch!.restart(), drachtio[0]!.restart()]);
  while ((await fetch(`http://${service.http}/ready`)).status !== 200) await pause(50);
  t.ok((await stage.call()).ok, 'a call works again');
  t.equal(service.table.size, 0);
});

t.test('a pool with one that refuses, and one that is soon full: every call is taken by the other', { skip, timeout: 60_000 }, async (t) => {
  const range = async (): Promise<[number, number]> => (await mediaPorts()).split('-').map(Number) as [number, number];
  const small = await startFreeswitch(engines.freeswitch, await range(), { WAB_MAX_CHANNELS: '10' });
  t.teardown(() => small.close());
  const large = await sharedFreeswitch(engines.freeswitch, range);
  const stage = await openStage({ media: 'freeswitch', overlay: { media: { freeswitch: [small.esl, large.esl] } } });
  t.teardown(() => stage.close());
  const call = (i: number): ReturnType<typeof stage.call> => stage.call({ from: `+44770090012${i}` }, 2500);
  await small.api('fsctl pause inbound');
  t.ok((await call(0)).audio?.toneHeard);
  t.ok(stage.running.log.some((line) => line.includes('a media engine cannot take a call') && line.includes('503')), 'the first was asked and refused');
  await small.api('fsctl resume inbound');
  const reports = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(call));
  t.same(reports.map(({ status }) => status), Array(8).fill(200));
  t.equal(reports.filter(({ audio }) => audio?.toneHeard).length, 8);
  await noChannels(small);
});

t.test('a pool of two: calls on both; one taken out of the configuration keeps its calls and gets no new ones', { skip, timeout: 60_000 }, async (t) => {
  const range = async (): Promise<[number, number]> => (await mediaPorts()).split('-').map(Number) as [number, number];
  const first = await sharedFreeswitch(engines.freeswitch, range);
  const second = await startFreeswitch(engines.freeswitch, await range());
  t.teardown(() => second.close());
  const stage = await openStage({ media: 'freeswitch', overlay: { media: { freeswitch: [first.esl, second.esl] } } });
  t.teardown(() => stage.close());
  const count = (): Promise<number[]> => Promise.all([first, second].map(async ({ api }) => Number(/(\d+) total/.exec(await api('show channels'))?.[1])));
  const pool = (freeswitch: readonly (typeof first.esl)[]): Config => ({ ...stage.running.config, media: { ...stage.running.config.media, freeswitch } });
  const users = [stage.user({ expect: [] }), stage.user({ expect: [], from: '+447700900102' })];
  for (const user of users) t.equal(await user.place(), 200);
  // FreeSWITCH lists a channel a moment after it has answered.
  const channels = async (sum: number): Promise<number[]> => {
    for (let left = 100; left > 0; left--) {
      const counted = await count();
      if (counted[0]! + counted[1]! === sum) return counted;
      await pause(30);
    }
    return count();
  };
  const before = await channels(8);
  t.equal(before[0]! + before[1]!, 8, 'two calls');
  await stage.running.service.reload(pool([second.esl]));
  const later = stage.user({ expect: [], from: '+447700900103' });
  t.equal(await later.place(), 200);
  t.same(await channels(12), [before[0], before[1]! + 4], 'the new one on the second');
  for (const user of [...users, later]) await user.hangUp();
  await stage.running.records(3);
  await Promise.all([noChannels(first), noChannels(second)]);
  await stage.running.service.reload(stage.running.config);
  t.equal((await stage.call({ expect: [] }, 100)).status, 200);
});

// Messages of users who reach nobody, as the user hears it and as the file has it; the same on every media engine.
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { readOggOpus } from '../../../lib/media/prompts/ogg.js';
import { decodeOpus } from '../../../lib/media/prompts/encode.js';
import { shareAt } from '../../../lib/simulator/media/tone.js';
import { number } from '../../helpers/service.js';
import { pause } from '../harness.js';
import { assertQuietLeg, recordOf, until } from '../pbx/steps.js';
import { ended, heard, hearsTone, listener, prompts, sounds, voiceStage } from './rig.js';

/** Of the tone behind which messages are recorded. */
const beep = 1000;

t.test('nobody answers: greeting, tone, what the user says in a file, JSON, event, record; hang-up, #, silence', async (t) => {
  const { file, folder } = await sounds(t, { greeting: 600 });
  const directory = join(folder, 'messages');
  const token = 'a-token-of-the-tests';
  const stage = await voiceStage(t, {
    api: { listen: '127.0.0.1:0', tokens: [{ name: 'test', token, scopes: ['read', 'users'] }] },
    voicemail: { sales: { greeting: file('greeting'), directory, maxSeconds: 30, silence: 2 } },
    routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }], unanswered: { voicemail: 'sales' } }],
  }, { peers: { pbx: { answer: 'busy' } } });
  const events: { type: string; data: Record<string, unknown> }[] = [];
  const stream = new AbortController();
  t.teardown(() => stream.abort());
  const response = await fetch(`http://${stage.running.service.api}/v1/events?types=voicemail.*`, { headers: { Authorization: `Bearer ${token}` }, signal: stream.signal });
  void (async () => {
    const decoder = new TextDecoder();
    let text = '';
    for await (const chunk of response.body!) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      events.splice(0, events.length, ...[...text.matchAll(/^data: (.*)$/gm)].map(([, json = '']) => JSON.parse(json) as typeof events[number]));
    }
  })().catch(() => undefined);

  const leave = async (from: string, how: (user: ReturnType<typeof listener>) => Promise<void>): Promise<ReturnType<typeof listener>> => {
    const user = listener(stage, { from, source: 'tone', tones: [600, 600], expect: [beep, prompts.greeting] });
    t.equal(await user.place(), 200);
    await hearsTone(user, beep);
    t.same(heard(user), [prompts.greeting, beep]);
    await pause(2500);
    await how(user);
    await ended(user);
    assertQuietLeg(t, user.report());
    return user;
  };
  const first = await leave('+447700900110', (user) => user.hangUp().then(() => undefined));
  const second = await leave('+447700900111', (user) => user.press('#', 80));
  const third = await leave('+447700900112', async (user) => { user.say('silence'); });

  for (const [user, how, termination] of [[first, 'hungUp', { by: 'user', reason: 'hangup' }], [second, 'key', { by: 'us', reason: 'messageTaken' }], [third, 'silence', { by: 'us', reason: 'messageTaken' }]] as const) {
    const record = await recordOf(stage, user);
    t.match(record, { termination, voicemail: { box: 'sales', file: /sales-.*\.ogg$/ }, tries: [{ user: '6001', reason: 'busy' }] });
    const sound = record.voicemail!.file!;
    const json = sound.replace('.ogg', '.json');
    await until(() => events.some(({ data }) => data['file'] === sound), 'the event');
    t.match(events.find(({ data }) => data['file'] === sound), { type: 'voicemail.recorded', data: { box: 'sales', number, ended: how } });
    t.match(JSON.parse(await readFile(json, 'utf8')), { box: 'sales', number, ended: how, user: user === first ? '+447700900110' : user === second ? '+447700900111' : '+447700900112', sha256: /^[0-9a-f]{64}$/ });
    t.same([(await stat(sound)).mode & 0o777, (await stat(json)).mode & 0o777], [0o600, 0o600], 'for the user of the service alone');
    const { samples, rate } = await decodeOpus(readOggOpus(await readFile(sound)));
    const words = samples.subarray(rate, 2 * rate);
    t.ok(shareAt(words, 600, rate) > 0.8, 'what the user said, and nothing of ours');
    t.ok(samples.length / rate > 2 && samples.length / rate < 7, `${samples.length / rate} s`);
  }
  t.equal((await readdir(directory)).length, 6);
});

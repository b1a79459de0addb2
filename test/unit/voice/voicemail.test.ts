import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import t, { type Test } from 'tap';
import { ended } from '../../../lib/call/termination.js';
import { takeMessage } from '../../../lib/voice/voicemail.js';
import { lineOf, settle, type FakeRecording } from './stage.js';

const user = '+447700900101';

/** A user who has heard greeting and tone, and is recorded. */
async function recorded(t: Test, box: object = {}): Promise<ReturnType<typeof lineOf> & { directory: string; course: Promise<void>; recording: FakeRecording }> {
  const directory = t.testdir();
  const stage = lineOf({ voicemail: { sales: { greeting: '/greeting.wav', directory, ...box } }, routes: [{ name: 'main', number: '+447700900001', voicemail: 'sales' }] });
  Object.assign(stage.call.facts, { number: '+447700900001', user, wacid: 'wacid.x' });
  const course = takeMessage(stage.line, 'sales');
  await settle();
  stage.media.end();
  await settle();
  stage.media.end();
  await settle();
  const { recording } = stage.media;
  if (recording === null) throw new Error('nothing is recorded');
  await writeFile(recording.file, 'OggS');
  return { ...stage, directory, course, recording };
}

t.test('greeting, tone, message: the file, a JSON beside it for us alone, and those who are told', async (t) => {
  const { media, call, accepted, messages, course, recording, directory } = await recorded(t);
  t.equal(accepted(), 1);
  t.same(media.played, ['/greeting.wav', 'tone']);
  t.match(recording.options, { format: 'ogg', channels: 'user', maxSeconds: 120, silenceSeconds: 6 });
  t.match(recording.file, new RegExp(`${directory}/sales-\\d{4}-\\d\\d-\\d\\dT\\d+Z-${call.id}\\.ogg$`));
  recording.end('silence', 17.25);
  await settle();
  for (let i = 0; i < 100 && media.played.length < 3; i += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  media.end();
  await course;
  t.match(call.termination, { by: 'us', reason: 'messageTaken', status: 200 });
  const json = recording.file.replace('.ogg', '.json');
  const said = JSON.parse(await readFile(json, 'utf8')) as object;
  t.match(said, { id: call.id, box: 'sales', number: '+447700900001', user, wacid: 'wacid.x', seconds: 17.25, bytes: 1000, ended: 'silence', file: /^sales-.*\.ogg$/ });
  t.equal((await stat(json)).mode & 0o777, 0o600);
  t.match(messages, [{ box: 'sales', file: recording.file }]);
  t.same(call.facts.voicemail, { box: 'sales', file: recording.file, seconds: 17.3 });
  t.equal((await readdir(directory)).length, 2);
});

t.test('the user hangs up: what was said is kept', async (t) => {
  const { call, course, recording, messages, directory } = await recorded(t);
  call.end(ended.userHungUp(null));
  recording.end('closed', 3);
  await course;
  t.match(messages, [{ ended: 'hungUp', seconds: 3 }]);
  t.match(call.facts.voicemail, { file: recording.file });
  t.equal((await readdir(directory)).length, 2);
});

t.test('# ends it, other keys do not', async (t) => {
  const { media, course, messages, call } = await recorded(t);
  media.press('12*');
  await settle();
  t.same(messages, []);
  media.press('#');
  for (let i = 0; i < 100 && media.played.length < 3; i += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  media.end();
  await course;
  t.match(messages, [{ ended: 'key', seconds: 4 }]);
  t.match(call.termination, { reason: 'messageTaken' });
});

t.test('nothing was said: no message', async (t) => {
  for (const [why, seconds] of [['closed', 0.4], ['silence', 6.3]] as const) {
    const { call, course, recording, messages, directory } = await recorded(t);
    if (why === 'closed') call.end(ended.userHungUp(null));
    recording.end(why, seconds);
    for (let i = 0; i < 20; i += 1) await settle();
    call.end(ended.userHungUp(null));
    await course;
    t.same(messages, []);
    t.match(call.facts.voicemail, { box: 'sales', file: null });
    t.same(await readdir(directory), [], 'and its file is gone');
  }
});

t.test('the disk refuses: the call ends as a fault of ours, and nobody is told of a message', async (t) => {
  const { call, course, recording, messages } = await recorded(t, { silence: 0 });
  t.equal(recording.options.silenceSeconds, null);
  recording.end('failed', 2, 'ENOSPC');
  await course;
  t.match(call.termination, { by: 'us', reason: 'fault', text: /cannot be written/ });
  t.same(messages, []);
  t.match(call.facts.voicemail, { file: null });
});

t.test('the user hangs up in the greeting, or in the tone: nothing is recorded', async (t) => {
  for (const steps of [0, 1]) {
    const { line, media, call } = lineOf({ voicemail: { sales: { greeting: '/greeting.wav', directory: '/nowhere' } }, routes: [{ name: 'main', number: '+447700900001', voicemail: 'sales' }] });
    const course = takeMessage(line, 'sales');
    await settle();
    for (let i = 0; i < steps; i += 1) {
      media.press('5');
      await settle();
    }
    call.end(ended.userHungUp(null));
    await course;
    t.equal(media.recording, null);
    t.equal(call.facts.voicemail, null);
  }
});

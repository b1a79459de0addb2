// The folder of the recordings: what a process that died left behind, what is old, and names that are none of ours.
import t, { type Test } from 'tap';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RecordingStore, sidecarOf } from '../../../lib/voice/recording/store.js';
import { isPlace, readOpen, type OpenSidecar } from '../../../lib/voice/recording/sidecar.js';
import { Clicker, clicksIn, readRecording, RecordingRig, rtp } from '../../helpers/recordingRig.js';

const now = Date.parse('2026-11-30T12:00:00Z');
const long = new Date(now - 60_000);

function openOf(file: string): OpenSidecar {
  return {
    call: file.slice(11, 47), direction: 'user-initiated', wacid: 'wacid.X', number: '+447700900001', user: '+4477******01', route: 'main', peer: 'pbx', peerUser: '6001', reference: null,
    file, began: '2026-11-30T10:00:00.000Z', channels: ['user', 'business'], pauses: [{ from: 1, to: 2 }], holds: [],
  };
}

/** A recording of `seconds` that nobody closed. */
async function leftBehind(store: RecordingStore, format: 'ogg' | 'wav', seconds: number): Promise<string> {
  const file = store.place(randomUUID(), 1, format, now);
  await store.keepOpen(openOf(file));
  const rig = new RecordingRig({ file: store.path(file), format });
  const clicker = new Clicker('opus', 16_000);
  for (let n = 0; n < seconds * 50; n += 1) {
    rig.user(rtp(111, { seq: n, ts: n * 960, ssrc: 5 }, clicker.frame(n % 50 === 10)));
    rig.advance(20);
  }
  utimesSync(store.path(file), long, long);
  return file;
}

const faultless = (t: Test) => (file: string, error: Error): void => { t.fail(`${file}: ${error.message}`); };

for (const format of ['ogg', 'wav'] as const) {
  t.test(`${format}: what a process that was killed has left gets its sidecar, and its end`, async (t) => {
    const store = new RecordingStore(join(t.testdir(), 'recordings'));
    const file = await leftBehind(store, format, 4);
    // As the kernel leaves a write that was cut.
    truncateSync(store.path(file), statSync(store.path(file)).size - 13);
    utimesSync(store.path(file), long, long);
    const [found, ...more] = await store.recover(new Set(), now, faultless(t));
    t.same(more, []);
    if (found === undefined) return t.fail('nothing was found');
    t.match(found, { file, recovered: true, closed: false, why: 'killed', wacid: 'wacid.X', pauses: [{ from: 1, to: 2 }], began: '2026-11-30T10:00:00.000Z' });
    t.ok(found.seconds > 2.4 && found.seconds < 4, `${found.seconds} of 4 s`);
    t.equal(Date.parse(found.ended) - Date.parse(found.began), Math.round(found.seconds * 1000));
    t.same(JSON.parse(readFileSync(store.path(sidecarOf(file)), 'utf8')), found);
    t.equal(found.sha256, createHash('sha256').update(readFileSync(store.path(file))).digest('hex'));
    t.same([statSync(store.path(sidecarOf(file))).mode & 0o777, statSync(join(store.directory, '.open')).mode & 0o777], [0o600, 0o700]);
    const { ended, rate, channels } = readRecording(store.path(file));
    t.ok(ended, 'it is told as whole');
    t.equal((channels[0]?.length ?? 0) / rate, found.seconds);
    t.ok(clicksIn(channels[0] ?? new Int16Array(0), rate).length >= 2);
    t.same(readdirSync(join(store.directory, '.open')), [], 'and is known no more as one that is written');
    t.same(await store.recover(new Set(), now, faultless(t)), []);
  });
}

t.test('what is written now is left alone, here or by another process; what was never made is forgotten', async (t) => {
  const store = new RecordingStore(join(t.testdir(), 'recordings'));
  const ours = await leftBehind(store, 'ogg', 2);
  const theirs = await leftBehind(store, 'ogg', 2);
  utimesSync(store.path(theirs), new Date(now), new Date(now));
  const ahead = await leftBehind(store, 'ogg', 2);
  utimesSync(store.path(ahead), new Date(now + 5000), new Date(now + 5000));
  const never = store.place(randomUUID(), 1, 'ogg', now);
  await store.keepOpen(openOf(never));
  const known = readdirSync(join(store.directory, '.open')).map((name) => join(store.directory, '.open', name));
  for (const path of known) utimesSync(path, new Date(now), new Date(now));
  t.same(await store.recover(new Set([ours]), now, faultless(t)), []);
  t.equal(readdirSync(join(store.directory, '.open')).length, 4);
  for (const path of known) utimesSync(path, long, long);
  await store.recover(new Set([ours, theirs, ahead]), now, faultless(t));
  t.equal(readdirSync(join(store.directory, '.open')).length, 3);
});

t.test('names that lead elsewhere, and what is no sidecar', async (t) => {
  const folder = t.testdir({ outside: { 'a.ogg': 'precious' }, recordings: { '.open': {} } });
  const store = new RecordingStore(join(folder, 'recordings'));
  const id = randomUUID();
  for (const file of ['../outside/a.ogg', '2026-11-30/../../outside/a.ogg', '/etc/passwd', `2026-11-30/${id}.ogg/..`, `2026-11-30/${id}.sh`, `2026-11-30\\${id}.ogg`, `2026-11-30/${id}.ogg\n`, '2026-11-30/.open']) {
    t.notOk(isPlace(file), JSON.stringify(file));
    t.equal(readOpen(JSON.stringify(openOf(file))), null);
    writeFileSync(join(folder, 'recordings', '.open', `${randomUUID()}.json`), JSON.stringify({ ...openOf(`2026-11-30/${id}.ogg`), file }));
  }
  for (const text of ['', '{', 'null', '[]', '{"call":1}', JSON.stringify({ ...openOf(`2026-11-30/${id}.ogg`), began: 'yesterday' })]) {
    t.equal(readOpen(text), null);
    writeFileSync(join(folder, 'recordings', '.open', `${randomUUID()}.json`), text);
  }
  t.same(await store.recover(new Set(), now, faultless(t)), []);
  t.equal(readFileSync(join(folder, 'outside', 'a.ogg'), 'utf8'), 'precious');
  // One that is no recording is told, and stays for somebody to look at.
  mkdirSync(join(folder, 'recordings', '2026-11-30'));
  const junk = `2026-11-30/${id}.ogg`;
  writeFileSync(store.path(junk), 'no Ogg');
  utimesSync(store.path(junk), long, long);
  await store.keepOpen(openOf(junk));
  const told: string[] = [];
  t.same(await store.recover(new Set(), now, (file, error) => told.push(`${file} ${error.message}`)), []);
  t.same(told, [`${junk} no Ogg Opus file`]);
});

t.test('what is older than keepDays goes, whole days of it, and nothing that is not ours', async (t) => {
  const id = randomUUID();
  const day = (): Record<string, string> => ({ [`${id}.ogg`]: 'a', [`${id}.json`]: '{}', [`${id}-2.wav`]: 'b', [`${id}.json.0011aabb.part`]: '' });
  const folder = t.testdir({ '2026-08-31': day(), '2026-09-01': day(), '2026-11-30': day(), '2026-08-01': { ...day(), 'notes.txt': 'mine' }, '2026-8-1': day(), other: day(), '.open': { '2026-01-01': '' } });
  const store = new RecordingStore(folder);
  const faults: Error[] = [];
  t.equal(await store.sweep(90, now, (error) => faults.push(error)), 4, 'of two days, two each');
  t.same(faults, []);
  t.same(readdirSync(folder).sort(), ['.open', '2026-08-01', '2026-09-01', '2026-11-30', '2026-8-1', 'other']);
  t.same(readdirSync(join(folder, '2026-08-01')), ['notes.txt']);
  t.equal(await new RecordingStore(join(folder, 'nowhere')).sweep(90, now, (error) => faults.push(error)), 0);
  await store.abandon(`2026-11-30/${id}.ogg`);
  t.notOk(existsSync(join(folder, '2026-11-30', `${id}.ogg`)));
});

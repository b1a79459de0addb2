// Recordings of whole calls: what is in them, beside them and told of them; and what of a disk's trouble a call notices, which is nothing.
import t, { type Test } from 'tap';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { shareAt } from '../../../lib/simulator/media/tone.js';
import { ApiClient, apiKeys, tokens, type Listener, type Told } from '../../helpers/apiClient.js';
import { readRecording } from '../../helpers/recordingRig.js';
import { number } from '../../helpers/service.js';
import { wavHeader } from '../../../lib/media/recording/wav.js';
import { openStage, pause, type Stage, type StageOptions } from '../harness.js';

const USER = '+447700900101';
const SAID = 2000;

/** `seconds` of the announcement's tone. */
function announcement(seconds: number): Buffer {
  const samples = Buffer.alloc(seconds * 16_000 * 2);
  for (let i = 0; i < seconds * 16_000; i += 1) samples.writeInt16LE(Math.round(8000 * Math.sin((2 * Math.PI * SAID * i) / 16_000)), 2 * i);
  return Buffer.concat([wavHeader(1, 16_000, samples.length), samples]);
}

interface Set { readonly stage: Stage; readonly api: ApiClient; readonly events: Listener; readonly directory: string; state(): Promise<string> }

async function setUp(t: Test, { peers = { pbx: { answer: 'tone' } }, recording = {}, record = {}, peer = null, ...more }: Omit<StageOptions, 'overlay'> & { recording?: object; record?: object | null; peer?: object | null } = {}): Promise<Set> {
  const folder = t.testdir({ 'said.wav': announcement(0.6) });
  const directory = join(folder, 'recordings');
  const announce = join(folder, 'said.wav');
  const stage = await openStage({
    ...more, peers, overlay: {
      api: apiKeys, recording: { directory, keepFree: 0, ...recording },
      routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }], record: record === null ? null : { announce, ...record } }],
      ...(peer === null ? {} : { peers: { pbx: { record: { announce, ...peer } } } }),
    },
  });
  t.teardown(() => stage.close());
  const api = new ApiClient(stage.running.service.api, tokens.all);
  const events = await api.events();
  t.teardown(() => events.close());
  return { stage, api, events, directory, state: async () => (await api.get('/v1/calls')).body.calls[0]?.recording as string };
}

async function until(holds: () => Promise<boolean> | boolean, what = 'it'): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    if (await holds()) return;
    await pause(25);
  }
  throw new Error(`${what} is not so`);
}

const reaches = (state: () => Promise<string>, wanted: string): Promise<void> => until(async () => await state() === wanted, `the recording ${wanted}`);

/** Share of a tone in each 100 ms of a channel. */
function shares(samples: Int16Array, rate: number, frequency: number): number[] {
  const step = rate / 10;
  return Array.from({ length: Math.floor(samples.length / step) }, (_, i) => shareAt(samples.subarray(i * step, (i + 1) * step), frequency, rate));
}

const heard = (list: readonly number[], from = 0, to = Infinity): number => {
  const part = list.slice(Math.ceil(from * 10), Math.floor(Math.min(to, list.length / 10) * 10));
  return part.filter((share) => share > 0.5).length / Math.max(1, part.length);
};

const recordedOf = (events: Listener, call: string | undefined): Promise<Told> => events.when(({ type, call: of }) => type === 'call.recorded' && of === call, 'call.recorded');

t.test('announced, recorded, paused, held, transferred: two channels, a sidecar, an event, the record; nothing reaches Meta but media', async (t) => {
  const { stage, api, events, directory, state } = await setUp(t, { record: {}, peers: { pbx: { answer: 'tone', tones: [1000, 1000] } } });
  const caller = stage.user({ from: USER, tones: [600, 600], expect: [] });
  t.equal(await caller.place(), 200);
  const { call } = await events.when(({ type, data }) => type === 'call.answered' && data.leg === 'meta');
  const order = async (what: string, body?: unknown): Promise<number> => (await api.post(`/v1/calls/${call}/${what}`, body)).status;
  t.equal(await state(), 'announcing');
  await reaches(state, 'on');
  await pause(1200);
  t.equal(await order('record', { action: 'pause' }), 204);
  t.equal(await state(), 'paused');
  await pause(800);
  t.equal(await order('record', { action: 'resume' }), 204);
  await pause(800);
  t.equal(await order('hold'), 204);
  await pause(800);
  t.equal(await order('unhold'), 204);
  t.equal(await order('transfer', { peer: 'pbx', user: '6002' }), 202);
  await events.when(({ type }) => type === 'call.transferred');
  await pause(800);
  t.equal(await order('record', { action: 'wipe' }), 400);
  await caller.hangUp();
  const { data } = await recordedOf(events, call);
  await events.when(({ type }) => type === 'call.ended');
  const types = events.told.map(({ type }) => type);
  t.ok(types.indexOf('call.recorded') < types.indexOf('call.ended'), 'told before the end of the call');

  const file = join(directory, data.file as string);
  t.match(data, { channels: 2, closed: true, why: 'closed', recovered: false, lost: 0, number, direction: 'user-initiated', file: /^\d{4}-\d\d-\d\d\/[0-9a-f-]{36}\.ogg$/ });
  const { channels: [user = new Int16Array(0), business = new Int16Array(0)], rate, ended } = readRecording(file);
  t.ok(ended);
  t.equal(user.length / rate, data.seconds);
  const sidecar = JSON.parse(readFileSync(file.replace(/ogg$/, 'json'), 'utf8'));
  t.match(sidecar, { call, number, user: '+4477******01', route: 'main', peer: 'pbx', channels: ['user', 'business'], closed: true });
  t.equal(sidecar.sha256, createHash('sha256').update(readFileSync(file)).digest('hex'));
  t.same([statSync(file).mode & 0o777, statSync(file.replace(/ogg$/, 'json')).mode & 0o777, statSync(directory).mode & 0o777], [0o600, 0o600, 0o700]);
  const [cdr] = await stage.running.records(1);
  t.same(cdr?.recordings, [{ file: data.file, seconds: data.seconds, sha256: sidecar.sha256 }]);

  t.ok(heard(shares(user, rate, 600), 0.1, 1) > 0.8, 'the user is on the left');
  t.ok(heard(shares(business, rate, 1000), 0.1, 1) > 0.8, 'the peer is on the right');
  t.same([heard(shares(user, rate, 1000)), heard(shares(business, rate, 600)), heard(shares(business, rate, SAID))], [0, 0, 0], 'neither on the other side, nor the announcement');
  const loud = (samples: Int16Array, from: number, to: number): number => samples.subarray(Math.round((from + 0.05) * rate), Math.round((to - 0.05) * rate)).reduce((most, one) => Math.max(most, Math.abs(one)), 0);
  const [paused] = sidecar.pauses as { from: number; to: number }[];
  const [held] = sidecar.holds as { from: number; to: number }[];
  if (paused === undefined || held === undefined) return t.fail(JSON.stringify(sidecar));
  t.ok(paused.to - paused.from > 0.7 && paused.to - paused.from < 1.2, JSON.stringify(paused));
  t.ok(held.to - held.from > 0.7, JSON.stringify(held));
  t.ok(loud(user, paused.from, paused.to) < 50 && loud(business, paused.from, paused.to) < 50, `nothing of the pause: ${loud(user, paused.from, paused.to)} ${loud(business, paused.from, paused.to)}`);
  t.ok(loud(user, held.from, held.to) < 50, 'nothing of the user on hold');
  t.ok(loud(business, held.from, held.to) < 50, 'nor of the peer, nor the music in its place');
  const report = caller.report();
  t.same(report.violations, []);
  caller.close();
});

t.test('calls of a peer: G.711 on both legs in WAV, pauseKey, and click-to-call with record', async (t) => {
  const { stage, api, events, directory, state } = await setUp(t, {
    recording: { format: 'wav' }, record: null, peer: { announce: null, pauseKey: '*', on: 'order' }, peers: { pbx: { answer: 'tone', config: { mayCall: [number] } } },
  });
  await stage.answerAsMeta({ behaviour: 'tone', g711: true });
  const order = { number, user: USER, peer: 'pbx', peerUser: '6001' };
  const placed = await api.post('/v1/calls', { ...order, record: true });
  t.equal(placed.status, 201);
  await reaches(state, 'on');
  await pause(600);
  t.ok(stage.peers.pbx?.lastCall?.press('*'));
  await reaches(state, 'paused');
  t.equal((await api.post(`/v1/calls/${placed.body.id}/record`, { action: 'stop' })).status, 204);
  const { data } = await recordedOf(events, placed.body.id as string);
  const { channels, rate, ended } = readRecording(join(directory, data.file as string));
  t.same([ended, channels.length, data.why, channels[0]?.length], [true, 2, 'stopped', Math.round((data.seconds as number) * rate)]);
  t.match((await api.get('/v1/calls')).body.calls[0], { recording: 'off', state: 'answered' }, 'the call goes on');
  t.equal((await api.ask('DELETE', `/v1/calls/${placed.body.id}`)).status, 204);
});

t.test('a disk that refuses, a folder that goes away, an announcement that is not there: told, and no call notices', async (t) => {
  const { stage, api, events, directory, state } = await setUp(t);
  const { service } = stage.running;
  const metrics = async (): Promise<string> => (await fetch(`http://${service.http ?? ''}/metrics`)).text();
  const talk = async (): Promise<{ call: string; hangUp: () => Promise<void> }> => {
    const caller = stage.user({ from: USER });
    t.equal(await caller.place(), 200);
    const { id } = (await api.get('/v1/calls')).body.calls[0] as { id: string };
    return {
      call: id, hangUp: async () => {
        await pause(600);
        await caller.hangUp();
        const report = caller.report();
        caller.close();
        t.same(report.violations, []);
        t.ok((report.audio?.packetsReceived ?? 0) > 20, 'the user hears the peer');
      },
    };
  };
  const failedOf = (call: string): Promise<Told> => events.when(({ type, call: of }) => type === 'recording.failed' && of === call, 'recording.failed');

  const removed = await talk();
  await reaches(state, 'on');
  const day = join(directory, new Date().toISOString().slice(0, 10));
  await until(() => existsSync(join(day, `${removed.call}.ogg`)));
  rmSync(directory, { recursive: true });
  t.match((await failedOf(removed.call)).data, { why: 'EREMOVED', number });
  await reaches(state, 'off');
  t.equal((await api.post(`/v1/calls/${removed.call}/record`, { action: 'start' })).status, 204, 'it can be begun again');
  await reaches(state, 'on');
  await removed.hangUp();
  t.match((await events.when(({ type, data }) => type === 'call.recorded' && data.closed === true)).data, { file: /-2\.ogg$/ });

  rmSync(directory, { recursive: true });
  writeFileSync(directory, 'no folder');
  const blocked = await talk();
  t.match((await failedOf(blocked.call)).data, { file: null, why: /^E(EXIST|NOTDIR)$/ });
  await blocked.hangUp();
  rmSync(directory);
  rmSync(join(directory, '..', 'said.wav'));
  // The sound is known by its file's state: one that is gone cannot be said.
  const silent = await talk();
  t.match((await failedOf(silent.call)).data, { file: null, why: /said\.wav/ });
  await silent.hangUp();
  t.notOk(existsSync(directory), 'nothing was written');
  t.match(await metrics(), /^wab_recordings_total\{outcome="failed"\} 3$/m);
  t.match((await stage.running.records(3)).map(({ termination }) => termination.reason), ['hangup', 'hangup', 'hangup']);
});

// When a call is recorded, and when it is not: announcement, orders, pauses, what fails.
import t from 'tap';
import { setImmediate as turn } from 'node:timers/promises';
import type { Bridge } from '../../../lib/call/bridge.js';
import { Call } from '../../../lib/call/call.js';
import { Comfort } from '../../../lib/call/features/holdAudio.js';
import { ended } from '../../../lib/call/termination.js';
import { together, type RecordManner } from '../../../lib/call/recording.js';
import { Announcements } from '../../../lib/call/features/announcements.js';
import { CallRecorder } from '../../../lib/voice/recording/callRecorder.js';
import { recordToFile, type Keeper } from '../../../lib/voice/recording/fileRecording.js';
import { log } from '../../fakes/context.js';
import { FakeCall, FakeLeg } from '../../fakes/media.js';

/** A call whose announcements end when the test says so. */
function setUp(manner: Partial<RecordManner> = {}): { recorder: CallRecorder; call: Call; media: FakeCall; comfort: Comfort; told: string[]; spoken: (error?: Error) => void; heardByPeer: unknown[]; full: { why: Error | null } } {
  const media = new FakeCall();
  const told: string[] = [];
  const full: { why: Error | null } = { why: null };
  let end: ((error?: Error) => void) | null = null;
  media.play = async (source) => {
    media.played.push(source);
    end?.();
    end = null;
    if (source === null) return;
    await new Promise<void>((resolve, reject) => { end = (error) => { if (error === undefined) resolve(); else reject(error); }; });
  };
  media.stats = async () => Promise.resolve({ meta: { packetsIn: 1 }, peer: {} } as unknown as Awaited<ReturnType<FakeCall['stats']>>);
  const call = new Call({ direction: 'user-initiated', startedAt: 0, log, showUser: (user) => user, onEnded: () => undefined });
  const leg = new FakeLeg();
  const heardByPeer: unknown[] = [];
  Object.assign(leg, { play: async (source: unknown) => { heardByPeer.push(source); return Promise.resolve(); } });
  const comfort = new Comfort(media, log);
  const bridge = { call, media, comfort, current: { leg, party: { peer: 'pbx', user: '6001' } } } as unknown as Bridge;
  Object.assign(bridge, { announcements: new Announcements(bridge) });
  const keeper: Keeper = {
    keep: async (_, index) => {
      if (full.why !== null) throw full.why;
      told.push(`keep ${index}`);
      return Promise.resolve({ stem: `/x/${index}`, format: 'ogg', file: `x/${index}.ogg`, call, abandon: async () => { told.push(`abandon ${index}`); return Promise.resolve(); } });
    },
    follow: ({ file }) => { told.push(`follow ${file}`); },
    broken: (_, kept, why) => { told.push(`failed ${kept.file}: ${why}`); },
  };
  const recorder = new CallRecorder(bridge, { announce: 'said.wav', on: 'answer', pauseKey: '*', ...manner }, {
    begin: async (about, index, wanted) => recordToFile(keeper, about, index, wanted),
    failed: (_, why) => { told.push(`failed -: ${why}`); },
  });
  return { recorder, call, media, comfort, told, spoken: (error) => { const over = end; end = null; over?.(error); }, heardByPeer, full };
}

const settle = async (): Promise<void> => { for (let i = 0; i < 20; i += 1) await turn(); };

t.test('after the announcement, which both hear, and only then', async (t) => {
  const { recorder, call, media, told, spoken, heardByPeer } = setUp();
  recorder.up();
  t.equal(recorder.state, 'off', 'not before the answer');
  call.answered();
  recorder.up();
  recorder.up();
  await settle();
  t.same([recorder.state, media.recordings.length, media.played], ['announcing', 0, [{ file: 'said.wav', loop: false, yields: false }]]);
  t.same(heardByPeer, [{ file: 'said.wav', loop: false }]);
  spoken();
  await settle();
  t.same([recorder.state, told], ['on', ['keep 1', 'follow x/1.ogg']]);
  t.match(media.recordings[0]?.options, { file: '/x/1', format: 'ogg', channels: 'both', maxSeconds: null, silenceSeconds: null });
  t.same(recorder.order('stop'), { done: true });
  t.same(recorder.order('start'), { done: true });
  await settle();
  t.same([recorder.state, told.slice(2), media.played.length], ['on', ['keep 2', 'follow x/2.ogg'], 2], 'said once in a call; the second play is its end');
  call.end(ended.ordered(true));
  t.match(recorder.order('start'), { done: false, code: 'call.over' });
});

t.test('nothing is recorded where it was not heard', async (t) => {
  const replaced = setUp();
  replaced.call.answered();
  replaced.recorder.up();
  await settle();
  replaced.comfort.announce({ file: 'offer.wav', loop: false });
  await settle();
  t.same([replaced.recorder.state, replaced.told], ['off', ['failed -: the announcement was not heard to its end']]);

  const unreadable = setUp();
  unreadable.call.answered();
  unreadable.recorder.up();
  await settle();
  unreadable.spoken(new Error('said.wav: no such file'));
  await settle();
  t.same([unreadable.recorder.state, unreadable.told], ['off', ['failed -: said.wav: no such file']]);

  const gone = setUp();
  gone.call.answered();
  gone.recorder.up();
  await settle();
  gone.call.end(ended.ordered(true));
  gone.spoken();
  await settle();
  t.same(gone.told, [], 'who hangs up before is not recorded');

  const stopped = setUp();
  stopped.call.answered();
  stopped.recorder.up();
  await settle();
  t.same(stopped.recorder.order('stop'), { done: true });
  stopped.spoken();
  await settle();
  t.same([stopped.told, stopped.recorder.state], [[], 'off']);
});

t.test('by order, with pauses: by order, by key, and during the announcement', async (t) => {
  const { recorder, call, media, told, spoken } = setUp({ on: 'order' });
  t.match(recorder.order('start'), { done: false, code: 'call.notUp' });
  call.answered();
  recorder.up();
  await settle();
  t.same([recorder.state, told], ['off', []]);
  t.match(recorder.order('pause'), { done: false, code: 'recording.notOn' });
  t.match(recorder.order('resume'), { done: false, code: 'recording.notOn' });
  t.same(recorder.order('stop'), { done: true }, 'it is not recorded: so it was wanted');
  recorder.peerDigit('*', 'event');
  t.same(recorder.order('start'), { done: true });
  t.same(recorder.order('start'), { done: true });
  t.same(recorder.order('pause'), { done: true });
  await settle();
  spoken();
  await settle();
  t.same([recorder.state, media.recordings.map(({ told: orders }) => orders)], ['paused', [['pause']]], 'paused from the first moment');
  recorder.peerDigit('1', 'event');
  recorder.peerDigit('*', 'event');
  t.equal(recorder.state, 'on');
  recorder.peerDigit('*', 'info');
  t.equal(recorder.state, 'on', 'the same press, by the other way');
  recorder.peerDigit('*', 'event');
  t.same(recorder.order('resume'), { done: true });
  t.same(recorder.order('resume'), { done: true });
  t.same(media.recordings.map(({ told: orders }) => orders), [['pause', 'resume', 'pause', 'resume']]);
});

t.test('a pause is one of the call: it outlasts a recording that ends by itself, or does not begin, until it is ended by order', async (t) => {
  const { recorder, call, media, full } = setUp({ announce: null });
  const privacy: boolean[] = [];
  const control = together([recorder, null], (on) => { privacy.push(on); });
  call.answered();
  control.up();
  await settle();
  control.peerDigit('*', 'event');
  t.same([control.state, privacy], ['paused', [true]]);
  await media.recordings[0]?.end('failed', {}, 'ENOSPC');
  await settle();
  t.same([control.state, privacy], ['paused', [true]], 'the card is still being read out');
  t.same(control.order('resume'), { done: true });
  t.same([control.state, privacy], ['off', [true, false]]);

  full.why = new Error('no recorder');
  control.order('start');
  control.order('pause');
  await settle();
  t.equal(control.state, 'paused', 'none has begun');
  t.same(control.order('stop'), { done: true });
  t.same([control.state, privacy], ['off', [true, false, true, false]]);

  control.order('start');
  control.order('pause');
  await settle();
  full.why = null;
  t.same(control.order('start'), { done: true });
  await settle();
  t.same([control.state, privacy.at(-1), media.recordings.length], ['on', false, 2], 'who orders a start has one');
});

t.test('a hundred starts and stops in a row, and what fails', async (t) => {
  const { recorder, call, media, told, full } = setUp({ announce: null });
  call.answered();
  for (let i = 0; i < 100; i += 1) {
    recorder.order('start');
    if (i % 3 === 0) await settle();
    recorder.order('stop');
  }
  recorder.order('start');
  await settle();
  t.equal(recorder.state, 'on');
  const begun = told.filter((one) => one.startsWith('keep')).length;
  t.equal(told.filter((one) => one.startsWith('follow')).length + told.filter((one) => one.startsWith('abandon')).length, begun, 'each place that was made is used or given up');
  t.equal(media.recordings.filter(({ told: orders }) => !orders.includes('stop')).length, 1, 'one goes on');

  await media.recordings.at(-1)?.end('failed', { seconds: 3 }, 'ENOSPC');
  t.same([recorder.state, told.at(-1)], ['off', `failed x/${begun}.ogg: ENOSPC`]);
  full.why = Object.assign(new Error('no'), { code: 'EACCES' });
  recorder.order('start');
  await settle();
  t.same([recorder.state, told.at(-1)], ['off', 'failed -: EACCES']);
  full.why = null;
  media.record = () => { throw new Error('there is nothing to record'); };
  recorder.order('start');
  await settle();
  t.match([recorder.state, ...told.slice(-2)], ['off', /^abandon /, 'failed -: there is nothing to record']);
});

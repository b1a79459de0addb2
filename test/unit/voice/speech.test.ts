import t from 'tap';
import { MessageChannel } from 'node:worker_threads';
import { PcmEnd } from '../../../lib/media/relay/agent/pcmEnd.js';
import type { EndWord } from '../../../lib/media/relay/agent/words.js';
import { Speech } from '../../../lib/media/relay/agent/speech.js';

/** So many milliseconds at 8 kHz, each sample this value. */
const ms = (length: number, value = 1): Int16Array => new Int16Array(length * 8).fill(value);

/** What is taken in `frames` frames from `now` on: for each the first sample, null where nothing is said, and the marks. */
function taken(speech: Speech, now: number, frames: number): (number | null | string)[] {
  return Array.from({ length: frames }, (_, i) => {
    const said = speech.next(now + i * 20);
    return said === null ? null : said.marks.length > 0 ? `${said.frame[0]}:${said.marks.join()}` : said.frame[0] ?? null;
  });
}

t.test('a mark is reached with the frame that has the last sample before it', async (t) => {
  const speech = new Speech(8000);
  speech.say(ms(50, 1), 0);
  t.notOk(speech.mark('one'));
  speech.say(ms(50, 2), 0);
  t.notOk(speech.mark('two'));
  t.same(taken(speech, 0, 6), [1, 1, '1:one', 2, '2:two', null], 'the third frame has the last 10 ms before it');
  t.ok(speech.mark('three'), 'with nothing before it at once');
  t.equal(speech.heldMs, 0);
});

t.test('marks that stand together are reached together, and the rest of the last frame is silence', async (t) => {
  const speech = new Speech(8000);
  speech.say(ms(5, 9), 0);
  for (const name of ['a', 'b']) speech.mark(name);
  const said = speech.next(0);
  t.same([said?.marks, said?.frame[0], said?.frame[40]], [['a', 'b'], 9, 0]);
});

t.test('clear leaves nothing, and gives the marks that were in it', async (t) => {
  const speech = new Speech(8000);
  speech.say(ms(1000), 0);
  speech.mark('a');
  t.same(taken(speech, 0, 2), [1, 1]);
  t.same(speech.clear(), ['a']);
  t.same([speech.heldMs, ...taken(speech, 40, 2)], [0, null, null]);
  speech.say(ms(40, 3), 60);
  t.same(taken(speech, 60, 2), [3, 3], 'what is said behind it is whole');
});

t.test('who speaks a frame at a time, now and then late, is heard without a hole', async (t) => {
  const speech = new Speech(8000);
  const heard: (number | null)[] = [];
  // Comes at 0, 20, 40 …, each third one 15 ms late; taken at 5, 25, 45 …
  const arrivals = Array.from({ length: 30 }, (_, i) => ({ at: i * 20 + (i % 3 === 2 ? 15 : 0), value: i + 1 }));
  for (let now = 5; now < 600; now += 20) {
    while (arrivals[0] !== undefined && arrivals[0].at <= now) speech.say(ms(20, arrivals.shift()!.value), now);
    heard.push(speech.next(now)?.frame[0] ?? null);
  }
  const first = heard.findIndex((value) => value !== null);
  t.ok(first <= 2, `begins with frame ${first}`);
  t.same(heard.slice(first), Array.from({ length: heard.length - first }, (_, i) => i + 1));
});

t.test('a word that is shorter than what is waited for is said all the same', async (t) => {
  const speech = new Speech(8000);
  speech.say(ms(20), 0);
  t.same(taken(speech, 0, 4), [null, null, 1, null]);
});

t.test('a minute and a thousand marks are kept, no more', async (t) => {
  const speech = new Speech(8000);
  for (let i = 0; i < 70; i += 1) speech.say(ms(1000), 0);
  t.same([speech.heldMs, speech.lost], [61_000, 72_000]);
  for (let i = 0; i < 10_000; i += 1) speech.mark(String(i));
  t.equal(speech.lost, 72_000 + 9000);
  t.equal(speech.clear().length, 1000);
});

t.test('what comes in the smallest pieces is taken as fast as what comes in large ones', async (t) => {
  const speech = new Speech(8000);
  const piece = new Int16Array(1).fill(5);
  for (let i = 0; i < 480_000; i += 1) speech.say(piece, 0);
  const began = process.cpuUsage();
  t.same(taken(speech, 0, 50), Array.from({ length: 50 }, () => 5));
  const { user, system } = process.cpuUsage(began);
  t.ok(user + system < 500_000, `${(user + system) / 1000} ms of CPU for a second`);
  t.equal(speech.heldMs, 480_000 / 8 - 1000);
});

t.test('marks that are cleared are told in the order in which they were set', async (t) => {
  const { port1: ours, port2: theirs } = new MessageChannel();
  const end = new PcmEnd({ link: ours, sampleRate: 8000, read: new SharedArrayBuffer(4) }, 'PCMU');
  t.teardown(() => { end.close(); theirs.close(); });
  const told: EndWord[] = [];
  const all = new Promise<void>((resolve) => {
    theirs.on('message', (word: EndWord) => { if (told.push(word) === 3) resolve(); });
  });
  end.take(ms(50), 0);
  for (const mark of ['one', 'two']) end.take({ mark }, 0);
  end.take({ clear: true, marks: ['three'] }, 0);
  await all;
  t.same(told, ['one', 'two', 'three'].map((mark) => ({ mark, cleared: true })));
});

// What the WhatsApp user hears while they wait, where reasons to wait overlap.
import t from 'tap';
import { pino } from 'pino';
import { Comfort, type Wait } from '../../../lib/call/features/holdAudio.js';
import { SHIPPED_MUSIC } from '../../../lib/media/index.js';
import { FakeCall } from '../../fakes/media.js';

const log = pino({ level: 'silent' });
type Step = readonly ['begin', Wait, string | null, boolean?] | readonly ['end', Wait];

/** What is on after each step: a file, with '~' where the peer's own media goes before it, or '' for none. */
const rows: readonly { what: string; steps: readonly (readonly [Step, string])[] }[] = [
  { what: 'hold and resume', steps: [[['begin', 'hold', 'a.opus'], 'a.opus'], [['end', 'hold'], '']] },
  { what: 'music of the PBX goes before ours', steps: [[['begin', 'hold', 'a.opus', true], '~a.opus'], [['end', 'hold'], '']] },
  { what: 'a held call that is transferred: the transfer is heard, then hold again', steps: [[['begin', 'hold', 'a.opus'], 'a.opus'], [['begin', 'transfer', 'b.opus'], 'b.opus'], [['end', 'transfer'], 'a.opus'], [['end', 'hold'], '']] },
  { what: 'the order in which they end does not matter', steps: [[['begin', 'hold', 'a.opus'], 'a.opus'], [['begin', 'transfer', 'b.opus'], 'b.opus'], [['end', 'hold'], 'b.opus'], [['end', 'transfer'], '']] },
  { what: 'a queue gives way to hold', steps: [[['begin', 'hold', 'a.opus'], 'a.opus'], [['begin', 'queue', 'q.opus'], 'a.opus'], [['end', 'hold'], 'q.opus'], [['end', 'queue'], '']] },
  { what: 'no sound of ours: silence, also above music', steps: [[['begin', 'queue', 'q.opus'], 'q.opus'], [['begin', 'hold', null], ''], [['end', 'hold'], 'q.opus']] },
  { what: 'what never began does not end', steps: [[['end', 'transfer'], ''], [['begin', 'hold', 'a.opus'], 'a.opus'], [['end', 'queue'], 'a.opus']] },
];

for (const { what, steps } of rows) {
  t.test(what, (t) => {
    const media = new FakeCall();
    const comfort = new Comfort(media, log);
    for (const [[act, wait, ...rest], heard] of steps) {
      if (act === 'begin') comfort.begin(wait, rest[0] as string | null, rest[1] as boolean | undefined);
      else comfort.end(wait);
      const last = media.played.at(-1) ?? null;
      t.equal(last === null ? '' : `${last.yields === true ? '~' : ''}${last.file}`, heard, `${act} ${wait}`);
    }
    t.end();
  });
}

t.test('the same music is not begun again', (t) => {
  const media = new FakeCall();
  const comfort = new Comfort(media, log);
  comfort.begin('hold', 'a.opus');
  comfort.begin('hold', 'a.opus');
  comfort.begin('transfer', 'a.opus');
  comfort.end('transfer');
  t.equal(media.played.length, 1);
  t.end();
});

t.test('a file that cannot be played: the music that comes with us instead, once', async (t) => {
  const media = new FakeCall();
  const files: string[] = [];
  media.play = async (source) => {
    if (source !== null) files.push(source.file);
    return Promise.reject(new Error('no such file'));
  };
  new Comfort(media, log).begin('hold', 'gone.opus');
  await new Promise((resolve) => { setImmediate(resolve); });
  t.same(files, ['gone.opus', SHIPPED_MUSIC]);
});

t.test('what failed and is over meanwhile is not made good', async (t) => {
  const media = new FakeCall();
  const files: (string | null)[] = [];
  media.play = async (source) => {
    files.push(source?.file ?? null);
    return source === null ? Promise.resolve() : Promise.reject(new Error('no such file'));
  };
  const comfort = new Comfort(media, log);
  comfort.begin('hold', 'gone.opus');
  comfort.end('hold');
  await new Promise((resolve) => { setImmediate(resolve); });
  t.same(files, ['gone.opus', null]);
});

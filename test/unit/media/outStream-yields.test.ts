import t from 'tap';
import { Rig, SILENCE } from '../../helpers/outStreamRig.js';

const MUSIC = '78bb';
const VOICE = '78aa';
/** What was sent, rows of the same counted. */
function rows(rig: Rig): string {
  const names: Record<string, string> = { [MUSIC]: 'music', [VOICE]: 'voice', [SILENCE]: 'silence' };
  const out: { name: string; count: number }[] = [];
  for (const { payload } of rig.sent) {
    const name = names[payload] ?? payload;
    const last = out.at(-1);
    if (last?.name === name) last.count += 1;
    else out.push({ name, count: 1 });
  }
  return out.map(({ name, count }) => `${name} ${count}`).join(', ');
}

function playing(): Rig {
  const rig = new Rig();
  rig.stream.start(rig.now);
  rig.stream.play([Buffer.from(MUSIC, 'hex')], true, null, rig.now);
  return rig;
}

t.test('music that yields waits a second for the source, then plays', async (t) => {
  const rig = playing();
  rig.advance(2000);
  t.match(rows(rig), /^silence (49|50|51), music (49|50|51)$/);
  t.same(rig.faults, []);
});

t.test('a source that sends is heard at once, in its pauses there is silence, and music when it has gone', async (t) => {
  const rig = playing();
  rig.advance(1500);
  rig.speak(50, 100, 5000);
  rig.advance(3000);
  rig.speak(50, 150, 5000 + 200 * 960);
  rig.advance(7000);
  t.match(rows(rig), /^silence 5\d, music 2\d, voice (4[5-9]|50), silence 1[456]\d, voice (4[5-9]|50), silence 2[45]\d, music (9|10)\d$/);
  t.same(rig.faults, []);
  rig.sent.length = 0;
  rig.stream.play([Buffer.from(MUSIC, 'hex')], true, null);
  rig.speak(10, 900, 5_000_000);
  t.match(rows(rig), /^music/, 'music that does not yield takes the place of the source');
});

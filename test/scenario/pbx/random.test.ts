// Random sequences against a model. WAB_SEQUENCES=300 plays that many; WAB_SEED=N begins with that seed (alone: WAB_SEQUENCES=1).
import t from 'tap';
import { number } from '../../helpers/service.js';
import { openStage } from '../harness.js';
import { answers, credentials, play } from './model.js';
import { tonesOf, until } from './steps.js';

const count = Number(process.env['WAB_SEQUENCES'] ?? 12);
const first = Number(process.env['WAB_SEED'] ?? 1);
/** What the service said of a sequence that went wrong: all but its debug lines. */
const told = /"level":"?(?:[3-6]0|info|warn|error|fatal)/;

t.test(`${count} sequences from seed ${first}: both sides, the media and the record agree at the end, nothing is left`, { timeout: 20_000 * count + 60_000 }, async (t) => {
  const stage = await openStage({
    peers: { pbx: { answer: (user: string) => answers[user] ?? 'notfound', tones: tonesOf.pbx, expect: tonesOf.user, config: { mayCall: [number], auth: credentials } } },
  });
  t.teardown(() => stage.close());
  const meta = await stage.answerAsMeta({ behaviour: 'tone,ring=0.05', tones: tonesOf.user, expect: tonesOf.pbx });
  for (let seed = first; seed < first + count; seed += 1) {
    const before = stage.running.log.length;
    const played = await play(stage, meta, seed);
    if (played.faults.length > 0) for (const line of stage.running.log.slice(before).filter((one) => told.test(one))) t.comment(line);
    t.same(played.faults, [], `WAB_SEED=${seed} WAB_SEQUENCES=1: ${played.steps.join(', ')}`);
  }
  const { service } = stage.running;
  await until(() => service.table.size === 0 && service.table.onPeer('pbx') === 0, 'every call and every place has gone');
  t.equal(stage.peers.pbx!.liveCalls.length, 0);
  t.equal(meta.liveCalls.length, 0);
  const status = await (await fetch(`http://${service.http}/status`)).json() as { media: { instances: { calls: number }[] } };
  t.same(status.media.instances.map(({ calls }) => calls), [0], 'no call is left at the media engine');
});

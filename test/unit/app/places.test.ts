import t from 'tap';
import { judgeMediaPlaces } from '../../../lib/app/places.js';
import { fullDocument, parseTree, setAt } from '../config/documents.js';

/** Why no media goes there, with these settings of media. */
function judge(said: Readonly<Record<string, unknown>>, address: string, port: number): string | null {
  const tree = fullDocument();
  for (const [key, value] of Object.entries({ interface: { meta: '10.0.0.4!203.0.113.4', peers: '10.0.0.7' }, ports: '30000-30999', ...said })) setAt(tree, `media.${key}`, value);
  return judgeMediaPlaces(parseTree(tree).media, () => [])([], address, port);
}

const own = /one of our own media ports/;

t.test('nobody has our own media ports sent to, of either side, whichever engine has them', async (t) => {
  const embedded = { engine: 'embedded' };
  const front = { engine: 'freeswitch', webrtc: 'embedded' };
  for (const said of [embedded, front]) {
    for (const address of ['10.0.0.4', '203.0.113.4', '10.0.0.7']) {
      t.match(judge(said, address, 30_000), own, `${said.engine} ${address}`);
      t.match(judge(said, address, 30_999), own);
      t.equal(judge(said, address, 31_000), null, 'another port may be a peer on this machine');
    }
    t.equal(judge(said, '10.0.0.9', 30_000), null, 'and so may another machine');
  }
  t.equal(judge({ engine: 'freeswitch', webrtc: 'nudge' }, '10.0.0.4', 30_000), null, 'then none of them is open');
  const spawned = { engine: 'rtpengine', 'rtpengine.spawn': true, 'rtpengine.control': [], 'rtpengine.ports': '40000-40999' };
  for (const address of ['10.0.0.4', '203.0.113.4']) t.match(judge(spawned, address, 40_500), own);
  t.equal(judge(spawned, '10.0.0.4', 30_000), null);
});

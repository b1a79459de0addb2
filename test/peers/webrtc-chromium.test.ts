import t from 'tap';
import type { MediaCall } from '../../lib/media/index.js';
import { makeCodec } from '../../lib/simulator/media/codec.js';
import { PCMU, peerAnswers, startEngine } from '../scenario/media/bench.js';
import { pace } from '../scenario/media/endpoint.js';
import { startChromium, type Chromium } from './chromium.js';
import { share } from './mediaMatrix.js';
import { absent } from './programs.js';

const [TONE, PEER_TONE] = [1000, 700];
// Not installed by scripts/test: it is 400 MB on disk.
const skip = absent('chromium');
const limit = <T>(promise: Promise<T>, what: string): Promise<T> => Promise.race([
  promise, new Promise<never>((_resolve, reject) => { setTimeout(() => reject(new Error(`${what}: not within 40 s`)), 40_000).unref(); }),
]);

/** A peer with a tone of its own on the call: Chromium hears it, and it hears Chromium's. */
async function talk(t: import('tap').Test, call: MediaCall, chromium: Chromium): Promise<void> {
  const { leg, peer } = await peerAnswers(call, PCMU, ['0 PCMU/8000']);
  const codec = makeCodec('PCMU');
  call.connect(leg);
  call.start();
  const speech = pace((i) => peer.send(0, codec.encode(Int16Array.from({ length: 160 }, (_, k) => 8000 * Math.sin((2 * Math.PI * PEER_TONE * (i * 160 + k)) / 8000))), 160));
  t.teardown(() => speech.stop());
  const { packets, hertz } = await limit(chromium.heard, 'Chromium hears');
  t.ok(Math.abs(hertz - PEER_TONE) < 30, `Chromium hears ${hertz.toFixed(0)} Hz in ${packets} packets`);
  const lately = (): number => share(Int16Array.from(peer.seen.slice(-20).flatMap((one) => [...codec.decode(one.payload)])), 8000, TONE);
  await peer.until((seen) => seen.length > 50 && lately() > 0.7);
  t.pass(`the peer hears Chromium's tone, ${(100 * lately()).toFixed(0)} % of what comes`);
  speech.stop();
  const { meta } = await call.close();
  t.match(meta, { codec: 'opus', keying: 'dtls' });
  await peer.close();
}

t.test('headless Chromium, full ICE, answers our offer: audio both ways', { skip }, async (t) => {
  const { engine } = await startEngine();
  t.teardown(() => engine.close());
  const call = engine.openCall({ id: 'chromium-answers', mediaTimeout: 0 });
  const chromium = await startChromium(TONE, await call.offerMeta({ keying: 'dtls', g711: false }));
  t.teardown(() => chromium.close());
  const answer = await limit(chromium.description, 'an answer');
  t.notMatch(answer, /a=ice-lite/);
  await call.takeMetaAnswer(answer);
  await talk(t, call, chromium);
});

t.test('headless Chromium, full ICE, offers: audio both ways', { skip }, async (t) => {
  const { engine } = await startEngine();
  t.teardown(() => engine.close());
  const chromium = await startChromium(TONE, null);
  t.teardown(() => chromium.close());
  const call = engine.openCall({ id: 'chromium-offers', mediaTimeout: 0 });
  const answer = await call.answerMeta(await limit(chromium.description, 'an offer'), { keying: 'dtls' });
  t.match(answer, /a=setup:active/);
  chromium.answer(answer);
  await talk(t, call, chromium);
});

import { Decoder } from '@evan/opus';
import t from 'tap';
import { SHIPPED_MUSIC } from '../../../lib/media/index.js';
import { metaCalls, PCMU, peerAnswers, startEngine } from './bench.js';
import { faultsOfStream, pace, SILENCE, type Seen } from './endpoint.js';

const loudness = (seen: readonly Seen[]): number => {
  const decoder = new Decoder({ channels: 1, sample_rate: 16_000 });
  const pcm = seen.flatMap((one) => { const bytes = decoder.decode(one.payload); return [...new Int16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 1)]; });
  return Math.sqrt(pcm.reduce((sum, s) => sum + s * s, 0) / pcm.length);
};

t.test('music plays on the same stream, over and instead of the peer, until it is stopped', async (t) => {
  const { engine } = await startEngine();
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'music');
  const { leg, peer } = await peerAnswers(call, PCMU, ['0 PCMU/8000']);
  call.start();
  const more = async (count: number): Promise<Seen[]> => { const at = meta.seen.length; await meta.until((seen) => seen.length >= at + count); return meta.seen.slice(at); };
  await more(20);
  let over = false;
  const playing = call.play({ file: SHIPPED_MUSIC, loop: true }).then(() => { over = true; });
  await more(60);
  t.ok(loudness(await more(100)) > 300, 'music');
  call.connect(leg);
  const talk = pace(() => peer.send(0, Buffer.alloc(160, 0xff), 160));
  t.teardown(() => talk.stop());
  await more(25);
  t.ok(loudness(await more(50)) > 300, 'still, although a peer that says nothing is connected');
  t.notOk(over);
  await call.play(null);
  await playing;
  await more(10);
  t.ok(loudness(await more(50)) < 50, 'then the peer');
  talk.stop();
  t.same(faultsOfStream(meta.seen), []);
  await call.close();
  await Promise.all([meta.close(), peer.close()]);
});

t.test('a prompt ends by itself, a new one replaces it, a file that is not there is refused', async (t) => {
  const { engine } = await startEngine();
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'prompt');
  call.start();
  const head = Buffer.alloc(44);
  head.write('RIFF', 0); head.writeUInt32LE(36 + 16_000, 4); head.write('WAVEfmt ', 8); head.writeUInt32LE(16, 16); head.writeUInt16LE(1, 20); head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8000, 24); head.writeUInt32LE(16_000, 28); head.writeUInt16LE(2, 32); head.writeUInt16LE(16, 34); head.write('data', 36); head.writeUInt32LE(16_000, 40);
  const body = Buffer.alloc(16_000);
  for (let i = 0; i < 8000; i += 1) body.writeInt16LE(Math.round(6000 * Math.sin(i / 3)), i * 2);
  const file = `${t.testdir({ 'prompt.wav': Buffer.concat([head, body]) })}/prompt.wav`;

  const begin = meta.seen.length;
  const first = call.play({ file, loop: true });
  await meta.until((seen) => seen.slice(begin).some((one) => !one.payload.equals(SILENCE)));
  await call.play({ file, loop: false });
  await first;
  const spoken = meta.seen.slice(begin).filter((one) => !one.payload.equals(SILENCE)).length;
  t.ok(spoken >= 50 && spoken < 75, `${spoken} packets: part of the first, all of the second`);
  await t.rejects(call.play({ file: '/nowhere.wav', loop: false }), { code: 'FILE_UNREADABLE' });
  t.same(faultsOfStream(meta.seen), []);
  const last = call.play({ file: SHIPPED_MUSIC, loop: true });
  await call.close();
  await last;
  t.pass('closing ends what plays');
  await meta.close();
});

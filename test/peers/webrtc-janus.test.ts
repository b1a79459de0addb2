import t, { type Test } from 'tap';
import { networkInterfaces } from 'node:os';
import { PCMU, peerAnswers, peerSdp, startEngine } from '../scenario/media/bench.js';
import { Endpoint, faultsOfStream, longestGap, pace, SILENCE } from '../scenario/media/endpoint.js';
import type { MediaCall, MediaEngine } from '../../lib/media/index.js';
import { missing } from '../helpers/engines.js';
import { startJanus } from './janus.js';
import { startNudged } from './nudged.js';
import { absent } from './programs.js';

const FORMATS = ['111 opus/48000/2', '126 telephone-event/8000'];
/** Janus leaves loopback out where there is anything else: both ends use an address of this machine, which the kernel loops back. */
const own = Object.values(networkInterfaces()).flat().find((one) => one?.family === 'IPv4' && !one.internal)?.address ?? '127.0.0.1';
const onOwnAddress = { interface: { meta: own, peers: '127.0.0.1' } };
const address = (sdp: string): [string, number] => ['127.0.0.1', Number(/m=audio (\d+)/.exec(sdp)?.[1])];

/** Audio both ways, once Janus has it up: speech of the peer at its far end, and the other way round. `exact`: no frame may be missing. */
async function talk(t: Test, call: MediaCall, far: Endpoint, exact: boolean): Promise<void> {
  const { leg, peer } = await peerAnswers(call, PCMU, ['0 PCMU/8000']);
  call.connect(leg);
  call.start();
  const began = performance.now();
  const speech = pace(() => { peer.send(0, Buffer.alloc(160, 0x23), 160); far.send(111, Buffer.from([0x78, 1, 2, 3]), 960); });
  t.teardown(() => speech.stop());
  await far.until((seen) => seen.length > 0);
  t.comment(`first packet through ICE and DTLS ${(performance.now() - began).toFixed(0)} ms after start()`);
  await far.until((seen) => seen.filter((one) => !one.payload.equals(SILENCE)).length > 50);
  await peer.until((seen) => seen.length > 50);
  speech.stop();
  t.same(faultsOfStream(far.seen).filter((fault) => exact || !fault.includes('timestamp step')), []);
  if (exact) t.ok(longestGap(far.seen) < 200, `longest gap ${longestGap(far.seen).toFixed(0)} ms`);
  const { meta } = await call.close();
  t.match(meta, { codec: 'opus', keying: 'dtls' });
  t.ok(meta.packetsIn > 40, `${meta.packetsIn} packets of Janus`);
  await Promise.all([far.close(), peer.close()]);
}

/** What stands between Janus and us. */
const kinds: readonly { name: string; skip: string | false; exact: boolean; start(): Promise<{ engine: MediaEngine; close(): Promise<void> }> }[] = [
  { name: 'rtpengine', skip: absent('janus'), exact: true, start: async () => { const { engine } = await startEngine(onOwnAddress); return { engine, close: () => engine.close() }; } },
  // FreeSWITCH leaves out frames as it begins, and on a busy machine.
  { name: 'FreeSWITCH alone, nudged', skip: absent('janus') || missing('freeswitch'), exact: false, start: () => startNudged(own) },
];

for (const { name, skip, exact, start } of kinds) {
  t.test(`Janus in ICE-lite mode offers as Meta does, ${name}: audio both ways`, { skip }, async (t) => {
    const { engine, close } = await start();
    t.teardown(close);
    const janus = await startJanus();
    t.teardown(() => janus.close());
    const far = await Endpoint.open();
    const offer = await janus.process('offer', peerSdp(far.port, FORMATS));
    t.match(offer, /a=ice-lite/, 'it is lite');
    t.match(offer, /a=setup:actpass/);
    const call = engine.openCall({ id: 'janus-offers', mediaTimeout: 0 });
    const answer = await call.answerMeta(offer, { keying: 'dtls' });
    t.match(answer, /a=setup:active/);
    far.aim(...address(await janus.generate('answer', answer)));
    await talk(t, call, far, exact);
  });

  t.test(`Janus in ICE-lite mode answers our offer, ${name}: audio both ways`, { skip }, async (t) => {
    const { engine, close } = await start();
    t.teardown(close);
    const janus = await startJanus();
    t.teardown(() => janus.close());
    const far = await Endpoint.open();
    const call = engine.openCall({ id: 'janus-answers', mediaTimeout: 0 });
    const plain = await janus.generate('offer', await call.offerMeta({ keying: 'dtls', g711: false }));
    far.aim(...address(plain));
    const answer = await janus.process('answer', peerSdp(far.port, FORMATS));
    t.match(answer, /a=ice-lite/, 'it is lite');
    await call.takeMetaAnswer(answer);
    await talk(t, call, far, exact);
  });
}

// Calls keyed with DTLS that are all answered at the same moment, Janus as Meta's ICE-lite side of each.
// By hand, on a quiet machine: WAB_DTLS_CALLS=50 holds the first packet of all but one in twenty to 250 ms.
import t from 'tap';
import { networkInterfaces } from 'node:os';
import { PCMU, peerAnswers, peerSdp, startEngine } from '../scenario/media/bench.js';
import { Endpoint } from '../scenario/media/endpoint.js';
import { startJanus, type Janus } from './janus.js';
import { absent } from './programs.js';

const ASKED = process.env.WAB_DTLS_CALLS;
const CALLS = Number(ASKED ?? 8);
const MOST_MS = 250;
/** Janus leaves loopback out where there is anything else: both ends use an address of this machine, which the kernel loops back. */
const own = Object.values(networkInterfaces()).flat().find((one) => one?.family === 'IPv4' && !one.internal)?.address ?? '127.0.0.1';
const FORMATS = ['111 opus/48000/2', '126 telephone-event/8000'];

t.test(`${CALLS} calls answered at once: each has its first packet soon`, { skip: absent('janus') }, async (t) => {
  const { engine } = await startEngine({ interface: { meta: own, peers: '127.0.0.1' } }, 'embedded');
  t.teardown(() => engine.close());
  const janus = await startJanus(CALLS);
  t.teardown(() => janus.close());
  const one = async (handle: Pick<Janus, 'process' | 'generate'>, index: number): Promise<{ begin(): void; first(): Promise<number>; close(): Promise<unknown> }> => {
    const far = await Endpoint.open();
    const call = engine.openCall({ id: `at-once-${index}`, mediaTimeout: 0 });
    const answer = await call.answerMeta(await handle.process('offer', peerSdp(far.port, FORMATS)), { keying: 'dtls' });
    await handle.generate('answer', answer);
    const { leg, peer } = await peerAnswers(call, PCMU, ['0 PCMU/8000']);
    call.connect(leg);
    let began = Infinity;
    return {
      begin: () => { began = performance.now(); call.start(); },
      first: async () => (await far.until((seen) => seen.length > 0), (far.seen[0]?.at ?? Infinity) - began),
      close: () => Promise.all([call.close(), far.close(), peer.close()]),
    };
  };
  const calls = [];
  for (let index = 0; index < CALLS; index += 1) calls.push(await one(index === 0 ? janus : await janus.another(), index));
  for (const call of calls) call.begin();
  const took = (await Promise.all(calls.map((call) => call.first()))).sort((a, b) => a - b);
  const at = (share: number): number => Math.round(took[Math.min(took.length - 1, Math.floor(share * took.length))] ?? Infinity);
  t.comment(`first packet through ICE and DTLS after start(), in ms: median ${at(0.5)}, p95 ${at(0.95)}, the last ${at(1)}`);
  t.ok(took.every(Number.isFinite), 'every one has audio');
  if (ASKED !== undefined) t.ok(at(0.95) <= MOST_MS, `p95 ${at(0.95)} ms`);
  await Promise.all(calls.map((call) => call.close()));
});

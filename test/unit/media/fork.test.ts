// Two streams to a recorder: what it takes, refuses and takes again, in answers and in offers of its own.
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { PortPool } from '../../../lib/media/embedded/ports.js';
import { RelayPool } from '../../../lib/media/relay/relayPool.js';
import type { RelayHandle } from '../../../lib/media/relay/handle.js';
import { SessionFork } from '../../../lib/media/session/fork.js';
import { freePort } from '../../helpers/ports.js';

const logger = { debug() { /* quiet */ }, info() { /* quiet */ }, warn() { /* quiet */ }, error() { /* quiet */ } };
const KEY = 'WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz';

async function setUp(t: Test, srtp: 'none' | 'sdes'): Promise<{ fork: SessionFork; relay: RelayHandle }> {
  const pool = new RelayPool({ address: null, workers: 1, lateMs: 60_000, key: 'media.workers' }, logger);
  t.teardown(() => pool.close());
  await pool.start();
  const relay = pool.open();
  const first = await freePort();
  const ports = new PortPool({ first, last: first + 99 });
  let ssrc = 1000;
  const fork = new SessionFork({ id: 'a', first: 1, relay, cname: 'x', ssrc: () => (ssrc += 1), ports, at: { local: '127.0.0.1', advertised: '127.0.0.1' } }, { codecs: ['PCMU'], srtp });
  t.teardown(() => fork.close());
  return { fork, relay };
}

/** A description of the recorder's: m-lines on these ports. */
function sdp(ports: readonly number[], { suite = 'AES_CM_128_HMAC_SHA1_80', tag = 1, secure = false } = {}): string {
  return [
    'v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0',
    ...ports.flatMap((port) => [`m=audio ${port} RTP/${secure ? 'S' : ''}AVP 0`, 'a=rtpmap:0 PCMU/8000', 'a=recvonly', ...(secure && port > 0 ? [`a=crypto:${tag} ${suite} inline:${KEY}`] : [])]), '',
  ].join('\r\n');
}

const mediaPorts = (text: string): number[] => [...text.matchAll(/^m=audio (\d+)/gm)].map(([, port]) => Number(port));

t.test('a stream that the recorder refuses in an offer of its own is answered with port 0, and may be offered again', async (t) => {
  const { fork } = await setUp(t, 'none');
  const [first, second] = mediaPorts(await fork.offer());
  await fork.takeAnswer(sdp([40_000, 0]));
  t.same(mediaPorts(await fork.answer(sdp([40_000, 0]))), [first, 0], 'a refresh');
  t.same(mediaPorts(await fork.offer()), [first, 0]);
  await fork.takeAnswer(sdp([40_000, 0]));
  t.same(mediaPorts(await fork.answer(sdp([40_000, 40_002]))), [first, second], 'it wants both now');
  await t.rejects(fork.answer(sdp([0, 0])), { code: 'SDP_UNACCEPTABLE' });
  t.same(mediaPorts(await fork.offer()), [first, second], 'what stands goes on');
});

t.test('SDES: what we answered is what our next offer repeats, and what its answer chooses from', async (t) => {
  const { fork } = await setUp(t, 'sdes');
  const keys = (text: string): string[] => [...text.matchAll(/^a=crypto:(\d+ \S+)/gm)].map(([, key]) => key ?? '');
  t.not(keys(await fork.offer())[0]?.startsWith('7 '), true);
  await fork.takeAnswer(sdp([40_000, 40_002], { secure: true }));
  const theirs = { secure: true, tag: 7, suite: 'AES_CM_128_HMAC_SHA1_32' };
  const answer = await fork.answer(sdp([40_000, 40_002], theirs));
  t.same(keys(answer), ['7 AES_CM_128_HMAC_SHA1_32', '7 AES_CM_128_HMAC_SHA1_32']);
  t.equal(await fork.offer(), answer);
  await t.resolves(fork.takeAnswer(sdp([40_000, 40_002], theirs)));
});

t.test('a stream that is refused for a while is there as it was once it is taken again, and says meanwhile why not', async (t) => {
  const { fork, relay } = await setUp(t, 'sdes');
  const offered = await fork.offer();
  t.equal(fork.missing, null);
  await fork.takeAnswer(sdp([40_000, 40_002], { secure: true }));
  fork.set('open');
  t.same(Object.keys((await relay.stats()).peers), ['1', '2']);
  await fork.takeAnswer(sdp([40_000, 0], { secure: true }));
  t.equal(fork.missing, 'stream 2 is not taken: the session description cannot be used: answer: audio refused with port 0');
  t.same(Object.keys((await relay.stats()).peers), ['1', '2'], 'its port is still open, and still offered');
  t.equal(await fork.offer(), offered);
  const sent = async (): Promise<number> => (await relay.stats()).peers[2]?.packetsOut ?? -1;
  const before = await sent();
  await fork.takeAnswer(sdp([40_000, 40_002], { secure: true }));
  t.equal(fork.missing, null);
  while (await sent() < before + 5) await sleep(20);
  await t.rejects(fork.takeAnswer(sdp([0, 0])), { code: 'SDP_UNACCEPTABLE' });
});

t.test('streams to recorders leave ports for calls', (t) => {
  const pool = new PortPool({ first: 20_000, last: 20_031 });
  const { spare } = pool;
  const taken = Array.from({ length: 14 }, () => spare.take());
  t.throws(() => spare.take(), { code: 'MEDIA_UNAVAILABLE', message: /kept for calls/ });
  t.equal(pool.free, 2);
  taken.push(pool.take());
  spare.give(taken[0] ?? 0);
  spare.give(taken[1] ?? 0);
  t.ok(spare.take() > 0, 'there is enough again');
  t.throws(() => spare.take(), { code: 'MEDIA_UNAVAILABLE' });
  t.end();
});

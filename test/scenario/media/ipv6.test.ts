import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import t from 'tap';
import { metaSdp, PCMU, peerSdp, startEngine } from './bench.js';
import { Endpoint, faultsOfStream, pace, SILENCE } from './endpoint.js';

const here = networkInterfaces()['lo']?.some((one) => one.family === 'IPv6') ?? false;
const to6 = (sdp: string): string => sdp.replaceAll('IN IP4 127.0.0.1', 'IN IP6 ::1');

t.test('either side over IPv6, the other over IPv4', { skip: here ? false : 'no IPv6 on loopback' }, async (t) => {
  for (const [meta6, peers6] of [[true, true], [true, false], [false, true]] as const) {
    const at = (six: boolean): string => (six ? '::1' : '127.0.0.1');
    const { engine } = await startEngine({ interface: { meta: at(meta6), peers: at(peers6) } });
    t.teardown(() => engine.close());
    const [meta, peer] = [await Endpoint.open(at(meta6)), await Endpoint.open(at(peers6))];
    const key = randomBytes(30).toString('base64');
    const call = engine.openCall({ id: 'six', mediaTimeout: 0 });
    const offer = metaSdp(meta.port, key);
    const answer = await call.answerMeta(meta6 ? to6(offer) : offer, { keying: 'sdes' });
    t.match(answer, meta6 ? /^c=IN IP6 ::1\r$/m : /^c=IN IP4 127\.0\.0\.1\r$/m);
    meta.secure(key, /inline:(\S+)/.exec(answer)?.[1] ?? '');
    meta.aim(at(meta6), Number(/m=audio (\d+)/.exec(answer)?.[1]));
    const leg = call.addPeerLeg(PCMU);
    const ours = await leg.offer();
    t.match(ours, peers6 ? /^c=IN IP6 ::1\r$/m : /^c=IN IP4 127\.0\.0\.1\r$/m);
    const theirs = peerSdp(peer.port, ['0 PCMU/8000'], ['a=ptime:20']);
    await leg.takeAnswer(peers6 ? to6(theirs) : theirs);
    peer.aim(at(peers6), Number(/m=audio (\d+)/.exec(ours)?.[1]));
    call.connect(leg);
    call.start();
    const talk = pace(() => { meta.send(111, Buffer.from([0x78, 1, 2, 3]), 960); peer.send(0, Buffer.alloc(160, 0x23), 160); });
    t.teardown(() => talk.stop());
    await meta.until((seen) => seen.filter((one) => !one.payload.equals(SILENCE)).length > 20);
    await peer.until((seen) => seen.length > 20);
    talk.stop();
    t.same(faultsOfStream(meta.seen), []);
    await call.close();
    await Promise.all([meta.close(), peer.close(), engine.close()]);
  }
});

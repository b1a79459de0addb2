import t from 'tap';
import { g711Encode } from '../../../lib/simulator/media/g711.js';
import { engines, missing } from '../../helpers/engines.js';
import { RawPeer } from '../../helpers/rawPeer.js';
import { openStage, pause } from '../harness.js';
import { peerSdp } from '../media/bench.js';
import { Endpoint, pace } from '../media/endpoint.js';

/** 20 ms of a tone, G.711 µ-law. */
function tone(i: number, hertz: number): Buffer {
  return g711Encode('PCMU', Int16Array.from({ length: 160 }, (_, at) => Math.round(8000 * Math.sin((2 * Math.PI * hertz * (i * 160 + at)) / 8000))));
}

const media = [...new Set([engines.media, 'freeswitch'] as const)];
for (const engine of media) {
  const skip = engine === 'freeswitch' && missing('freeswitch');
  for (const latch of [false, true]) {
    t.test(`H6: whole calls on ${engine}, ${latch ? 'a peer behind NAT' : 'a peer as it describes itself'}: a stranger who sends from before the answer on is not heard and hears nothing`, { skip, timeout: 60_000 }, async (t) => {
      const pbx = await RawPeer.open();
      const [peer, elsewhere, stranger] = [await Endpoint.open(), await Endpoint.open(), await Endpoint.open('127.0.0.9')];
      const stage = await openStage({ media: engine, external: { pbx: { port: pbx.port, nat: latch } } });
      let attack: ReturnType<typeof pace> | null = null;
      t.teardown(async () => {
        attack?.stop();
        await stage.close();
        pbx.close();
        await Promise.all([peer, elsewhere, stranger].map((end) => end.close()));
      });
      pbx.script((invite) => {
        const [, port] = /m=audio (\d+)/.exec(invite.body.toString()) ?? [];
        for (const end of [peer, stranger]) end.aim('127.0.0.1', Number(port));
        attack = pace((i) => stranger.send(0, tone(i, 600), 160));
        pbx.answer(invite, 180);
        // Behind NAT it sends from another port than it says.
        setTimeout(() => pbx.answer(invite, 200, { body: peerSdp(latch ? elsewhere.port : peer.port, ['0 PCMU/8000']) }), 500);
      });
      const user = stage.user({ expect: [600] });
      t.equal(await user.place(), 200);
      await pause(2500);
      t.notOk(user.report().audio?.toneHeard, 'the stranger is not heard, though nobody else sends');
      t.ok(stranger.seen.length < 5, `and hears nothing: ${stranger.seen.length} packets`);
      const before = stranger.seen.length;
      const speak = pace((i) => peer.send(0, tone(i, 440), 160));
      // Where the first packet decides, both try until the peer's is the first.
      for (const deadline = performance.now() + 15_000; peer.seen.length < 61 && performance.now() < deadline;) await pause(100);
      await pause(1000);
      t.notOk(user.report().audio?.toneHeard);
      t.ok(peer.seen.length > 60, `the peer hears: ${peer.seen.length} packets`);
      t.ok(stranger.seen.length < before + 10, `the stranger hears ${stranger.seen.length - before} more`);
      speak.stop();
      await user.hangUp();
      user.close();
      const [record] = await stage.running.records(1);
      t.ok((record?.media?.peer.packetsIn ?? 0) > 30, `${record?.media?.peer.packetsIn} packets of the peer`);
    });
  }
}

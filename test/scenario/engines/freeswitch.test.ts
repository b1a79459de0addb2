import t from 'tap';
import { engines, missing } from '../../helpers/engines.js';
import { noChannels, startFreeswitch } from '../../helpers/freeswitch.js';
import { mediaPorts, number } from '../../helpers/service.js';
import { openStage, pause } from '../harness.js';

const skip = missing('freeswitch');
const digits = '0123456789*#ABCD';

t.test('digits both ways, exact: a transcoded peer and one that speaks Opus', { skip, timeout: 90_000 }, async (t) => {
  for (const codecs of [['PCMU'], ['PCMA'], ['opus', 'PCMU']] as const) {
    const stage = await openStage({ media: 'freeswitch', peers: { pbx: { codecs: [...codecs], answer: 'echo', config: { codecs: [...codecs] } } } });
    t.teardown(() => stage.close());
    const incoming = stage.peers.pbx!.nextCall();
    const user = stage.user();
    t.equal(await user.place(), 200);
    await pause(500);
    await user.press(digits, 120);
    // Said again by the peer, one after the other.
    for (let left = 100; left > 0 && (user.report().audio?.digits.length ?? 0) < digits.length; left--) await pause(100);
    await pause(600);
    await user.hangUp();
    const { audio, violations } = user.report();
    t.same(violations, [], codecs.join());
    t.equal((await incoming).report().digits, digits, `the peer heard all, ${codecs.join()}`);
    t.equal(audio!.digits, digits, 'and so did the user, from the peer that said them again');
    t.same(new Set(audio!.detail.dtmf.map(({ durationMs }) => Math.round(durationMs))), new Set([100]), 'as long as they were pressed');
    t.same(audio!.detail.dtmf.flatMap(({ faults }) => faults), []);
    await stage.close();
  }
});

t.test('both keyings, DTLS by our own engine in front, both directions; nothing of FreeSWITCH reaches Meta before the 200', { skip, timeout: 90_000 }, async (t) => {
  for (const keying of ['sdes', 'dtls'] as const) {
    const stage = await openStage({ media: 'freeswitch', peers: { pbx: { config: { mayCall: [number] } } }, overlay: { numbers: { [number]: { keying } }, media: { webrtc: 'embedded' } } });
    t.teardown(() => stage.close());
    const report = await stage.call({ keying }, 3000);
    t.same(report.violations, [], `user-initiated, ${keying}`);
    t.ok(report.audio!.toneHeard);
    if (keying === 'sdes') t.equal(report.audio!.detail.received.ssrcs.length, 1, 'one SSRC');
    const meta = await stage.answerAsMeta({ keying });
    const call = await stage.peers.pbx!.call(`sip:+447700900101@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>` });
    t.equal(await call.final, 200);
    await pause(2000);
    await call.bye();
    await stage.running.records(2);
    t.same(meta.reports[0]!.violations, [], `business-initiated, ${keying}`);
    t.ok(meta.reports[0]!.audio!.toneHeard && call.report().toneHeard);
    // Four channels, or the two of the peer's side: Meta's is in our relay.
    const user = stage.user({ keying, expect: [] });
    t.equal(await user.place(), 200);
    const expected = keying === 'dtls' ? 2 : 4;
    const { api } = stage.running.freeswitch!;
    const channels = async (): Promise<number> => Number(/(\d+) total/.exec(await api('show channels'))?.[1]);
    // FreeSWITCH lists a channel a moment after it has answered.
    for (let left = 100; left > 0 && await channels() < expected; left--) await pause(30);
    t.equal(await channels(), expected, `channels, ${keying}`);
    await user.hangUp();
    await noChannels(stage.running.freeswitch!);
    await stage.close();
  }
});

t.test('a peer with SDES, offering and answering', { skip }, async (t) => {
  const stage = await openStage({ media: 'freeswitch', peers: { pbx: { srtp: 'sdes', config: { srtp: 'sdes', mayCall: [number] } } } });
  t.teardown(() => stage.close());
  const report = await stage.call({}, 1500);
  t.same(report.violations, []);
  t.ok(report.audio!.toneHeard);
  t.match((await stage.running.records(1))[0]!.media!.peer, { keying: 'sdes' });
});

t.test('behind NAT: Meta is told the public address, peers the own one', { skip, timeout: 60_000 }, async (t) => {
  const freeswitch = await startFreeswitch(engines.freeswitch, (await mediaPorts()).split('-').map(Number) as [number, number], { WAB_EXT_RTP_IP: '203.0.113.6' });
  t.teardown(() => freeswitch.close());
  for (const keying of ['sdes', 'dtls'] as const) {
    const stage = await openStage({ media: 'freeswitch', overlay: { numbers: { [number]: { keying } }, media: { freeswitch: [freeswitch.esl], webrtc: 'nudge', rtpengine: { anchor: '127.0.0.2' } } } });
    t.teardown(() => stage.close());
    const incoming = stage.peers.pbx!.nextCall();
    const user = stage.user({ keying, expect: [] });
    t.equal(await user.place(), 200);
    t.equal(user.report().answer!.address, '203.0.113.6', `to Meta, ${keying}`);
    t.match((await incoming).report().message, /^c=IN IP4 127\.0\.0\.1\r?$/m, 'to the peer');
    await user.hangUp();
    await stage.close();
    await noChannels(freeswitch);
  }
});

t.test('the shipped configuration: no complaint about it in the log', { skip }, async (t) => {
  const stage = await openStage({ media: 'freeswitch' });
  t.teardown(() => stage.close());
  t.ok((await stage.call()).ok);
  // It says so of itself at every start.
  t.same((await stage.running.freeswitch!.log()).filter((line) => !line.includes('MSG Thread 0 Started')), []);
});

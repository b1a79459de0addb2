import t, { type Test } from 'tap';
import { missing } from '../../helpers/engines.js';
import { number } from '../../helpers/service.js';
import { openStage, pause, type Stage } from '../harness.js';

const skip = missing('freeswitch');
/** Of each kind, ten at a time. */
const calls = Number(process.env['WAB_WEBRTC_CALLS'] ?? 10);
/** FreeSWITCH's first check, to which a lite peer answers 487; from then on it controls. */
const FLAP = 'a check in the controlled role';

function stageWith(webrtc: 'nudge' | 'rtpengine'): Promise<Stage> {
  return openStage({
    media: 'freeswitch', peers: { pbx: { config: { mayCall: [number] } } },
    // The nudger's address must be another than the one Meta's media comes from, which is loopback here.
    overlay: { numbers: { [number]: { keying: 'dtls' } }, media: { webrtc, rtpengine: { anchor: '127.0.0.2' } } },
  });
}

async function tenAtATime<T>(one: (index: number) => Promise<T>): Promise<T[]> {
  const done: T[] = [];
  while (done.length < calls) done.push(...await Promise.all(Array.from({ length: Math.min(10, calls - done.length) }, (_, i) => one(done.length + i))));
  return done;
}

interface Judged { violations: { detail: string }[]; audio?: { toneHeard: boolean; firstPacketMs?: number | undefined; ice?: { dtlsRole: string | undefined } | undefined } | undefined }

function judge(t: Test, what: string, role: 'client' | 'server', reports: readonly Judged[]): void {
  t.equal(reports.length, calls);
  t.same(reports.flatMap(({ violations }) => violations).filter(({ detail }) => detail !== FLAP), [], 'ICE before DTLS, one pair, one SSRC, nothing before the 200');
  t.equal(reports.filter(({ audio }) => audio?.toneHeard).length, calls, 'audio of the peer in each');
  t.same(new Set(reports.map(({ audio }) => audio?.ice?.dtlsRole)), new Set([role]), `Meta is the DTLS ${role}`);
  const first = reports.map(({ audio }) => audio?.firstPacketMs ?? Infinity).sort((a, b) => a - b);
  t.comment(`${what}: first packet ${first[calls >> 1]?.toFixed(0)} ms after the answer (median), ${first.at(-1)?.toFixed(0)} ms at most`);
}

for (const webrtc of ['nudge', 'rtpengine'] as const) {
  t.test(`numbers keyed with DTLS, webrtc: ${webrtc}: an ICE-lite peer that calls, and one that is called`, { skip, timeout: 200_000 }, async (t) => {
    const stage = await stageWith(webrtc);
    t.teardown(() => stage.close());
    const user = (index: number): string => `+4477009${String(10_000 + index).slice(1)}00`.slice(0, 13);
    judge(t, 'user-initiated', 'server', await tenAtATime((index) => stage.call({ keying: 'dtls', from: user(index) }, 3500)));
    const meta = await stage.answerAsMeta({ keying: 'dtls', behaviour: 'tone' });
    const heard = await tenAtATime(async (index) => {
      const call = await stage.peers.pbx!.call(`sip:${user(index)}@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>` });
      const status = await call.final;
      await pause(3500);
      await call.bye();
      return status === 200 && call.report().toneHeard;
    });
    t.equal(heard.filter(Boolean).length, calls, 'the peers heard the users');
    await stage.running.records(2 * calls);
    judge(t, 'business-initiated', 'client', meta.reports);
  });
}

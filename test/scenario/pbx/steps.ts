import type { Test } from 'tap';
import type { CallRecord } from '../../../lib/call/record.js';
import type { MetaCallReport } from '../../../lib/simulator/meta/report.js';
import type { PeerCall } from '../../../lib/simulator/peer/call.js';
import { number } from '../../helpers/service.js';
import type { Stage } from '../harness.js';

export const user = '+447700900101';
/** Tones by which the ends are told apart, Hz. */
export const tonesOf = { user: [600, 900], pbx: [1000, 1300], other: [1600, 2000] } satisfies Record<string, [number, number]>;

/** Anyone whose report counts what they hear. */
interface Listener { report(): { audio?: MetaCallReport['audio']; media?: { tone: Frames } | undefined } }
interface Frames { heard: number; silent: number; other: number }

/** Waits for something to become true. @throws when it does not within `ms` */
export async function until(test: () => boolean, what: string, ms = 15_000): Promise<void> {
  const deadline = performance.now() + ms;
  while (!test()) {
    if (performance.now() > deadline) throw new Error(`waited ${ms} ms in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function framesOf(listener: Listener): Frames {
  const report = listener.report();
  return (report.audio === undefined ? report.media?.tone : report.audio.detail.tone) ?? { heard: 0, silent: 0, other: 0 };
}

/** Waits until the listener hears `frames` more of the expected tone, of something else (music), or of silence; gives the ms it took. */
export async function hears(listener: Listener, kind: 'tone' | 'music' | 'silence', frames = 10): Promise<number> {
  const key = { tone: 'heard', music: 'other', silence: 'silent' }[kind] as keyof Frames;
  const [from, at] = [framesOf(listener)[key], performance.now()];
  await until(() => framesOf(listener)[key] >= from + frames, `${frames} frames of ${kind}`);
  return performance.now() - at;
}

/** House rule 1: Meta got nothing but ACK and BYE, one SSRC from one address, no gap over a second, and nothing else it forbids. */
export function assertQuietLeg(t: Test, report: MetaCallReport): void {
  t.same(report.violations, [], 'nothing that Meta forbids');
  const requests = report.messages.filter((line) => line.startsWith('< ') && !line.startsWith('< SIP/2.0')).map((line) => line.split(' ')[1]);
  t.ok(requests.every((method) => ['INVITE', 'ACK', 'BYE', 'CANCEL'].includes(method!)), `requests to Meta: ${requests.join(' ')}`);
  const { received } = report.audio!.detail;
  // A call that is hung up at once may end before the engine's first packet; the least that it lasts in these tests otherwise is seconds.
  const streams = received.packets === 0 && report.durationMs < 1000 ? 0 : 1;
  t.equal(received.ssrcs.length, streams, 'one SSRC');
  t.equal(received.sources.length, streams, 'one address');
  t.ok(received.maxGapMs < 1000 + report.pacerLateMs, `longest gap ${received.maxGapMs} ms`);
}

/** The record of the call that has this Call-ID at Meta, once it is written. */
export async function recordOf(stage: Stage, { callId }: { readonly callId: string }): Promise<CallRecord> {
  for (let count = 1; ; count += 1) {
    const records = await stage.running.records(count);
    const found = records.find(({ callIds }) => callIds.meta === callId);
    if (found !== undefined) return found;
    count = records.length;
  }
}

/** The PBX dials the user through the service. */
export function dial(stage: Stage, options: Parameters<Stage['peers'][string]['call']>[1] = {}, to = user): ReturnType<Stage['peers'][string]['call']> {
  return stage.peers.pbx!.call(`sip:${to}@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>`, ...options });
}

/** Waits for an event of a peer's call. */
export function once(call: PeerCall, event: 'ended' | 'answered' | 'confirmed'): Promise<void> {
  return new Promise((resolve) => { call.once(event, () => resolve()); });
}

// What a demonstration prints.
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { BusinessCallReport, PeerCallReport, UserReport } from '../../simulator/index.js';

/** How long a record may take to be written after the call, in milliseconds. */
const RECORD_TIME = 5000;

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function heading(text: string): void {
  say(`\n── ${text} ${'─'.repeat(Math.max(0, 76 - text.length))}`);
}

/** The SIP ladder of a call and its record, which it gives, as a Call-ID of either side names it; `http`: host:port of the service's pages. */
export async function showCall(callId: string, records: string, http: string): Promise<NamedRecord | undefined> {
  const record = await recordOf(callId, records);
  if (record === undefined) {
    say('there is no CDR of this call');
    return undefined;
  }
  process.stdout.write(await (await fetch(`http://${http}/calls/${record.id}/ladder`)).text());
  say(`CDR ${inspect(record, { depth: 5, compact: 10, breakLength: 200 })}`);
  return record;
}

/** What of a record is looked at. */
export interface NamedRecord { readonly id: string; readonly wacid: string | null; readonly callIds: { readonly meta: string | null; readonly peer: string | null } }

async function recordOf(callId: string, file: string): Promise<NamedRecord | undefined> {
  const deadline = performance.now() + RECORD_TIME;
  for (;;) {
    const text = await readFile(file, 'utf8').catch(() => '');
    // The last line may be half written.
    const found = text.split('\n').slice(0, -1).map((line) => JSON.parse(line) as NamedRecord).find(({ callIds }) => callIds.meta === callId || callIds.peer === callId);
    if (found !== undefined || performance.now() > deadline) return found;
    await delay(20);
  }
}

/** What a call came to: heard at both ends; up, and nothing wrong but that an end heard nothing; anything else. */
export type Outcome = 'heard' | 'silent' | 'failed';

/** What was heard in a call of a WhatsApp user. */
export function judgeUserCall(report: UserReport): Outcome {
  const { oneWayMs } = report.audio ?? {};
  say(heard('user → PBX → user', report.audio, oneWayMs === undefined ? '' : `about ${Math.round(oneWayMs)} ms one way`));
  violations(report);
  return verdict(report.ok, report.violations.length === 0, report);
}

/** The same of a call of the PBX's, as both ends saw it. */
export function judgeBusinessCall(peer: PeerCallReport, meta: BusinessCallReport): Outcome {
  say(heard('PBX → user', meta.audio));
  const { received } = peer.media ?? {};
  say(heard('user → PBX', received && { toneHeard: peer.toneHeard, packetsReceived: received.packets, packetsLost: received.lost, jitterMs: received.jitterMs }));
  violations(meta);
  for (const fault of peer.faults) say(`fault seen by the PBX  ${fault}`);
  return verdict(peer.ok && meta.ok, meta.violations.length === 0 && peer.faults.length === 0, peer);
}

/** `clean`: nothing was broken. */
export function verdict(ok: boolean, clean: boolean, { status, reason }: { readonly status: number; readonly reason: string }): Outcome {
  say(ok ? 'Audio went both ways.' : `The call did NOT work: ${status === 0 ? 'no answer' : `${status} ${reason}`}`);
  if (ok) return 'heard';
  return clean && status === 200 ? 'silent' : 'failed';
}

function violations(report: { readonly violations: readonly { readonly rule: string; readonly detail: string }[] }): void {
  for (const { rule, detail } of report.violations) say(`Meta's rule broken  ${rule}: ${detail}`);
}

interface Audio { readonly toneHeard: boolean; readonly firstToneMs?: number | undefined; readonly packetsReceived: number; readonly packetsLost: number; readonly jitterMs: number }

function heard(path: string, audio: Audio | undefined, more = ''): string {
  if (audio === undefined) return `${path}: no audio`;
  const { toneHeard, firstToneMs, packetsReceived, packetsLost, jitterMs } = audio;
  const facts = [
    toneHeard ? 'tone heard' : 'TONE NOT HEARD', firstToneMs === undefined ? '' : `first ${Math.round(firstToneMs)} ms after the answer`,
    `${packetsReceived} packets, ${packetsLost} lost, jitter ${jitterMs} ms`, more,
  ];
  return `${path.padEnd(18)}  ${facts.filter((fact) => fact !== '').join(', ')}`;
}

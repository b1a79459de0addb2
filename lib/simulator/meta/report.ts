// The verdict on one call at Meta, in either direction.
import type { MediaReport } from '../media/endpoint.js';
import type { Verdict, Violation } from '../verdict.js';
import type { BusinessMedia, Keying } from './sdp.js';

/** Who ended the call: the user (hang-up or CANCEL), the business (BYE or a refusal), or the stand-in because a rule of Meta's was broken. */
export type EndedBy = 'user' | 'business' | 'meta' | 'nobody';

/** What both directions report. Times are ms; those of `audio` count from the 200. */
export interface MetaCallReport {
  /** Answered, tone heard (where one is expected), and nothing broken. */
  ok: boolean;
  /** Final status of the INVITE; 0 when there was none. */
  status: number;
  reason: string;
  callId: string;
  wacid: string;
  keying: Keying;
  endedBy: EndedBy;
  /** Reason header of the business's BYE. */
  byeReason: string | undefined;
  /** Status of the answer to Meta's own BYE. */
  byeStatus: number | undefined;
  durationMs: number;
  answer: { codec: string; payloadType: number; dtmf: number | undefined; address: string; port: number } | undefined;
  audio: {
    toneHeard: boolean;
    /** First packet, and first frame with the tone, after the 200. Negative: before it. */
    firstPacketMs: number | undefined;
    firstToneMs: number | undefined;
    /** Half the round trip of a change of tone, through whatever echoes: an estimate of the one-way delay. */
    oneWayMs: number | undefined;
    packetsSent: number;
    packetsReceived: number;
    packetsLost: number;
    jitterMs: number;
    maxGapMs: number;
    digits: string;
    /** With keying dtls: what ICE and DTLS came to, ms after the 200. */
    ice?: { checks: number; nominations: number; nominatedMs: number | undefined; selected: string | undefined; dtlsRole: 'client' | 'server' | undefined; dtlsMs: number | undefined };
    detail: MediaReport;
  } | undefined;
  /** How late this process itself was in sending, at most: judge gaps and jitter by it. */
  pacerLateMs: number;
  violations: Violation[];
  /** Start lines in their order: `> INVITE …`, `< SIP/2.0 200 OK`. */
  messages: string[];
}

/** A user-initiated call. Times of `setup` count from the first INVITE. */
export interface UserReport extends MetaCallReport {
  /** Retry-After of a refusal, as it was written. */
  retryAfter: string | undefined;
  setup: { challengedMs: number | undefined; provisionalMs: number | undefined; ringingMs: number | undefined; answeredMs: number | undefined };
}

/** Adds to the verdict what the stream as a whole broke. `tolerance` is how many ms media may be seen before the 200. */
export function judgeMedia(verdict: Verdict, report: MediaReport, business: BusinessMedia, answeredAt: number, tolerance: number): void {
  const { received } = report;
  if (received.firstAt !== undefined && answeredAt - received.firstAt > tolerance) {
    verdict.breach('media-before-200', `first packet ${Math.round(answeredAt - received.firstAt)} ms before the 200`);
  }
  if (received.ssrcs.length > 1) verdict.breach('second-ssrc', `${received.ssrcs.length} SSRCs: ${received.ssrcs.join(', ')}`);
  if (received.sources.length > 1) verdict.breach('source-changed', `media came from ${received.sources.join(', ')}`);
  const answered = `${business.remote.address}:${business.remote.port}`;
  if (received.sources.some((s) => s !== answered)) verdict.breach('source-changed', `media came from ${received.sources.join(', ')}, not from ${answered}`);
  const known = new Set([business.payloadType, business.dtmf].map(String));
  for (const [type, count] of Object.entries(received.payloadTypes)) if (!known.has(type)) verdict.breach('payload-type', `${count} packets with payload type ${type}`);
  for (const [ptime, count] of Object.entries(received.ptimes)) if (ptime !== '20') verdict.breach('ptime', `${count} packets of ${ptime} ms`);
  if (received.sequenceJumps > 0) verdict.breach('sequence', `sequence number jumped ${received.sequenceJumps} times`);
  if (received.timestampJumps > 0) verdict.breach('sequence', `timestamp jumped ${received.timestampJumps} times`);
  if (report.undecryptable > 0) verdict.breach('crypto', `${report.undecryptable} packets do not authenticate`);
  for (const event of report.dtmf) for (const fault of event.faults) verdict.breach('dtmf', `digit ${event.digit}: ${fault}`);
}

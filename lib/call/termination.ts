import { verdictOf, WabError } from '../errors.js';
import { judgeRefusal, type MetaRefusal } from './meta/refusal.js';

/**
 * What an end says of the service, for whoever watches it. `success`: the call took a course that people chose, whether anybody spoke or not; `client`: it
 * was asked for what may not or cannot be; `server`: this service failed, or how it is set up here and at Meta; `upstream`: the far end did, or the
 * way there; `indeterminate`: any of them may have.
 */
export type Result = 'success' | 'client' | 'server' | 'upstream' | 'indeterminate';

interface End {
  /** SIP status the call ended with; 200 for a normal hang-up. */
  readonly status: number;
  readonly result: Result;
  /** For a person. */
  readonly text: string;
}

type UserReason = 'hangup' | 'cancelled';
type PeerReason = 'hangup' | 'cancelled' | 'expired' | 'declined' | 'busy' | 'noAnswer' | 'unreachable' | 'refused' | 'badSdp';
type OurReason =
  | 'hangup' | 'mediaTimeout' | 'peerSilent' | 'peerUnsecured' | 'peerGone' | 'fingerprint' | 'mediaLost' | 'mediaUnavailable' | 'badSdp' | 'drained' | 'overload' | 'noAck' | 'sessionExpired' | 'sipLost'
  | 'ringTimeout' | 'metaUnreachable' | 'nobodyThere' | 'restarted' | 'closed' | 'turnedAway' | 'announced' | 'noChoice' | 'queueFull' | 'waitedTooLong' | 'messageTaken' | 'callBack' | 'stateGone' | 'fault';

interface ByUser extends End { readonly by: 'user'; readonly reason: UserReason }
interface ByPeer extends End { readonly by: 'peer'; readonly reason: PeerReason }
interface ByMeta extends End { readonly by: 'meta'; readonly reason: MetaRefusal }
interface ByPolicy extends End { readonly by: 'policy'; readonly reason: string; readonly rule: string }
interface ByUs extends End {
  readonly by: 'us';
  readonly reason: OurReason;
  /** Warn code that says more to who is refused (RFC 3261 §20.43). */
  readonly warning?: number;
}

/** Why a call ended. Every call ends once with one of these, made by `ended`; CDR, metric, log line and trace show the same value (house rule 3). */
export type Termination = ByUser | ByPeer | ByMeta | ByPolicy | ByUs;

/** A refusal by a rule of policy or a limit. */
export interface Denied { readonly code: string; readonly rule: string; readonly status: number; readonly text: string }

/** What each reason says, where its constructor does not know better. */
export const results: {
  readonly user: Readonly<Record<UserReason, Result>>; readonly peer: Readonly<Record<PeerReason, Result>>;
  readonly meta: Readonly<Record<MetaRefusal, Result>>; readonly us: Readonly<Record<OurReason, Result>>;
} = {
  user: { hangup: 'success', cancelled: 'success' },
  peer: {
    hangup: 'success', cancelled: 'success', expired: 'success', declined: 'success', busy: 'success', noAnswer: 'success', unreachable: 'upstream', refused: 'upstream', badSdp: 'upstream',
  },
  meta: {
    noPermission: 'client', dailyLimit: 'client', declined: 'success', unreachable: 'success', duplicate: 'client', notConfigured: 'server', badCredentials: 'server', payment: 'server',
    uriMismatch: 'server', notAvailable: 'server', overload: 'client', sdpRefused: 'server', mediaTimeout: 'indeterminate', notFound: 'client', unavailable: 'upstream', other: 'indeterminate',
  },
  us: {
    hangup: 'success', mediaTimeout: 'indeterminate', peerSilent: 'upstream', peerUnsecured: 'upstream', peerGone: 'upstream', fingerprint: 'upstream', mediaLost: 'server', mediaUnavailable: 'server', badSdp: 'client', drained: 'server', overload: 'server',
    noAck: 'indeterminate', sessionExpired: 'upstream', sipLost: 'server', ringTimeout: 'success', metaUnreachable: 'upstream', nobodyThere: 'upstream', restarted: 'server', closed: 'success', turnedAway: 'success',
    announced: 'success', noChoice: 'success', queueFull: 'success', waitedTooLong: 'success', messageTaken: 'success', callBack: 'success', stateGone: 'server', fault: 'server',
  },
};

const user = (reason: UserReason, status: number, text: string): ByUser => ({ by: 'user', reason, result: results.user[reason], status, text });
const peer = (reason: PeerReason, status: number, text: string, result = results.peer[reason]): ByPeer => ({ by: 'peer', reason, result, status, text });
const meta = (reason: MetaRefusal, status: number, text: string, result = results.meta[reason]): ByMeta => ({ by: 'meta', reason, result, status, text });
const us = (reason: OurReason, status: number, text: string, result = results.us[reason]): ByUs => ({ by: 'us', reason, result, status, text });
const policy = ({ code, rule, status, text }: Denied): ByPolicy => ({ by: 'policy', reason: code, result: 'client', status, rule, text });

/** The ways in which a call ends (docs/reference/terminations.md). */
export const ended = {
  /** `text`: what the user's side said, null where it said nothing. */
  userHungUp: (text: string | null) => user('hangup', 200, text ?? 'the user hung up'),
  userGaveUp: (text: string | null) => user('cancelled', 487, text ?? 'the user gave up'),
  /** An attempt that is not wanted any more: the user gave up, or another target took the call. */
  unwanted: (text = 'cancelled') => user('cancelled', 487, text),

  peerHungUp: (text: string | null) => peer('hangup', 200, text ?? 'the peer hung up'),
  peerGaveUp: (text: string | null) => peer('cancelled', 487, text ?? 'the peer gave up'),
  peerExpired: () => peer('expired', 487, 'the invitation has expired'),
  noAnswer: (seconds: number) => peer('noAnswer', 480, `no answer within ${seconds} s`),
  unreachable: (text: string) => peer('unreachable', 503, text),
  /** The refusal of a peer that was called. A 408 may be the SIP server's own: nobody has said anything. */
  peerRefused: (reason: 'declined' | 'busy' | 'noAnswer' | 'unreachable' | 'refused', status: number, text: string) =>
    peer(reason, status, text, reason === 'noAnswer' && status === 408 ? 'indeterminate' : results.peer[reason]),
  badRedirect: (text: string) => peer('refused', 480, text),
  /** A calling peer asked for what cannot be taken. */
  callerRefused: (status: number, text: string) => peer('refused', status, text, 'client'),
  /** The peer's answer, or a later description of its, cannot be used. */
  peerBadSdp: (text: string) => peer('badSdp', 488, text),

  /** Meta refused the call, or ended it with a failure. */
  byMeta: (reason: MetaRefusal, status: number, text: string) => meta(reason, status, text),
  /** Meta asked for what cannot be taken. */
  metaRefused: (status: number, text: string) => meta('other', status, text, 'client'),
  metaExpired: () => meta('other', 487, 'the invitation has expired', 'success'),

  byPolicy: policy,
  /** A number carries as many calls as it may, in whatever direction the next one goes. */
  numberFull: (number: string, limit: number) =>
    policy({ code: 'limit.number', rule: `numbers."${number}".maxConcurrentCalls`, status: 503, text: `${number} carries its ${limit} calls already` }),
  /** The same for a peer, whether it calls, is called, picks up or is transferred to. */
  peerFull: (name: string, limit: number) =>
    policy({ code: 'limit.peer', rule: `peers.${name}.maxConcurrentCalls`, status: 503, text: `peer ${name} carries its ${limit} calls already` }),

  mediaTimeout: (seconds: number) => us('mediaTimeout', 408, `no media from Meta for ${seconds} s`),
  peerSilent: (name: string, seconds: number) => us('peerSilent', 408, `no media from peer ${name} for ${seconds} s`),
  peerUnsecured: (name: string, why: string) => us('peerUnsecured', 408, `no media keys with peer ${name}: ${why}`),
  /** 481: it said so; 408: it says nothing at all. */
  peerGone: (status: 481 | 408, text: string) => us('peerGone', status, text),
  fingerprint: (why: string) => us('fingerprint', 488, `whoever is at the far end of the media is not the one of its description: ${why}`),
  mediaLost: (why: string) => us('mediaLost', 503, `the media engine was lost: ${why}`),
  mediaUnavailable: (text = 'no media engine can take the call') => us('mediaUnavailable', 503, text),
  /** What Meta answered to our offer: the caller has no part in it. */
  metaBadSdp: (text: string) => us('badSdp', 488, `Meta's answer cannot be used: ${text}`, 'upstream'),
  /** Somebody wanted it ended, by the API. Before the answer that is a refusal. */
  ordered: (answered: boolean) => us('hangup', answered ? 200 : 603, 'hung up by the API'),
  drained: () => us('drained', 503, 'the service is stopping'),
  overload: (maxCalls: number) => us('overload', 503, `limits.maxCalls (${maxCalls}) is reached`),
  noAck: (whose: 'Meta' | 'the peer', text: string | undefined) => us('noAck', 408, `${whose}'s dialog was given up: ${text ?? 'no answer'}`),
  sessionExpired: () => us('sessionExpired', 408, 'the peer did not refresh the session'),
  sipLost: (address: string) => us('sipLost', 503, `the connection to the SIP server ${address} was lost`),
  ringTimeout: (seconds: number) => us('ringTimeout', 480, `the user did not answer within ${seconds} s`),
  metaUnreachable: (text: string) => us('metaUnreachable', 503, text),
  nobodyThere: (why: string) => us('nobodyThere', 480, why),
  restarted: () => us('restarted', 503, 'the service died while this call was up'),
  /** `hours`: by which nobody is there now. */
  closed: (status: number, hours: string) => us('closed', status, `outside hours ${hours}`),
  /** The configuration says so. */
  turnedAway: (status: number) => us('turnedAway', status, `the configuration refuses the call here with ${status}`),
  announced: () => us('announced', 200, 'the user has heard the announcement to its end'),
  /** `menu`: its name. */
  noChoice: (menu: string) => us('noChoice', 200, `the user has made no choice: ${menu}`),
  queueFull: (queue: string, limit: number) => us('queueFull', 486, `${limit} calls wait in queue ${queue} already`),
  waitedTooLong: (queue: string, seconds: number) => us('waitedTooLong', 480, `nobody of queue ${queue} was free within ${seconds} s`),
  messageTaken: (box: string) => us('messageTaken', 200, `the user has left a message in voicemail ${box}`),
  callBack: (queue: string) => us('callBack', 200, `the user will be called back by queue ${queue}`),
  /** Several nodes keep the limits together, and cannot. */
  stateGone: () => us('stateGone', 503, 'the limits cannot be kept: Redis is gone'),
  noTarget: () => us('fault', 480, 'the route names no target'),
  fault: (text: string) => us('fault', 500, text),
  /** The far end could not be answered. `status`: what it said to that; null: nothing, the failure is ours. */
  notAnswered: (status: number | null, text: string) => us('fault', status ?? 500, text, status === null ? results.us.fault : 'indeterminate'),
  /** An error that ended the call, by its own verdict. */
  byError: (error: unknown): ByUs => {
    const { reason, status } = verdictOf(error);
    return { ...us(reason, status, error instanceof Error ? error.message : String(error)), ...(error instanceof WabError && error.warning !== null ? { warning: error.warning } : {}) };
  },
};

/**
 * The status Meta gets for a termination before the answer. Meta's user interface is only known to react to being
 * answered or refused at once (META-SIP §2.4, §5.3), so a peer's status that means nothing to it becomes 480.
 */
export function statusForMeta(termination: Termination): number {
  // A full peer is as good as one that nobody answers at; a full number is ours to say.
  if (termination.reason === 'limit.peer') return 480;
  if (termination.by !== 'peer') return termination.status;
  // RFC 8197: 607 is a refusal by the person who is called, as 603 is; Meta is known to understand that one.
  if (termination.reason === 'declined') return 603;
  // A PBX may say busy by another status and a Reason.
  if (termination.reason === 'busy') return termination.status === 600 ? 600 : 486;
  return 480;
}

/** The status a calling peer gets for a termination before the answer. */
export function statusForPeer(termination: Termination): number {
  return termination.by === 'meta' ? judgeRefusal(termination.status, termination.text).statusForPeer : termination.status;
}

/** The Reason header value of a BYE or CANCEL that this termination causes (RFC 3326). */
export function reasonOf(termination: Termination): { protocol: 'SIP' | 'Q.850'; cause: number; text: string } {
  // Q.850 cause 16 is normal call clearing; Meta's own sample writes it so (META-SIP §4.2).
  if (termination.reason === 'hangup' || termination.status === 200) return { protocol: 'Q.850', cause: 16, text: 'NORMAL_CLEARING' };
  return { protocol: 'SIP', cause: termination.status, text: termination.text };
}

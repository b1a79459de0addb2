import { judgeRefusal, type MetaRefusal } from './meta/refusal.js';

/**
 * Why a call ended. Every call ends once with one of these; CDR, metric, log line and trace show the same value (house rule 3).
 * `status` is the SIP status the call ended with (200 for a normal hang-up); `text` is for a person.
 */
export type Termination =
  | { readonly by: 'user'; readonly reason: 'hangup' | 'cancelled'; readonly status: number; readonly text: string }
  | {
      readonly by: 'peer';
      readonly reason: 'hangup' | 'cancelled' | 'expired' | 'declined' | 'busy' | 'noAnswer' | 'unreachable' | 'refused' | 'badSdp';
      readonly status: number;
      readonly text: string;
    }
  | { readonly by: 'meta'; readonly reason: MetaRefusal; readonly status: number; readonly text: string }
  | { readonly by: 'policy'; readonly reason: string; readonly status: number; readonly rule: string; readonly text: string }
  | {
      readonly by: 'us';
      readonly reason:
        | 'mediaTimeout' | 'peerSilent' | 'peerGone' | 'mediaLost' | 'mediaUnavailable' | 'badSdp' | 'drained' | 'overload' | 'noAck' | 'sessionExpired' | 'sipLost'
        | 'ringTimeout' | 'metaUnreachable' | 'nobodyThere' | 'restarted' | 'fault';
      readonly status: number;
      readonly text: string;
      /** Warn code that says more to who is refused (RFC 3261 §20.43). */
      readonly warning?: number;
    };

/** A number carries as many calls as it may, in whatever direction the next one goes. */
export function numberFull(number: string, limit: number): Extract<Termination, { by: 'policy' }> {
  return { by: 'policy', reason: 'limit.number', rule: `numbers."${number}".maxConcurrentCalls`, status: 503, text: `${number} carries its ${limit} calls already` };
}

/** The same for a peer, whether it calls, is called, picks up or is transferred to. */
export function peerFull(peer: string, limit: number): Extract<Termination, { by: 'policy' }> {
  return { by: 'policy', reason: 'limit.peer', rule: `peers.${peer}.maxConcurrentCalls`, status: 503, text: `peer ${peer} carries its ${limit} calls already` };
}

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
  if (termination.reason === 'hangup') return { protocol: 'Q.850', cause: 16, text: 'NORMAL_CLEARING' };
  return { protocol: 'SIP', cause: termination.status, text: termination.text };
}

import type { Leak } from '../../policy/index.js';
import type { Denial, PeerMessageFacts } from '../../policy/types.js';
import type { SipDialog, SipMessageView, SipRequest } from '../../sip/drachtio.js';
import { headerFacts, wholeBody } from '../../sip/drachtio.js';
import { tagOf } from '../../sip/headers.js';
import { parseNameAddr } from '../../sip/uri.js';
import type { Call } from '../call.js';
import type { Judging } from '../context.js';
import { ended } from '../termination.js';

interface Seen {
  /** Of a response; null for a request. */
  readonly status: number | null;
  /** User at the peer's side when its dialog began; null where there is none yet. */
  readonly remote?: string | null;
  /** Who shows signs of their own; left out: the peer. */
  readonly teller?: string;
}

/**
 * Looks at one message of a peer for signs that it took the call to the telephone network (META-SIP §10). Each sign is told once for a
 * call; a sure one ends it.
 * @returns true when the call is over
 */
export function watchMessage(context: Judging, call: Call, peer: string, message: SipMessageView, seen: Seen): boolean {
  const [verdict] = signsOf(context, call, peer, message, seen).filter(({ fresh, enforce }) => fresh && enforce);
  if (verdict !== undefined) call.end(ended.byPolicy(verdict.verdict));
  return call.over;
}

/** The same of a recorder, whose message ends no call: the sure sign that it shows, however often; null: there is none. */
export function leakOfRecorder(context: Judging, call: Call, peer: string, message: SipMessageView, status: number | null): Denial | null {
  return signsOf(context, call, peer, message, { status, teller: `recorder ${peer}` }).find(({ enforce }) => enforce)?.verdict ?? null;
}

function signsOf(context: Judging, call: Call, peer: string, message: SipMessageView, { status, remote = null, teller = peer }: Seen): (Leak & { readonly fresh: boolean })[] {
  const parties = [call.facts.user, remote].filter((party) => party !== null);
  const facts: PeerMessageFacts = { peer, status, source: message.source_address || null, parties, headers: headerFacts(message), body: wholeBody(message) };
  return context.rules().judgeLeak(facts).map((leak) => {
    const told = `${teller} ${leak.sign}`;
    const fresh = !call.signs.has(told);
    if (fresh) context.onVerdict(call, facts, leak.verdict, leak.enforce);
    call.signs.add(told);
    return { ...leak, fresh };
  });
}

/** Watches what a peer sends in its dialog; answers nothing, which is up to the leg. */
export function watchDialog(context: Judging, call: Call, peer: string, dialog: SipDialog): void {
  const ends = [dialog.res.get('From'), dialog.res.get('To')].filter((end) => tagOf(end) === dialog.sip.remoteTag);
  const remote = parseNameAddr(ends[0] ?? '')?.uri.user ?? null;
  const watch = (request: SipRequest): void => {
    if (!call.over) watchMessage(context, call, peer, request, { status: null, remote });
  };
  for (const event of ['modify', 'update', 'info', 'refer', 'ack'] as const) dialog.on(event, watch);
}

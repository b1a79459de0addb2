import type { Bridge } from '../../call/bridge.js';
import type { SiprecRecord } from '../../call/recording.js';
import { ourContact, type Destination } from '../../call/peer/locate.js';
import { askForTimer, SessionTimer } from '../../call/peer/sessionTimer.js';
import { tellOf } from '../../call/peer/tellOf.js';
import { sharePeer } from '../../call/sharedPlaces.js';
import type { Place } from '../../call/table.js';
import { leakOfRecorder } from '../../call/watch/leaks.js';
import { domainOf } from '../../config/domains.js';
import type { PeerConfig } from '../../config/types.js';
import { verdictOf } from '../../errors.js';
import type { TargetFacts } from '../../policy/types.js';
import { withUser } from '../../routing/index.js';
import type { RouteTarget } from '../../routing/types.js';
import { configuredCredentials } from '../../sip/digestClient.js';
import type { SipDialog } from '../../sip/drachtio.js';
import { formatReason } from '../../sip/headers.js';
import { hangUp } from '../../sip/inDialog.js';
import { OutboundInvite } from '../../sip/invite.js';
import { escapeUser } from '../../sip/uri.js';
import { withPatience } from '../../util/withTimeout.js';
import type { Cast } from './cast.js';
import { bodyOf, capabilitiesOfClient, RecordingSession } from './session.js';

/** Who is to record a call, and how far that may go. */
export interface Wanted {
  readonly bridge: Bridge;
  readonly cast: Cast;
  /** Name of one of siprec. */
  readonly recorder: string;
  readonly to: Pick<RouteTarget, 'peer' | 'user'>;
  /** Milliseconds. */
  readonly patience: number;
  /** Is told of the INVITE, which may be cancelled then. */
  readonly invited: (invite: OutboundInvite) => void;
  readonly wanted: () => boolean;
}

/** A session, and its entry in the call's record, which is written on; or why there is none. */
export type Opened = { readonly session: RecordingSession; readonly entry: Entry; readonly since: number; readonly place: Place; readonly facts: TargetFacts } | { readonly why: string };

export type Entry = { -readonly [K in keyof SiprecRecord]: SiprecRecord[K] };

/** So many tries, and sessions, of one call stand in its record. */
const mostEntries = 16;

/** Offers one recorder the two streams of a call (RFC 7866 §6.1). Policy is asked first: a recorder is a target like any other. Never rejects. */
export async function openSession(wanted: Wanted): Promise<Opened> {
  const { bridge: { call }, recorder, to } = wanted;
  const entry: Entry = { recorder, to: `${to.user}@${to.peer}`, callId: null, seconds: null, why: 'it had not answered when the call ended' };
  if (call.facts.siprec.length < mostEntries) call.facts.siprec.push(entry);
  let opened: Opened;
  try {
    opened = await open(wanted, entry);
  } catch (error) {
    opened = { why: error instanceof Error ? error.message : String(error) };
  }
  if (!('why' in opened)) entry.why = opened.session.fork.missing;
  else if (wanted.wanted()) entry.why = opened.why;
  return opened;
}

async function open(wanted: Wanted, entry: Entry): Promise<Opened> {
  const { bridge: { call, context, manner }, to } = wanted;
  const peer = context.rules().config.peers[to.peer];
  if (peer === undefined) return { why: `peer ${to.peer} is not configured any more` };
  const facts: TargetFacts = { origin: 'siprec', number: call.facts.number ?? '', route: manner.route, peer: to.peer, by: null, uri: withUser(peer.uri, to.user) };
  const verdict = context.rules().judgeTarget(facts);
  context.onVerdict(call, facts, verdict);
  if (!verdict.allow) return { why: `${verdict.code}: ${verdict.text}` };
  const located = context.locate({ peer: verdict.peer, user: verdict.user, uri: verdict.uri }, peer);
  const [destination] = located.reachable ? located.destinations : [];
  if (!located.reachable || destination === undefined) return { why: located.reachable ? 'it is nowhere' : located.why };
  const own = context.table.takePeer(to.peer, peer.maxConcurrentCalls);
  const place = own === null ? null : await sharePeer(context.shared, own, to.peer, peer.maxConcurrentCalls);
  if (place === null || 'reason' in place) return { why: place === null ? `peer ${to.peer} has ${peer.maxConcurrentCalls} calls (maxConcurrentCalls)` : place.text };
  try {
    const opened = await invite(wanted, entry, { peer, destination, place, facts });
    if ('why' in opened) place.release();
    return opened;
  } catch (error) {
    place.release();
    throw error;
  }
}

interface Allowed { readonly peer: PeerConfig; readonly destination: Destination; readonly place: Place; readonly facts: TargetFacts }

async function invite(wanted: Wanted, entry: Entry, { peer, destination, place, facts }: Allowed): Promise<Opened> {
  const { bridge, cast, to } = wanted;
  const { call, context, media } = bridge;
  const { config } = context.rules();
  const fork = media.fork({ codecs: peer.codecs, srtp: peer.srtp, refuses: (address, port) => context.objectsToPlace(peer.media, address, port) });
  let opened: Opened | null = null;
  try {
    const offer = await fork.offer();
    const since = Date.now();
    const told = cast.metadata(since);
    const { type, body } = bodyOf(offer, told);
    const number = call.facts.number ?? '';
    const credentials = configuredCredentials(peer.auth);
    if (!wanted.wanted()) return { why: 'it is not wanted any more' };
    const sent = new OutboundInvite(context.pickStack(), {
      uri: destination.uri, from: `<sip:${escapeUser(number)}@${domainOf(config, number)}>`, to: destination.to, ...(destination.proxy === null ? {} : { proxy: destination.proxy }),
      // RFC 7866 §6.1.1: who records says so.
      contact: `${ourContact(escapeUser(number), destination.transport)};+sip.src`,
      headers: { ...destination.headers, ...capabilitiesOfClient, ...askForTimer(peer.sessionExpires, credentials !== null), Require: 'siprec' },
      sdp: body, contentType: type, credentials, onProvisional: () => undefined,
    });
    entry.callId = sent.callId;
    call.placed(sent.callId, 'peer');
    wanted.invited(sent);
    const outcome = await withPatience(sent.outcome, wanted.patience, () => null);
    if (outcome === null) {
      sent.cancel(formatReason('SIP', 408, 'No answer'));
      context.heardPeer(to.peer, 'no answer');
      return { why: `no answer within ${Math.round(wanted.patience / 1000)} s` };
    }
    if (outcome.kind === 'failed') return { why: outcome.error.message };
    tellOf(context, to.peer, destination, outcome);
    if (outcome.kind === 'refused') return { why: `refused: ${outcome.status} ${outcome.reason}`.trim() };
    const { dialog, sdp } = outcome;
    const timer = new SessionTimer();
    timer.agreed(dialog.res);
    const fault = leakOfRecorder(context, call, to.peer, dialog.res, dialog.res.status)?.text ?? await taken(() => fork.takeAnswer(sdp));
    if (fault !== null || !wanted.wanted()) {
      end(bridge, dialog, fault);
      return { why: fault ?? 'it is not wanted any more' };
    }
    const session = new RecordingSession({ bridge, peer: to.peer, dialog, fork, timer, patience: wanted.patience, metadata: () => cast.metadata(since) }, told);
    return opened = { session, entry, since, place, facts };
  } finally {
    if (opened === null) fork.close();
  }
}

async function taken(take: () => Promise<void>): Promise<string | null> {
  try {
    await take();
    return null;
  } catch (error) {
    return verdictOf(error).theirs ? `its answer cannot be used: ${(error as Error).message}` : (error as Error).message;
  }
}

/** A dialog that nobody takes in. */
function end(bridge: Bridge, dialog: SipDialog, fault: string | null): void {
  const reason = fault === null ? formatReason('SIP', 200, 'Not wanted any more') : formatReason('SIP', 488, fault);
  bridge.call.track(hangUp(dialog, { Reason: reason }).then(() => undefined, () => undefined));
}

import { SHIPPED_MUSIC, SHIPPED_RINGBACK } from '../media/index.js';
import type { MediaCall, PeerLeg } from '../media/types.js';
import type { SipHeaders, SipRequest, SipResponse } from '../sip/drachtio.js';
import { formatReason } from '../sip/headers.js';
import type { Call } from './call.js';
import type { Sound } from './features/holdAudio.js';
import { Comfort } from './features/holdAudio.js';
import type { Hunting } from './context.js';
import type { Won, WonDialog } from './hunt/plan.js';
import { watchDialog } from './watch/leaks.js';
import type { PeerConnection } from './peer/connection.js';
import { Announcements } from './features/announcements.js';
import { together, type RecordControl, type RecordManner, type SiprecManner } from './recording.js';
import { PeerDialog, type PeerDialogUser } from './peer/dialog.js';
import { ended, type Termination } from './termination.js';
import { deferred } from '../util/deferred.js';
import { Orders } from './features/orders.js';
import { takeAgentTransfer, takeRefer, type Transfer } from './features/transfer.js';
import { AgentDialog, type AgentDialogUser } from '../voice/agents/dialog.js';

/** How this call is treated beyond its first peer. */
export interface Manner {
  /** Name of the route that the call came by; null for a business-initiated one. */
  readonly route: string | null;
  /** Seconds that the target of a transfer may ring. */
  readonly ringTimeout: number;
  /** What the user hears on hold and in a queue, and while a transfer is under way. */
  readonly music: Sound;
  readonly transferSound: Sound;
  /** How further peers see the user: From as name-addr without tag, and headers. */
  readonly from: string;
  readonly headers: SipHeaders;
  /** Null: such calls are not recorded. */
  readonly record: RecordManner | null;
  /** Null: such calls are recorded by no recorder. */
  readonly siprec: SiprecManner | null;
}

/** The word for music in the configuration: null is the one above it, "none" nothing of ours, else a file. */
export function chooseMusic(...choices: readonly (string | null)[]): Sound {
  const chosen = choices.find((choice) => choice !== null) ?? SHIPPED_MUSIC;
  return chosen === 'none' ? null : chosen;
}

/**
 * The peer side of a call: which peer dialog the WhatsApp user talks with, and what they hear while it is none. Peers come and go here
 * by hold, transfer and pick-up; the Meta leg does not notice (house rule 1).
 */
export class Bridge implements PeerDialogUser, AgentDialogUser {
  readonly call: Call;
  readonly context: Hunting;
  readonly media: MediaCall;
  readonly manner: Manner;
  readonly comfort: Comfort;
  readonly announcements: Announcements;
  readonly recording: RecordControl;
  readonly #orders: Orders;
  #current: PeerConnection | null = null;
  #first: PeerConnection | null = null;
  #transfer: Transfer | null = null;
  /** Who wants to know that this one is lost. */
  #heir: { readonly of: PeerConnection; readonly lost: (why: Termination) => void } | null = null;
  /** Legs on which no keys were agreed on in time, and why. */
  readonly #unsecured = new Map<PeerLeg, string>();
  /** Whoever is there hears ringing. */
  #rings = false;

  constructor(call: Call, context: Hunting, media: MediaCall, manner: Manner) {
    this.call = call;
    this.context = context;
    this.media = media;
    this.manner = manner;
    this.comfort = new Comfort(media, call.log);
    this.announcements = new Announcements(this);
    this.recording = together([context.recordings?.of(this, manner.record) ?? null, context.recorders.of(this, manner.siprec)], (on) => media.keepPrivate(on));
    this.#orders = call.control = new Orders(this);
    call.whenAnswered = () => this.recording.up();
    media.on('peerSilent', (leg, seconds) => this.#silent(leg, seconds));
    media.on('peerUnsecured', (leg, why) => {
      this.#unsecured.set(leg, why);
      call.runs(this.#judgeKeys());
    });
    media.on('peerDtmf', (digit) => this.recording.peerDigit(digit, 'event'));
    media.on('dtmf', (digit, durationMs) => {
      // A recording is paused for what only the two who talk are to know, and it may be keyed in.
      if (this.recording.state !== 'paused') call.tell({ type: 'dtmf', digit, durationMs });
      this.#current?.sendDigit(digit, durationMs);
    });
  }

  /** Who the user talks with; null while there is nobody. */
  get current(): PeerConnection | null {
    return this.#current;
  }

  /** Takes in who has taken the call, not heard yet; it ends with the call. */
  adopt(won: Won): PeerConnection {
    const connection = 'link' in won ? new AgentDialog(this.call, this.media, won, this) : this.#adoptDialog(won);
    // What a reload judges again: this target, as long as it is in the call.
    connection.onEnd(() => this.call.standing.delete(won.target));
    return connection;
  }

  #adoptDialog(won: WonDialog): PeerDialog {
    watchDialog(this.context, this.call, won.target.peer, won.dialog);
    const dialog = new PeerDialog(this.call, {
      party: { ...won.target, rule: won.rule }, config: this.context.rules().config.peers[won.target.peer] ?? won.config,
      dialog: won.dialog, leg: won.leg, media: this.media, timer: won.timer, place: won.place,
    }, this);
    if (won.offeredIn !== null) dialog.negotiation.offered(won.offeredIn);
    const { local, remote } = dialog.tags;
    dialog.onEnd(this.context.dialogs.add({
      callId: dialog.callId, localTag: local, remoteTag: remote, early: false, peer: won.target.peer, call: this.call,
      ask: () => dialog.ask(), giveTo: (newcomer) => this.#replace(dialog, newcomer),
    }));
    return dialog;
  }

  /** From now on the user talks with this one. */
  connect(dialog: PeerConnection): void {
    const { call } = this;
    if (call.over) return;
    const { peer, user, rule } = dialog.party;
    if (this.#first === null) call.tell({ type: 'answered', leg: 'peer', peer, peerUser: user === '' ? null : user });
    this.#first ??= dialog;
    // A business-initiated call has a target once it has been transferred: before, its record names the WhatsApp user and the peer.
    const caller = call.direction === 'business-initiated' && dialog === this.#first && call.facts.target === null;
    Object.assign(call.facts, { peer, target: caller ? null : user, rule, peerCallId: dialog.callId });
    call.news();
    this.#current = dialog;
    this.media.connect(dialog.leg);
    this.#orders.resumed();
    this.#hold(dialog);
    dialog.begin();
    this.recording.up();
  }

  /** Who has no keys ends the call once nobody else is to take it. After a transfer they may have come, late. */
  async #judgeKeys(): Promise<void> {
    const [current, why] = [this.#current, this.#current === null ? undefined : this.#unsecured.get(this.#current.leg)];
    if (current === null || why === undefined || this.#transfer !== null || (await this.media.stats()).peer.packetsIn > 0) return;
    if (this.#current === current && !this.transferring) this.call.end(ended.peerUnsecured(current.party.peer, why));
  }

  /** Of who rings with early media, or has been transferred away, a silence says nothing. */
  #silent(leg: PeerLeg, seconds: number): void {
    const { call } = this;
    const party = this.#current?.leg === leg && this.#transfer === null ? this.#current.party : null;
    if (party === null) return;
    call.log.warn({ peer: party.peer, user: party.user, seconds }, `peer ${party.peer} has sent no media for ${seconds} s (peers.${party.peer}.mediaTimeout): the call is ended`);
    call.end(ended.peerSilent(party.peer, seconds));
  }

  /** The user rings, or does not any more: whoever is there hears that, who has picked the call up meanwhile too. */
  ring(rings: boolean): void {
    this.#rings = rings;
    if (this.#current !== null) this.#ringTo(this.#current);
  }

  #ringTo({ leg }: PeerConnection): void {
    leg.play(this.#rings ? { file: SHIPPED_RINGBACK, loop: true } : null).catch((error: Error) => this.call.log.warn({ err: error.message }, 'the ringing tone towards the peer could not be begun, or stopped'));
  }

  gone(from: PeerConnection, why: Termination): void {
    // A transferor may leave before the target has answered (RFC 5589 §6.1): the transfer goes on without them.
    // Who was rung first, by an order, and leaves while the user rings, has given up.
    if (from !== this.#current || this.#transfer !== null) return;
    if (this.#heir?.of === from && why.reason === 'peerGone' && !this.call.over) {
      this.#current = null;
      this.#orders.resumed();
      return this.#heir.lost(why);
    }
    this.call.end(this.#userRings && why.reason === 'hangup' ? ended.peerGaveUp(null) : why);
  }

  /**
   * Resolves when this one is gone without having hung up, while the user talked with it: the user is there, and whoever asked takes them on, or ends the
   * call. Null: it has ended otherwise.
   */
  lossOf(connection: PeerConnection): Promise<Termination | null> {
    const { promise, resolve } = deferred<Termination | null>();
    const heir = this.#heir = { of: connection, lost: resolve };
    connection.onEnd(() => queueMicrotask(() => {
      if (this.#heir === heir) this.#heir = null;
      resolve(null);
    }));
    return promise;
  }

  pressed(from: PeerConnection, digit: string): void {
    if (from === this.#current) this.recording.peerDigit(digit, 'info');
  }

  described(from: PeerConnection): void {
    if (from !== this.#current) return;
    this.#hold(from);
    // One who has not been described before has no stream that could ring.
    if (this.#rings) this.#ringTo(from);
  }

  refer(from: PeerDialog, request: SipRequest, response: SipResponse): void {
    // RFC 3261 §21.4.27: one transfer at a time; §21.6.2: who is not in the call any more has nothing to transfer.
    if (this.#transfer !== null) return response.send(491);
    if (from !== this.#current || this.call.over || this.#userRings) return response.send(603);
    const transfer = takeRefer(this, from, request, response);
    if (transfer !== null) this.send(transfer);
  }

  /** A voice agent gives the user to somebody else. */
  sendOn(from: AgentDialog, peer: string, user: string): void {
    if (this.#transfer !== null) return from.refuse(491, 'call.transferring', 'a transfer is under way');
    if (from !== this.#current || this.call.over || this.#userRings) return from.refuse(603, 'call.notUp', 'there is nobody to transfer');
    const transfer = takeAgentTransfer(this, from, peer, user);
    if (transfer !== null) this.send(transfer);
  }

  /** Begins a transfer; only where none is under way. */
  send(transfer: Transfer): void {
    this.#transfer = transfer;
    this.call.runs(transfer.run().finally(() => {
      if (this.#transfer !== transfer) return;
      this.#transfer = null;
      return this.#judgeKeys();
    }));
  }

  /** The peer is there, and the user it is to talk with is not yet. */
  get #userRings(): boolean {
    return this.call.direction === 'business-initiated' && this.call.answeredAt === null;
  }

  get transferring(): boolean {
    return this.#transfer !== null;
  }

  /** Who does not listen has the user wait: with what they send themselves, where they began so, else with our music. */
  #hold(dialog: PeerConnection): void {
    const waits = this.comfort.waiting.includes('hold');
    if (dialog.listens) this.comfort.end('hold');
    else this.comfort.begin('hold', this.manner.music, dialog.announces);
    if (waits === dialog.listens) this.call.tell({ type: waits ? 'resumed' : 'held', by: 'peer' });
  }

  /** RFC 3891 §3: the newcomer takes the place of a dialog, which ends with BYE. */
  #replace(old: PeerDialog, newcomer: Won): boolean {
    if (old.over || this.call.over) return false;
    const reason = formatReason('SIP', 200, 'Call completed elsewhere');
    this.#transfer?.abandon(reason);
    // Its target may take long to say that it was cancelled: who talks now may transfer, and ends the call.
    this.#transfer = null;
    this.connect(this.adopt(newcomer));
    this.comfort.end('transfer');
    this.call.track(old.hangUp(reason));
    return true;
  }
}

import type { Call } from '../../call/call.js';
import type { WonSocket } from '../../call/hunt/plan.js';
import type { Party, PeerConnection, PeerConnectionUser } from '../../call/peer/connection.js';
import { ended, reasonOf, type Termination } from '../../call/termination.js';
import type { MediaCall, PeerLeg } from '../../media/types.js';
import { formatReason, parseReason } from '../../sip/headers.js';
import type { AgentLink } from './thread.js';

/** Milliseconds of a digit of an agent's. */
const DIGIT_MS = 160;

/** Who is told what a voice agent wants. */
export interface AgentDialogUser extends PeerConnectionUser {
  /** It gives the user to somebody else. */
  sendOn(from: AgentDialog, peer: string, user: string): void;
}

/** A conversation with a voice agent, and its media leg. Ends once: by the agent, by hangUp(), or with the call. */
export class AgentDialog implements PeerConnection {
  readonly party: Party;
  readonly leg: PeerLeg;
  readonly listens = true;
  readonly announces = false;
  readonly #call: Call;
  readonly #link: AgentLink;
  readonly #won: WonSocket;
  readonly #user: AgentDialogUser;
  #over = false;
  readonly #onEnd: (() => void)[] = [];

  constructor(call: Call, media: MediaCall, won: WonSocket, user: AgentDialogUser) {
    const { link, target, rule, leg } = won;
    this.#call = call;
    this.#link = link;
    this.#won = won;
    this.#user = user;
    this.party = { ...target, rule };
    this.leg = leg;
    link.on('digit', (digit) => { if (!this.#over) media.sendDtmf(digit, DIGIT_MS); });
    link.on('transfer', (peer, name) => { if (!this.#over) user.sendOn(this, peer, name); });
    link.on('hungUp', () => this.#fated());
    link.on('gone', () => this.#fated());
    link.on('lost', (text) => call.log.warn({ peer: target.peer, text }, `the socket of peer ${target.peer} was lost: it is opened again`));
    link.on('again', () => call.log.warn({ peer: target.peer }, `the socket of peer ${target.peer} is open again`));
    this.onEnd(call.own((termination) => {
      const { protocol, cause, text } = reasonOf(termination);
      return this.hangUp(formatReason(protocol, cause, text));
    }));
    // It may have ended before anybody looked.
    if (link.fate !== null) queueMicrotask(() => this.#fated());
  }

  get over(): boolean {
    return this.#over;
  }

  get callId(): string {
    return this.#link.stream;
  }

  /** The agent is told of the call; of one that was ordered, once there is somebody to talk with. */
  begin(): void {
    if (this.#call.direction === 'user-initiated' || this.#call.answeredAt !== null) this.#link.begin();
  }

  onEnd(action: () => void): void {
    if (this.#over) action();
    else this.#onEnd.push(action);
  }

  sendDigit(digit: string, duration: number): void {
    this.#link.digit(digit, duration);
  }

  putDigit(digit: string, duration: number): boolean {
    this.sendDigit(digit, duration);
    return true;
  }

  /** How far a transfer of its is. */
  transferring(status: number, text: string): void {
    this.#link.transferring({ status, text, code: null });
  }

  /** A transfer that it wants does not begin. `code`: a rule of policy, or what the API says of such an order. */
  refuse(status: number, code: string, text: string): void {
    this.#link.transferring({ status, text, code });
  }

  async hangUp(reason: string): Promise<void> {
    if (this.#over) return;
    this.#end();
    this.#link.close(parseReason(reason)?.text ?? 'ended');
    await this.leg.close();
  }

  #fated(): void {
    const { fate } = this.#link;
    if (this.#over || fate === null) return;
    const { peer } = this.party;
    if (fate.by === 'agent') return this.#gone(ended.peerHungUp(fate.text));
    this.#call.log.warn({ peer, why: fate.text }, `the voice agent of peer ${peer} is gone`);
    this.#gone(ended.peerGone(408, `peer ${peer}: ${fate.text ?? 'the socket was lost'}`));
  }

  #gone(why: Termination): void {
    this.#end();
    this.#user.gone(this, why);
    this.#call.track(this.leg.close().catch(() => undefined));
  }

  #end(): void {
    this.#over = true;
    this.#won.place.release();
    for (const action of this.#onEnd.splice(0)) action();
  }
}

// A WhatsApp user who calls the business, with Meta in between.
import type { SipMessage } from '../../sipserver/parser/index.js';
import type { Flow } from '../../sipserver/transport/index.js';
import { answerDigest, algorithmOf, parseDigest } from '../sip/digest.js';
import type { DigestAlgorithm } from '../sip/digest.js';
import { cseqOf } from '../sip/transactions.js';
import type { ClientTransaction } from '../sip/transactions.js';
import { MetaDialog } from './dialog.js';
import { judgeContact, judgeResponse, ownRoutes } from './judge.js';
import { ackMessage, callIdOf, cancelMessage, contactUri, inviteMessage, newFromTag, newWacid, requestUri } from './layout.js';
import type { CallExtras } from './layout.js';
import { follow } from './ledger.js';
import type { CallLedger } from './ledger.js';
import type { MediaOptions } from './media.js';
import type { UserReport } from './report.js';
import type { MetaSide } from './side.js';

export interface UserOptions extends CallExtras, MediaOptions {
  /** Business number with '+', and the password Meta keeps for it. */
  number: string;
  password: string;
  /** `+44…` or a BSUID. Default +447700900101. */
  from?: string | undefined;
  displayName?: string | undefined;
  /** RFC 4904 user parameters, without the leading semicolon. */
  userParams?: string | undefined;
  /** Which challenge is answered when there are several: the first, as RFC 8760 §2.4 says, or a named algorithm. */
  digest?: 'first' | DigestAlgorithm | undefined;
  /** Is told of the call: that of the Graph API's stand-in. */
  ledger?: CallLedger | undefined;
  /** `never` leaves every 200 without ACK. */
  ack?: 'normal' | 'never' | undefined;
}

/**
 * One user-initiated call. `place()` sends the INVITE and resolves with the final status; then `hangUp()`, `press()`, or wait for `ended`.
 * `cancel()` gives up before the answer. `report()` may be read at any time and is complete once `ended` was emitted.
 */
export class SimulatedUser extends MetaDialog {
  private readonly started = performance.now();
  private readonly setup: UserReport['setup'] = { challengedMs: undefined, provisionalMs: undefined, ringingMs: undefined, answeredMs: undefined };
  private invite: SipMessage | undefined;
  private transaction: ClientTransaction | undefined;
  private flow: Flow | undefined;
  private challenges = 0;
  private cancelling = false;
  /** The INVITE that was cancelled: each is once. */
  private cancelled: SipMessage | undefined;
  private provisional = false;
  private placed: ((status: number) => void) | undefined;
  private answerText: string | undefined;
  private earlyAnswer: string | undefined;
  private retryAfter: string | undefined;

  constructor(side: MetaSide, private readonly options: UserOptions) {
    const from = options.from ?? '+447700900101';
    const wacid = newWacid(from);
    super(side, {
      number: options.number, from, displayName: options.displayName ?? from.replace(/^\+/, ''), domain: side.serverName,
      userParams: options.userParams ?? '', wacid, callId: callIdOf(wacid), fromTag: newFromTag(),
    }, options, options);
  }

  /** Places the call. Resolves with the final status (0 when none came); rejects when the business's server cannot be reached or verified. */
  async place(): Promise<number> {
    const sdp = await this.media.offer();
    try {
      this.flow = await this.side.connection();
    } catch (error) {
      this.media.close();
      throw error;
    }
    this.side.join(this.callId, this);
    const { ledger, number } = this.options;
    if (ledger !== undefined) {
      const known = { id: this.wacid, number, user: this.identity.from, direction: 'USER_INITIATED' } as const;
      follow(ledger, known, this).catch((error: unknown) => { this.side.strays.push(`ledger: ${(error as Error).message}`); });
    }
    return await new Promise<number>((resolve) => {
      this.placed = resolve;
      this.sendInvite(sdp);
    });
  }

  /** Gives up before the answer. The CANCEL goes out as soon as a provisional answer allows it (RFC 3261 §9.1). */
  cancel(): void {
    if (this.cancelling || this.status !== 0) return;
    this.cancelling = true;
    if (this.provisional) this.sendCancel();
  }

  report(): UserReport {
    return { ...this.common(), retryAfter: this.retryAfter, setup: { ...this.setup } };
  }

  override close(): void {
    super.close();
    this.transaction?.abandon();
  }

  override ack(message: SipMessage): void {
    this.verdict.breach('request-to-meta', `unexpected ${message.startLine()}`);
  }

  protected override contact(): string {
    return contactUri(this.identity.from);
  }

  protected override flowForBye(): Promise<Flow> {
    return this.side.connection();
  }

  private since(): number {
    return Math.round((performance.now() - this.started) * 10) / 10;
  }

  private sendInvite(sdp: string, authorization?: [string, string]): void {
    const { flow } = this;
    if (flow === undefined) return;
    this.seq++;
    this.provisional = false;
    const invite = inviteMessage(this.identity, this.options, this.seq, sdp, authorization);
    this.invite = invite;
    this.messages.push(`> ${invite.startLine()}`);
    this.transaction = this.side.agent.send(invite, flow, {
      response: (response) => { this.answerTo(invite, response, sdp); },
      failed: (reason) => { this.conclude(0, reason); },
    });
  }

  private answerTo(invite: SipMessage, response: SipMessage, sdp: string): void {
    this.messages.push(`< ${response.startLine()}`);
    const routable = judgeResponse(invite, response, this.verdict);
    if (response.status < 200) this.progress(response);
    else if (response.status < 300) this.accept(response, routable);
    else if (response.status === 401 || response.status === 407) this.authenticate(response, sdp);
    else {
      this.retryAfter = response.get('retry-after');
      this.conclude(response.status, response.reason);
    }
  }

  private progress(response: SipMessage): void {
    this.provisional = true;
    this.setup.provisionalMs ??= this.since();
    if (response.status > 100) {
      this.setup.ringingMs ??= this.since();
      // META-SIP §1.2: no PRACK, so nothing may ask for it.
      if (response.list('require').includes('100rel')) this.verdict.breach('response', `${response.status} requires 100rel`);
      if (response.body !== '') this.earlyAnswer ??= response.body;
      this.emit('ringing', response.status);
    }
    if (this.cancelling) this.sendCancel();
  }

  private sendCancel(): void {
    const { invite, flow } = this;
    if (invite === undefined || flow === undefined || this.cancelled === invite || this.transaction?.done === true) return;
    this.cancelled = invite;
    const cancel = cancelMessage(invite);
    this.messages.push(`> ${cancel.startLine()}`);
    this.side.agent.send(cancel, flow, {
      response: (response) => {
        this.messages.push(`< ${response.startLine()} (CANCEL)`);
        judgeResponse(cancel, response, this.verdict);
      },
      failed: (reason) => { this.verdict.breach('response', `CANCEL: ${reason}`); },
    });
  }

  private authenticate(response: SipMessage, sdp: string): void {
    this.setup.challengedMs ??= this.since();
    this.emit('challenged', response.status);
    const header = response.status === 401 ? 'www-authenticate' : 'proxy-authenticate';
    const all = response.lines(header).map(parseDigest).filter((c) => c !== undefined);
    const wanted = this.options.digest ?? 'first';
    const challenge = all.find((c) => algorithmOf(c) !== undefined && (wanted === 'first' || algorithmOf(c) === wanted));
    this.challenges++;
    const again = this.challenges === 1 || (this.challenges === 2 && challenge?.['stale']?.toLowerCase() === 'true');
    // META-SIP §5.2: username without '+', uri without ;transport=tls.
    const uri = requestUri(this.identity).replace(/;transport=tls$/, '');
    const value = challenge && answerDigest(challenge, { username: this.options.number.replace(/^\+/, ''), password: this.options.password }, 'INVITE', uri);
    if (!again || value === undefined || this.cancelling) {
      this.conclude(this.cancelling ? 487 : response.status, response.reason);
      return;
    }
    this.sendInvite(sdp, [response.status === 401 ? 'Authorization' : 'Proxy-Authorization', value]);
  }

  private accept(response: SipMessage, routable: boolean): void {
    if (this.answeredAt !== undefined) {
      if (this.answerText !== response.body) this.verdict.breach('sdp', 'a repeated 200 carries another answer');
      this.sendAck();
      return;
    }
    this.answeredAt = performance.now();
    this.setup.answeredMs = this.since();
    this.answerText = response.body;
    // RFC 6337 §3.1.1: an answer that was given early is the same in the 200.
    if (this.earlyAnswer !== undefined && this.earlyAnswer !== response.body) this.verdict.breach('sdp', 'the 200 carries another answer than the 18x');
    const uri = judgeContact(response, this.identity.domain, this.verdict);
    if (!/^application\/sdp\b/i.test(response.get('content-type') ?? '')) this.verdict.breach('sdp', 'no SDP in the 200');
    // META-SIP §1.5: with Record-Routes altered no ACK of Meta's ever arrives.
    if (uri !== undefined && routable) this.target = { uri, to: response.get('to') ?? '', routes: ownRoutes(response) };
    this.media.accept(response.body, this.answeredAt);
    this.sendAck();
    this.conclude(response.status, response.reason);
    if (this.cancelling) void this.hangUp();
  }

  private sendAck(): void {
    if (this.target === undefined || this.invite === undefined || this.options.ack === 'never') return;
    const ack = ackMessage(this.identity, this.target, cseqOf(this.invite).seq);
    this.messages.push(`> ${ack.startLine()}`);
    this.flow?.send(ack.toString());
  }

  private conclude(status: number, reason: string): void {
    if (this.status !== 0 || this.placed === undefined) return;
    this.status = status;
    this.reason = reason;
    if (status === 200) this.emit('answered');
    else {
      this.finish(this.cancelling ? 'user' : 'business');
      this.side.leave(this.callId, this);
      this.emit('refused', status);
    }
    this.placed(status);
    this.placed = undefined;
  }
}

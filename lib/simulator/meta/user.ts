// A WhatsApp user who calls the business, with Meta in between.
import { EventEmitter } from 'node:events';
import type { SipMessage } from '../../sipserver/parser/index.js';
import { tagOf } from '../../sipserver/parser/index.js';
import type { Flow } from '../../sipserver/transport/index.js';
import type { SourceKind } from '../media/endpoint.js';
import type { CodecName } from '../media/codec.js';
import { answerDigest, algorithmOf, parseDigest } from '../sip/digest.js';
import type { DigestAlgorithm } from '../sip/digest.js';
import { newTag } from '../sip/agent.js';
import { cseqOf } from '../sip/transactions.js';
import type { ClientTransaction, ServerTransaction } from '../sip/transactions.js';
import { Verdict } from '../verdict.js';
import type { Violation } from '../verdict.js';
import { judgeContact, judgeResponse, judgeRoute, ownRoutes } from './judge.js';
import {
  ackMessage, ALLOW, byeMessage, callIdOf, cancelMessage, contactUri, inviteMessage, META_HOST, newFromTag, newWacid, RECORD_ROUTES, requestUri,
} from './layout.js';
import type { CallExtras, CallIdentity, DialogTarget } from './layout.js';
import type { Keying } from './sdp.js';
import type { MetaCall, MetaSide } from './side.js';
import { UserMedia } from './userMedia.js';
import type { EndedBy, UserReport } from './userReport.js';

export interface UserOptions extends CallExtras {
  /** Business number with '+', and the password Meta keeps for it. */
  number: string;
  password: string;
  /** `+44…` or a BSUID. Default +447700900101. */
  from?: string | undefined;
  displayName?: string | undefined;
  /** RFC 4904 user parameters, without the leading semicolon. */
  userParams?: string | undefined;
  keying?: Keying | undefined;
  /** Codecs offered, in order. Default opus alone. */
  codecs?: CodecName[] | undefined;
  /** `full`: real audio. `light`: the same pre-encoded, judged by samples. `none`: signalling only, no socket. */
  media?: 'full' | 'light' | 'none' | undefined;
  source?: SourceKind | undefined;
  /** Own tone, and the one it changes to every two seconds; equal ones never change. Hz. */
  tones?: [number, number] | undefined;
  /** Tones that count as heard: own ones (an echo) by default; [] for any tone at all. */
  expect?: number[] | undefined;
  /** Which challenge is answered when there are several: the first, as RFC 8760 §2.4 says, or a named algorithm. */
  digest?: 'first' | DigestAlgorithm | undefined;
  /** WhatsApp's patience, ms (META-SIP §1.8). */
  silence?: { startMs?: number; laterMs?: number } | undefined;
  /** How long before the 200 a packet may be seen without blame: they go different ways. Default 20 ms. */
  earlyMediaMs?: number | undefined;
  /** `never` leaves every 200 without ACK. */
  ack?: 'normal' | 'never' | undefined;
}

interface UserEvents {
  challenged: [status: number];
  ringing: [status: number];
  answered: [];
  refused: [status: number];
  ended: [by: EndedBy];
  digit: [digit: string];
  violation: [violation: Violation];
}

const NO_MEDIA_REASON = 'SIP;cause=500;text="WhatsApp client terminated the call due to not receiving any media for a long time."';

/**
 * One user-initiated call. `place()` sends the INVITE and resolves with the final status; then `hangUp()`, `press()`, or wait for `ended`.
 * `cancel()` gives up before the answer. `report()` may be read at any time and is complete once `ended` was emitted.
 */
export class SimulatedUser extends EventEmitter<UserEvents> implements MetaCall {
  readonly wacid = newWacid();
  readonly callId = callIdOf(this.wacid);
  readonly verdict = new Verdict((violation) => { this.emit('violation', violation); });
  private readonly identity: CallIdentity;
  private readonly media: UserMedia;
  private readonly messages: string[] = [];
  private readonly started = performance.now();
  private readonly setup: UserReport['setup'] = { challengedMs: undefined, provisionalMs: undefined, ringingMs: undefined, answeredMs: undefined };
  private seq = 1 + Math.floor(Math.random() * 20000);
  private theirSeq = -1;
  private invite: SipMessage | undefined;
  private transaction: ClientTransaction | undefined;
  private flow: Flow | undefined;
  private target: DialogTarget | undefined;
  private challenges = 0;
  private cancelling = false;
  private provisional = false;
  private placed: ((status: number) => void) | undefined;
  private status = 0;
  private reason = '';
  private answerText: string | undefined;
  private answeredAt: number | undefined;
  private endedAt: number | undefined;
  private endedBy: EndedBy = 'nobody';
  private byeReason: string | undefined;
  private byeStatus: number | undefined;

  constructor(private readonly side: MetaSide, private readonly options: UserOptions) {
    super();
    const from = options.from ?? '+447700900101';
    this.identity = {
      number: options.number, from, displayName: options.displayName ?? from.replace(/^\+/, ''), domain: side.serverName,
      userParams: options.userParams ?? '', wacid: this.wacid, fromTag: newFromTag(),
    };
    this.media = new UserMedia(side, options, this.verdict, {
      silent: (what) => { void this.giveUp(what); },
      digit: (digit) => { this.emit('digit', digit); },
    });
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

  /** Hangs up with BYE, as Meta does; resolves when it was answered. `fresh` sends it over a new connection. */
  async hangUp(options: { fresh?: boolean; reason?: string } = {}): Promise<void> {
    if (this.endedAt !== undefined || this.target === undefined || this.answeredAt === undefined) return;
    this.finish('user');
    await this.sendBye(options);
  }

  /** Sends digits as telephone-events (RFC 4733), each `durationMs` long; resolves when the last has gone out. */
  press(digits: string, durationMs?: number): Promise<void> {
    return this.media.press(digits, durationMs);
  }

  /** Changes what the user says: a tone, silence (packets of it), or nothing at all. */
  say(source: SourceKind): void {
    this.media.say(source);
  }

  report(): UserReport {
    const now = this.endedAt ?? performance.now();
    const { answer, audio } = this.media.report(this.answeredAt);
    const expected = this.options.media !== 'none';
    return {
      ok: this.status === 200 && this.verdict.violations.length === 0 && (!expected || audio?.toneHeard === true),
      status: this.status, reason: this.reason, callId: this.callId, wacid: this.wacid, keying: this.options.keying ?? 'sdes',
      endedBy: this.endedBy, byeReason: this.byeReason, byeStatus: this.byeStatus, setup: { ...this.setup },
      durationMs: this.answeredAt === undefined ? 0 : Math.round(now - this.answeredAt), answer, audio,
      pacerLateMs: Math.round(this.side.pacer.maxLateMs), violations: [...this.verdict.violations], messages: [...this.messages],
    };
  }

  /** Lets go of everything without a word on the wire. */
  close(): void {
    this.finish(this.endedBy);
    this.transaction?.abandon();
    this.side.leave(this.callId, this);
  }

  request(transaction: ServerTransaction): void {
    const { request } = transaction;
    this.messages.push(`< ${request.startLine()}`);
    const reply = (status: number, reason?: string): void => {
      const response = transaction.reply(status, reason, newTag()).add('Allow', ALLOW).add('X-FB-External-Domain', META_HOST);
      this.messages.push(`> ${response.startLine()}`);
      transaction.respond(response);
    };
    if (request.method !== 'BYE') {
      // META-SIP §1.2, §4.3: a re-INVITE gets 500; nothing but BYE is for Meta inside a dialog.
      this.verdict.breach('request-to-meta', `${request.method} inside the dialog`);
      reply(request.method === 'INVITE' ? 500 : 405);
      return;
    }
    const ours = tagOf(request.get('to') ?? '') === this.identity.fromTag;
    const routed = judgeRoute(request, contactUri(this.identity.from), RECORD_ROUTES, this.verdict);
    if (!routed || !ours || this.target === undefined) {
      if (!ours) this.verdict.breach('response', 'BYE for another dialog');
      reply(404);
      return;
    }
    const { seq } = cseqOf(request);
    // RFC 3261 §12.2.2: the number grows with every request.
    if (seq <= this.theirSeq) this.verdict.breach('response', `CSeq ${seq} after ${this.theirSeq}`);
    this.theirSeq = seq;
    reply(200);
    this.byeReason = request.get('reason');
    this.finish('business');
    this.leave();
  }

  ack(message: SipMessage): void {
    this.verdict.breach('request-to-meta', `unexpected ${message.startLine()}`);
  }

  malformed(reason: string): void {
    this.verdict.breach('malformed', reason);
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
    else this.conclude(response.status, response.reason);
  }

  private progress(response: SipMessage): void {
    this.provisional = true;
    this.setup.provisionalMs ??= this.since();
    if (response.status > 100) {
      this.setup.ringingMs ??= this.since();
      this.emit('ringing', response.status);
    }
    if (this.cancelling) this.sendCancel();
  }

  private sendCancel(): void {
    const { invite, flow } = this;
    if (invite === undefined || flow === undefined || this.transaction?.done === true) return;
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
      this.leave();
      this.emit('refused', status);
    }
    this.placed(status);
    this.placed = undefined;
  }

  private async giveUp(what: string): Promise<void> {
    if (this.endedAt !== undefined) return;
    this.verdict.breach('silence', what);
    this.finish('meta');
    await this.sendBye({ reason: NO_MEDIA_REASON });
  }

  private async sendBye(options: { fresh?: boolean; reason?: string }): Promise<void> {
    const { target } = this;
    if (target === undefined || this.answeredAt === undefined) return;
    if (options.fresh === true) await this.side.cut();
    let flow: Flow;
    try {
      flow = await this.side.connection();
    } catch (error) {
      this.verdict.breach('response', `BYE could not be sent: ${(error as Error).message}`);
      this.leave();
      return;
    }
    const seconds = Math.round(((this.endedAt ?? performance.now()) - this.answeredAt) / 1000);
    const bye = byeMessage(this.identity, this.options, target, ++this.seq, seconds, options.reason);
    this.messages.push(`> ${bye.startLine()}`);
    await new Promise<void>((resolve) => {
      this.side.agent.send(bye, flow, {
        response: (response) => {
          this.messages.push(`< ${response.startLine()} (BYE)`);
          judgeResponse(bye, response, this.verdict);
          if (response.status < 200) return;
          this.byeStatus = response.status;
          if (response.status !== 200) this.verdict.breach('response', `BYE was answered ${response.status}`);
          resolve();
        },
        failed: (reason) => {
          this.verdict.breach('response', `BYE: ${reason}`);
          resolve();
        },
      });
    });
    this.leave();
  }

  private finish(by: EndedBy): void {
    if (this.endedAt !== undefined) return;
    this.endedAt = performance.now();
    this.endedBy = by;
    this.media.close();
    this.emit('ended', by);
  }

  private leave(): void {
    // A repeated or crossing BYE is still known for a moment as this call's.
    this.side.leave(this.callId, this);
  }
}

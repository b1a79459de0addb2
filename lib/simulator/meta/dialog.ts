// What both directions of a call at Meta share once there is a dialog: BYE both ways, media, the end, the report.
import { EventEmitter } from 'node:events';
import type { SipMessage } from '../../sipserver/parser/index.js';
import { tagOf } from '../../sipserver/parser/index.js';
import type { Flow } from '../../sipserver/transport/index.js';
import type { SourceKind } from '../media/endpoint.js';
import { newTag } from '../sip/agent.js';
import { cseqOf } from '../sip/transactions.js';
import type { ServerTransaction } from '../sip/transactions.js';
import { Verdict } from '../verdict.js';
import type { Violation } from '../verdict.js';
import { judgeResponse, judgeRoute } from './judge.js';
import { ALLOW, byeMessage, META_HOST, RECORD_ROUTES } from './layout.js';
import type { CallExtras, CallIdentity, DialogTarget } from './layout.js';
import { MetaMedia } from './media.js';
import type { MediaOptions } from './media.js';
import type { EndedBy, MetaCallReport } from './report.js';
import type { MetaCall, MetaSide } from './side.js';

export interface MetaCallEvents {
  challenged: [status: number];
  ringing: [status: number];
  answered: [];
  refused: [status: number];
  ended: [by: EndedBy];
  digit: [digit: string];
  violation: [violation: Violation];
}

const NO_MEDIA_REASON = 'SIP;cause=500;text="WhatsApp client terminated the call due to not receiving any media for a long time."';

export abstract class MetaDialog extends EventEmitter<MetaCallEvents> implements MetaCall {
  readonly verdict = new Verdict((violation) => { this.emit('violation', violation); });
  protected readonly media: MetaMedia;
  protected readonly messages: string[] = [];
  protected target: DialogTarget | undefined;
  protected seq = 1 + Math.floor(Math.random() * 20000);
  protected theirSeq = -1;
  protected status = 0;
  protected reason = '';
  protected answeredAt: number | undefined;
  protected endedAt: number | undefined;
  protected endedBy: EndedBy = 'nobody';
  private byeReason: string | undefined;
  private byeStatus: number | undefined;

  protected constructor(protected readonly side: MetaSide, protected readonly identity: CallIdentity, private readonly extras: CallExtras, private readonly mediaOptions: MediaOptions) {
    super();
    this.media = new MetaMedia(side, mediaOptions, this.verdict, {
      silent: (what) => { void this.giveUp(what); },
      digit: (digit) => { this.emit('digit', digit); },
    });
  }

  /** Meta's Contact in this dialog, whole. */
  protected abstract contact(): string;
  /** Where a BYE goes. */
  protected abstract flowForBye(): Promise<Flow>;

  get callId(): string {
    return this.identity.callId;
  }

  get wacid(): string {
    return this.identity.wacid;
  }

  get ended(): boolean {
    return this.endedAt !== undefined;
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

  /** Lets go of everything without a word on the wire. */
  close(): void {
    this.finish(this.endedBy);
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
    const routed = judgeRoute(request, this.contact(), RECORD_ROUTES, this.verdict);
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
    this.side.leave(this.callId, this);
  }

  abstract ack(message: SipMessage): void;

  malformed(reason: string): void {
    this.verdict.breach('malformed', reason);
  }

  protected common(): MetaCallReport {
    const now = this.endedAt ?? performance.now();
    const { answer, audio } = this.media.report(this.answeredAt);
    const expected = this.mediaOptions.media !== 'none';
    return {
      ok: this.status === 200 && this.verdict.violations.length === 0 && (!expected || audio?.toneHeard === true),
      status: this.status, reason: this.reason, callId: this.callId, wacid: this.wacid, keying: this.mediaOptions.keying ?? 'sdes',
      endedBy: this.endedBy, byeReason: this.byeReason, byeStatus: this.byeStatus,
      durationMs: this.answeredAt === undefined ? 0 : Math.round(now - this.answeredAt), answer, audio,
      pacerLateMs: Math.round(this.side.pacer.maxLateMs), violations: [...this.verdict.violations], messages: [...this.messages],
    };
  }

  protected finish(by: EndedBy): void {
    if (this.endedAt !== undefined) return;
    this.endedAt = performance.now();
    this.endedBy = by;
    this.media.close();
    this.emit('ended', by);
  }

  private async giveUp(what: string): Promise<void> {
    if (this.endedAt !== undefined) return;
    this.verdict.breach('silence', what);
    this.finish('meta');
    await this.sendBye({ reason: NO_MEDIA_REASON });
  }

  protected async sendBye(options: { fresh?: boolean; reason?: string }): Promise<void> {
    const { target } = this;
    if (target === undefined || this.answeredAt === undefined) return;
    if (options.fresh === true) await this.side.cut();
    let flow: Flow;
    try {
      flow = await this.flowForBye();
    } catch (error) {
      this.verdict.breach('response', `BYE could not be sent: ${(error as Error).message}`);
      this.side.leave(this.callId, this);
      return;
    }
    const durationS = Math.round(((this.endedAt ?? performance.now()) - this.answeredAt) / 1000);
    const bye = byeMessage(this.identity, this.extras, target, { seq: ++this.seq, durationS, reason: options.reason });
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
    this.side.leave(this.callId, this);
  }
}

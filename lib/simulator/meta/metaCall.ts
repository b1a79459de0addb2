// A business-initiated call at Meta: from the admitted INVITE to the last BYE.
import { randomUUID } from 'node:crypto';
import { parseNameAddr, SipMessage, tagOf } from '../../sipserver/parser/index.js';
import type { Flow } from '../../sipserver/transport/index.js';
import { cseqOf } from '../sip/transactions.js';
import type { ServerTransaction } from '../sip/transactions.js';
import { Steps } from '../steps.js';
import type { Violation } from '../verdict.js';
import type { Admitted } from './admission.js';
import { MetaDialog } from './dialog.js';
import { judgeRoute } from './judge.js';
import { ALLOW, META_HOST, newWacid, RECORD_ROUTES } from './layout.js';
import type { CallExtras } from './layout.js';
import type { MediaOptions } from './media.js';
import type { MetaBehaviour } from './metaBehaviour.js';
import { judgeOffer } from './offer.js';
import { refusalFor } from './refusals.js';
import type { Refusal } from './refusals.js';
import type { MetaCallReport } from './report.js';
import type { MetaSide } from './side.js';

export interface BusinessCallReport extends MetaCallReport {
  number: string;
  user: string;
  /** Responses before the final one, e.g. [407, 100, 180]. */
  steps: number[];
  /** The INVITE that was let in, whole. */
  invite: string;
  acknowledged: boolean;
}

export interface MetaCallInput {
  side: MetaSide;
  transaction: ServerTransaction;
  admitted: Admitted;
  behaviour: MetaBehaviour;
  media: MediaOptions;
  extras: CallExtras;
  /** What the INVITEs before this one broke, and what they were answered. */
  violations: Violation[];
  steps: number[];
  /** Where Meta's BYE goes: the connection the INVITE came by, or a fresh one to the business's server. */
  byeVia: 'same' | 'fresh';
}

const SMC_TIER = 'collaboration.sip_gateway.sip.prod';

export class SimulatedMetaCall extends MetaDialog {
  private readonly script = new Steps(() => !this.ended && this.status === 0);
  private readonly steps: number[];
  private acknowledged = false;
  private readonly tag: string;

  constructor(private readonly input: MetaCallInput) {
    const { transaction, admitted } = input;
    const tag = randomUUID();
    super(input.side, {
      number: admitted.number.number, from: admitted.user, displayName: '', domain: admitted.number.hostname, userParams: '', wacid: newWacid(admitted.user),
      callId: transaction.request.get('call-id') ?? '', fromTag: tag,
    }, input.extras, input.media);
    this.tag = tag;
    this.steps = [...input.steps];
    this.theirSeq = cseqOf(transaction.request).seq;
    for (const v of input.violations) this.verdict.breach(v.rule, v.detail);
    this.messages.push(`< ${transaction.request.startLine()}`);
    transaction.cancelled = () => { this.cancelled(); };
    transaction.unacknowledged = () => { this.unacknowledged(); };
  }

  get user(): string {
    return this.identity.from;
  }

  get number(): string {
    return this.identity.number;
  }

  /** Goes through the behaviour's steps. */
  async run(): Promise<void> {
    const { behaviour, transaction, admitted } = this.input;
    if (!await this.script.pause(behaviour.slowMs)) return;
    this.respond(transaction.reply(100));
    if (behaviour.refuse !== undefined && behaviour.refuse !== 'declined' && behaviour.refuse !== 'unreachable') {
      this.refuse(refusalFor(behaviour.refuse, admitted.number.hostname));
      return;
    }
    const offer = judgeOffer(transaction.request.body, this.input.media.keying ?? 'sdes', admitted.codecs, (rule, detail) => { this.verdict.breach(rule, detail); });
    if (typeof offer === 'string') {
      this.refuse(refusalFor(offer, admitted.number.hostname));
      return;
    }
    const answer = await this.media.answer(offer, behaviour.ownPayloadTypes, behaviour.setup);
    if (this.ended) return;
    if (behaviour.rings) {
      this.respond(this.dress(transaction.reply(180, undefined, this.tag)));
      this.emit('ringing', 180);
    }
    if (!await this.script.pause(behaviour.ringMs)) return;
    if (behaviour.refuse !== undefined) this.refuse(refusalFor(behaviour.refuse, admitted.number.hostname));
    else this.answer(answer);
  }

  /** Refuses now, in Meta's layout: the long text in status line and Warning. */
  refuse(refusal: Refusal): void {
    if (this.status !== 0 || this.ended) return;
    this.script.clear();
    this.status = refusal.status;
    this.reason = refusal.text;
    const response = this.input.transaction.reply(refusal.status, refusal.text, this.tag);
    for (const route of RECORD_ROUTES) response.prepend('Record-Route', route);
    response.add('Allow', ALLOW).add('X-FB-External-Domain', META_HOST).add('Warning', `399 ${META_HOST} "${refusal.text}"`);
    this.respond(response);
    this.emit('refused', refusal.status);
    this.finish('meta');
    this.side.leave(this.callId, this);
  }

  report(): BusinessCallReport {
    return {
      ...this.common(), number: this.number, user: this.user, steps: [...this.steps], invite: this.input.transaction.request.toString(), acknowledged: this.acknowledged,
    };
  }

  override close(): void {
    this.script.clear();
    super.close();
  }

  /** META-SIP §4.2, §5.3: an ACK that does not carry Meta's Contact and Routes never arrives; the 200 goes on being repeated. */
  admitsAck(ack: SipMessage): boolean {
    return judgeRoute(ack, this.contact(), RECORD_ROUTES, this.verdict) && tagOf(ack.get('to') ?? '') === this.tag;
  }

  override ack(message: SipMessage): void {
    this.messages.push(`< ${message.startLine()}`);
    this.acknowledged = true;
  }

  protected override contact(): string {
    return `sip:${this.user}@${META_HOST};transport=tls;ob;X-FB-Sip-Smc-Tier=${SMC_TIER}`;
  }

  protected override flowForBye(): Promise<Flow> {
    const { flow } = this.input.transaction;
    return this.input.byeVia === 'same' && !flow.closed ? Promise.resolve(flow) : this.side.connection();
  }

  private answer(sdp: string): void {
    const { transaction, behaviour } = this.input;
    const { request } = transaction;
    this.script.clear();
    this.status = 200;
    this.reason = 'OK';
    const uri = parseNameAddr(request.list('contact')[0] ?? '')?.uri;
    this.target = { uri: uri ?? request.uri, to: request.get('from') ?? '', routes: request.list('record-route') };
    const response = this.dress(transaction.reply(200, undefined, this.tag)).add('Supported', 'timer');
    response.setBody(sdp, 'application/sdp');
    this.answeredAt = performance.now();
    this.respond(response);
    this.media.start(this.answeredAt);
    this.emit('answered');
    if (behaviour.hangUpMs !== undefined) this.script.later(behaviour.hangUpMs, () => { void this.hangUp(); });
  }

  // META-SIP §4.2: layout of the 200 OK; the business's own Record-Routes follow Meta's.
  private dress(response: SipMessage): SipMessage {
    const { extras } = this.input;
    for (const route of RECORD_ROUTES) response.prepend('Record-Route', route);
    response.add('Allow', ALLOW).add('X-FB-External-Domain', META_HOST).add('Contact', `<${this.contact()}>;isfocus`);
    for (const [name, value] of [['x-wa-meta-user-id', extras.userId], ['x-wa-meta-parent-user-id', extras.parentUserId], ['x-wa-meta-user-name', extras.userName]] as const) {
      if (value !== undefined && response.status === 200) response.add(name, value);
    }
    return response;
  }

  private respond(response: SipMessage): void {
    this.messages.push(`> ${response.startLine()}`);
    if (response.status < 200) this.steps.push(response.status);
    this.input.transaction.respond(response);
  }

  private cancelled(): void {
    if (this.status !== 0 || this.ended) return;
    this.script.clear();
    this.messages.push('< CANCEL');
    this.status = 487;
    this.reason = 'Request Terminated';
    this.respond(this.input.transaction.reply(487, undefined, this.tag).add('X-FB-External-Domain', META_HOST));
    this.finish('business');
    this.side.leave(this.callId, this);
  }

  private unacknowledged(): void {
    if (this.status !== 200 || this.ended) return;
    this.verdict.breach('route', 'no ACK for the 200');
    this.finish('meta');
    void this.sendBye({});
  }
}

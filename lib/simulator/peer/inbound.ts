// A call that comes in to the PBX user.
import { parseNameAddr, SipMessage, tagOf } from '../../sipserver/parser/index.js';
import type { Address } from '../../sipserver/transport/index.js';
import { Steps } from '../steps.js';
import { newTag } from '../sip/agent.js';
import { cseqOf } from '../sip/transactions.js';
import type { ServerTransaction } from '../sip/transactions.js';
import type { PeerBehaviour } from './behaviour.js';
import { PeerCall, withTag } from './call.js';
import type { PeerCallParts } from './call.js';
import { PeerDialog } from './dialog.js';

const ALLOW = 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY, REFER';

export class InboundCall extends PeerCall {
  readonly tag = newTag();
  /** Requests that came for the second phone of a fork. */
  readonly forkRequests: string[] = [];
  private said: string | undefined;
  private readonly forkTag = newTag();
  private readonly script = new Steps(() => !this.ended && this.status === 0);
  private readonly request: SipMessage;

  constructor(parts: PeerCallParts, private readonly transaction: ServerTransaction, private readonly behaviour: PeerBehaviour, private readonly here: Address, private readonly contact: string) {
    super('in', transaction.request.get('call-id') ?? '', parts);
    this.request = transaction.request;
    this.message = this.request.toString();
    transaction.cancelled = (reason) => { this.cancelled(reason); };
    transaction.unacknowledged = () => {
      if (this.status === 200) this.faults.push('no ACK for the 200');
    };
  }

  get from(): string {
    return this.request.get('from') ?? '';
  }

  get to(): string {
    return this.request.get('to') ?? '';
  }

  /** Goes through the behaviour's steps. */
  async run(): Promise<void> {
    const { behaviour, transaction } = this;
    if (!await this.script.pause(behaviour.slowMs)) return;
    transaction.respond(transaction.reply(100));
    const mux = /^a=rtcp-mux\s*$/m.test(this.request.body);
    await this.parts.media.open(mux);
    if (this.ended) return;
    // A refusal that takes no time comes without ringing first.
    if (behaviour.status === undefined || behaviour.ringMs > 0) {
      if (!this.ring()) return;
      if (!await this.script.pause(behaviour.ringMs)) return;
    }
    if (behaviour.status !== undefined) this.refuse(behaviour.status);
    else this.answer();
  }

  /** Answers now, whatever the behaviour would still wait for. */
  answer(): void {
    if (this.status !== 0 || this.ended) return;
    this.script.clear();
    let body: string;
    try {
      body = this.body();
    } catch (error) {
      this.faults.push(`offer: ${(error as Error).message}`);
      this.refuse(488);
      return;
    }
    this.status = 200;
    this.reason = 'OK';
    this.open();
    this.respond(200, body, this.tag);
    if (this.behaviour.fork) this.respond(200, body, this.forkTag);
    this.parts.media.start(true);
    this.emit('answered');
    this.hangUpIn(this.behaviour.hangUpMs);
  }

  /** Refuses now. */
  refuse(status: number): void {
    if (this.status !== 0 || this.ended) return;
    this.script.clear();
    this.status = status;
    const response = this.transaction.reply(status, undefined, this.tag);
    if (this.behaviour.redirect !== undefined) response.add('Contact', `<${this.behaviour.redirect}>`);
    this.reason = response.reason;
    this.transaction.respond(response);
    this.emit('refused', status);
    this.finish('peer');
  }

  override inside(transaction: ServerTransaction): void {
    const tag = tagOf(transaction.request.get('to') ?? '');
    if (tag === this.forkTag && this.behaviour.fork) {
      this.forkRequests.push(transaction.request.method);
      transaction.respond(transaction.reply(200));
    } else if (tag !== this.tag) transaction.respond(transaction.reply(481));
    else super.inside(transaction);
  }

  override close(): void {
    this.script.clear();
    super.close();
  }

  protected withContact(response: SipMessage): SipMessage {
    return response.add('Contact', this.contact).add('Allow', ALLOW);
  }

  private ring(): boolean {
    if (!this.behaviour.early) {
      this.respond(180, '', this.tag);
      this.emit('ringing', 180);
      return true;
    }
    try {
      this.respond(183, this.body(), this.tag);
      this.parts.media.start(false);
      this.emit('ringing', 183);
      return true;
    } catch (error) {
      this.faults.push(`offer: ${(error as Error).message}`);
      this.refuse(488);
      return false;
    }
  }

  private body(): string {
    const { sdp } = this.behaviour;
    if (sdp === 'none') return '';
    // RFC 6337 §3.1.1: what the 18x said, the 200 says again.
    this.said ??= this.request.body === '' ? this.parts.media.offer() : this.parts.media.answer(this.request.body);
    return sdp === 'bad' ? this.parts.media.bad() : this.said;
  }

  private open(): void {
    const { request } = this;
    const target = parseNameAddr(request.list('contact')[0] ?? '')?.uri;
    if (target === undefined) this.faults.push('no usable Contact in the INVITE');
    this.dialog = new PeerDialog(this.parts.agent, { flow: this.transaction.flow, here: this.here, contact: this.contact, proxy: this.parts.proxy }, {
      callId: this.callId, local: withTag(this.to, this.tag), remote: this.from, target: target ?? request.uri, routes: request.list('record-route'), seq: 0,
    });
    this.dialog.theirSeq = cseqOf(request).seq;
  }

  private respond(status: number, body: string, tag: string): void {
    const response = this.withContact(this.transaction.reply(status, undefined, tag));
    if (body !== '') response.setBody(body, 'application/sdp');
    this.transaction.respond(response);
  }

  private cancelled(reason: string | undefined): void {
    if (this.status !== 0 || this.ended) return;
    this.endReason = reason;
    this.script.clear();
    this.status = 487;
    this.transaction.respond(this.transaction.reply(487, undefined, this.tag));
    this.emit('refused', 487);
    this.finish('far');
  }
}

// A call that the PBX user places.
import { parseNameAddr, SipMessage } from '../../sipserver/parser/index.js';
import { hostPort } from '../../sipserver/transport/index.js';
import type { Address, Flow } from '../../sipserver/transport/index.js';
import { newBranch } from '../sip/agent.js';
import { cseqOf } from '../sip/transactions.js';
import type { ClientTransaction } from '../sip/transactions.js';
import { PeerCall } from './call.js';
import type { PeerCallParts } from './call.js';
import { authorize, PeerDialog } from './dialog.js';

export interface OutboundInput {
  uri: string;
  /** From and To values, From with its tag. */
  from: string;
  to: string;
  callId: string;
  /** Further headers of the INVITE. */
  headers: Record<string, string>;
  /** INVITE without SDP; the offer comes in the 200. */
  delayedOffer: boolean;
  hangUpMs: number | undefined;
}

export class OutboundCall extends PeerCall {
  /** Final status of the INVITE; 0 when none came. */
  readonly final: Promise<number>;
  private settle: (status: number) => void = () => undefined;
  private seq = Math.floor(Math.random() * 1000) + 1;
  private invite: SipMessage | undefined;
  private transaction: ClientTransaction | undefined;
  private cancelling = false;
  /** The INVITE that was cancelled: each is once. */
  private cancelled: SipMessage | undefined;
  private provisional = false;
  private tries = 0;

  constructor(parts: PeerCallParts, private readonly input: OutboundInput, private readonly flow: Flow, private readonly here: Address, private readonly contact: string) {
    super('out', input.callId, parts);
    this.final = new Promise((resolve) => { this.settle = resolve; });
  }

  get from(): string {
    return this.input.from;
  }

  get to(): string {
    return this.input.to;
  }

  /** Opens the media port and sends the INVITE. */
  async place(): Promise<void> {
    await this.parts.media.open(false);
    this.sendInvite(this.input.delayedOffer ? '' : this.parts.media.offer());
  }

  /** Gives up before the answer (RFC 3261 §9.1: not before a provisional answer). */
  cancel(): void {
    if (this.cancelling || this.status !== 0) return;
    this.cancelling = true;
    if (this.provisional) this.sendCancel();
  }

  override close(): void {
    this.transaction?.abandon();
    super.close();
    this.settle(this.status);
  }

  protected withContact(response: SipMessage): SipMessage {
    return response.add('Contact', this.contact);
  }

  private sendInvite(body: string, authorization?: [string, string]): void {
    const invite = SipMessage.request('INVITE', this.input.uri);
    invite.add('Via', `SIP/2.0/${this.flow.protocol.toUpperCase()} ${hostPort(this.here)};rport;branch=${newBranch()}`).add('Max-Forwards', '70')
      .add('From', this.input.from).add('To', this.input.to).add('Call-ID', this.callId).add('CSeq', `${++this.seq} INVITE`).add('Contact', this.contact)
      .add('Allow', 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY, REFER');
    for (const [name, value] of Object.entries(this.input.headers)) invite.add(name, value);
    if (authorization !== undefined) invite.add(...authorization);
    if (body !== '') invite.setBody(body, 'application/sdp');
    this.invite = invite;
    this.provisional = false;
    this.transaction = this.parts.agent.send(invite, this.flow, {
      response: (response) => { this.receive(response, body); },
      failed: (reason) => { this.conclude(0, reason); },
    });
  }

  private receive(response: SipMessage, body: string): void {
    if (response.status < 200) {
      this.provisional = true;
      if (response.status > 100) this.ringing(response);
      if (this.cancelling) this.sendCancel();
      return;
    }
    this.message = response.toString();
    if (response.status < 300) {
      this.answered(response);
      return;
    }
    // RFC 7616 §3.3: a second challenge is answered only when the nonce had gone stale.
    const stale = /\bstale\s*=\s*"?true/i.test(`${response.get('proxy-authenticate') ?? ''} ${response.get('www-authenticate') ?? ''}`);
    const again = this.tries === 0 || (this.tries === 1 && stale);
    this.tries++;
    const header = this.invite && again && !this.cancelling ? authorize(response, this.invite, this.parts.auth) : undefined;
    if (header === undefined) this.conclude(response.status, response.reason);
    else this.sendInvite(body, header);
  }

  private ringing(response: SipMessage): void {
    if (response.body !== '') {
      this.accept(response.body);
      this.parts.media.start(false);
    }
    this.emit('ringing', response.status);
  }

  private answered(response: SipMessage): void {
    const { seq } = cseqOf(response);
    const known = this.dialog;
    if (known !== undefined) {
      void known.put(known.request('ACK', seq));
      return;
    }
    const target = parseNameAddr(response.list('contact')[0] ?? '')?.uri;
    if (target === undefined) this.faults.push('no usable Contact in the 200');
    this.dialog = new PeerDialog(this.parts.agent, { flow: this.flow, here: this.here, contact: this.contact, proxy: this.parts.proxy }, {
      callId: this.callId, local: this.input.from, remote: response.get('to') ?? '', target: target ?? this.input.uri,
      routes: response.list('record-route').reverse(), seq: this.seq,
    });
    const ack = this.dialog.request('ACK', seq);
    if (this.input.delayedOffer) {
      try {
        ack.setBody(this.parts.media.answer(response.body), 'application/sdp');
      } catch (error) {
        this.faults.push(`offer: ${(error as Error).message}`);
      }
    } else this.accept(response.body);
    void this.dialog.put(ack);
    this.parts.media.start(true);
    this.conclude(200, response.reason);
    if (this.cancelling) void this.bye();
    else this.hangUpIn(this.input.hangUpMs);
  }

  private sendCancel(): void {
    const { invite } = this;
    if (invite === undefined || this.cancelled === invite || this.transaction?.done === true) return;
    this.cancelled = invite;
    const cancel = SipMessage.request('CANCEL', invite.uri);
    for (const name of ['Via', 'Max-Forwards', 'From', 'To', 'Call-ID']) cancel.add(name, invite.get(name) ?? '');
    cancel.add('CSeq', `${this.seq} CANCEL`);
    this.parts.agent.send(cancel, this.flow, { response: () => undefined, failed: (reason) => { this.faults.push(`CANCEL: ${reason}`); } });
  }

  private conclude(status: number, reason: string): void {
    if (this.status !== 0) return;
    this.status = status;
    this.reason = reason;
    if (status === 200) this.emit('answered');
    else {
      this.emit('refused', status);
      this.finish(this.cancelling ? 'peer' : 'far');
    }
    this.settle(status);
  }
}

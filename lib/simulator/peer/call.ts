// One call at the PBX user, in either direction, from the first message to the report.
import { EventEmitter } from 'node:events';
import { SipMessage, tagOf } from '../../sipserver/parser/index.js';
import type { Flow } from '../../sipserver/transport/index.js';
import type { SourceKind } from '../media/endpoint.js';
import type { SipAgent } from '../sip/agent.js';
import type { Credentials } from '../sip/digest.js';
import type { Direction } from '../sip/sdp.js';
import { cseqOf } from '../sip/transactions.js';
import type { ServerTransaction } from '../sip/transactions.js';
import type { PeerChallenge } from './behaviour.js';
import type { CallMedia } from './callMedia.js';
import { Challenger } from './challenger.js';
import { authorize } from './dialog.js';
import type { PeerDialog } from './dialog.js';
import { ownHeaders, type PeerCallReport } from './report.js';

interface PeerCallEvents {
  ringing: [status: number];
  answered: [];
  confirmed: [];
  refused: [status: number];
  digit: [digit: string];
  notify: [line: string];
  reinvited: [];
  ended: [by: 'peer' | 'far'];
}

export interface PeerCallParts { agent: SipAgent; media: CallMedia; auth: Credentials | undefined; proxy: (() => Promise<Flow>) | undefined; forget: (call: PeerCall) => void }

/** The common part of both directions: the confirmed dialog. */
export abstract class PeerCall extends EventEmitter<PeerCallEvents> {
  protected dialog: PeerDialog | undefined;
  protected status = 0;
  protected reason = '';
  protected message = '';
  protected endedBy: 'peer' | 'far' | 'nobody' = 'nobody';
  protected endReason: string | undefined;
  protected readonly faults: string[] = [];
  protected confirmed = false;
  /** Answers INFO with application/dtmf-relay 415, as a phone that knows application/dtmf only. */
  plainInfoOnly = false;
  /** Credentials that every request in the dialog has to show from now on, ACK excepted. */
  demands: PeerChallenge | undefined;
  private readonly challenger = new Challenger();
  private digits = '';
  private infoDigits = '';
  private readonly notified: string[] = [];
  private readonly requests: string[] = [];
  private hangUpTimer: NodeJS.Timeout | undefined;

  protected constructor(readonly direction: 'in' | 'out', readonly callId: string, protected readonly parts: PeerCallParts) {
    super();
  }

  abstract get from(): string;
  abstract get to(): string;

  get ended(): boolean {
    return this.endedBy !== 'nobody';
  }

  /** Call-ID and tags of the dialog as this side has them, e.g. for a Replaces. */
  ids(): { callId: string; local: string; remote: string } {
    const { ends } = this.dialog ?? {};
    return { callId: this.callId, local: tagOf(ends?.local ?? '') ?? '', remote: tagOf(ends?.remote ?? '') ?? '' };
  }

  /** A digit that arrived in RTP. */
  heardDigit(digit: string): void {
    this.digits += digit;
    this.emit('digit', digit);
  }

  /** Hangs up; resolves when the BYE was answered. */
  async bye(reason?: string): Promise<void> {
    const { dialog } = this;
    if (this.ended || dialog === undefined) return;
    this.finish('peer');
    const bye = dialog.request('BYE');
    if (reason !== undefined) bye.add('Reason', reason);
    const response = await dialog.send(bye);
    if (response?.status !== 200) this.faults.push(`BYE was answered ${response?.status ?? 'not at all'}`);
  }

  /** Puts the far end on hold. `sendonly` plays music (a tone), `inactive` and `zero` (address 0.0.0.0) send nothing. Gives the status. */
  hold(how: 'sendonly' | 'inactive' | 'zero' = 'sendonly'): Promise<number> {
    if (how === 'sendonly') this.parts.media.play('tone');
    return this.reinvite(how === 'zero' ? 'inactive' : how, how === 'zero');
  }

  /** Takes the far end off hold and says `source` again. */
  resume(source: SourceKind = 'echo'): Promise<number> {
    this.parts.media.play(source);
    return this.reinvite('sendrecv', false);
  }

  /** Sends a re-INVITE with this direction; resolves with its final status, 0 when none came. */
  async reinvite(direction: Direction, zeroAddress: boolean): Promise<number> {
    const { dialog } = this;
    if (dialog === undefined || this.ended) return 0;
    const invite = dialog.request('INVITE');
    invite.setBody(this.parts.media.offer(direction, zeroAddress), 'application/sdp');
    const response = await this.withCredentials(dialog, invite);
    if (response === undefined) return 0;
    if (response.status < 300) {
      dialog.refresh(response);
      await dialog.put(dialog.request('ACK', cseqOf(response).seq));
      this.accept(response.body);
    }
    return response.status;
  }

  /** A re-INVITE without an offer: theirs is in the 200, our answer in the ACK, or what `instead` makes of the offer. Gives the status. */
  async reinviteOfferless(source: SourceKind, instead?: (offer: string) => string): Promise<number> {
    const { dialog } = this;
    if (dialog === undefined || this.ended) return 0;
    this.parts.media.play(source);
    const response = await this.withCredentials(dialog, dialog.request('INVITE'));
    if (response === undefined || response.status >= 300) return response?.status ?? 0;
    dialog.refresh(response);
    const ack = dialog.request('ACK', cseqOf(response).seq);
    const answer = instead === undefined ? this.parts.media.answer(response.body, 'sendrecv') : instead(response.body);
    if (answer !== '') ack.setBody(answer, 'application/sdp');
    await dialog.put(ack);
    return response.status;
  }

  /** UPDATE with an offer of this direction; without one a refresh. Gives the status. */
  async update(direction?: Direction): Promise<number> {
    const { dialog } = this;
    if (dialog === undefined || this.ended) return 0;
    const update = dialog.request('UPDATE');
    if (direction !== undefined) update.setBody(this.parts.media.offer(direction), 'application/sdp');
    const response = await this.withCredentials(dialog, update);
    if (response?.status === 200 && direction !== undefined) this.accept(response.body);
    return response?.status ?? 0;
  }

  /** Asks the far end to call `target` instead (RFC 3515). Resolves with the status; NOTIFYs come as events. */
  async refer(target: string, extra: Record<string, string> = {}): Promise<number> {
    const { dialog } = this;
    if (dialog === undefined || this.ended) return 0;
    const refer = dialog.request('REFER').add('Refer-To', target.includes('<') ? target : `<${target}>`);
    for (const [name, value] of Object.entries(extra)) refer.add(name, value);
    return (await this.withCredentials(dialog, refer))?.status ?? 0;
  }

  /** Any other request inside the dialog, e.g. INFO, UPDATE, OPTIONS. Resolves with the final response. */
  async ask(method: string, headers: Record<string, string> = {}, body = ''): Promise<SipMessage | undefined> {
    const { dialog } = this;
    if (dialog === undefined || this.ended) return undefined;
    const request = dialog.request(method);
    for (const [name, value] of Object.entries(headers)) request.add(name, value);
    request.body = body;
    return await this.withCredentials(dialog, request);
  }

  /** Sends digits as telephone-events; false when they were not negotiated. */
  press(digits: string, durationMs?: number): boolean {
    return this.parts.media.press(digits, durationMs);
  }

  say(source: SourceKind): void {
    this.parts.media.play(source);
  }

  mute(on: boolean): void {
    this.parts.media.mute(on);
  }

  changeSource(): void {
    this.parts.media.restart();
  }

  report(): PeerCallReport {
    const media = this.parts.media.report();
    const heard = (media?.tone.heard ?? 0) > 0;
    return {
      direction: this.direction, ok: this.status === 200 && this.faults.length === 0 && (media === undefined || heard), status: this.status, reason: this.reason,
      callId: this.callId, from: this.from, to: this.to, headers: ownHeaders(this.message), message: this.message, endedBy: this.endedBy, endReason: this.endReason,
      codec: this.parts.media.codec, media, toneHeard: heard, digits: this.digits, infoDigits: this.infoDigits, notified: [...this.notified],
      theirDirections: [...this.parts.media.theirDirections], faults: [...this.faults], requests: [...this.requests],
    };
  }

  /** A request inside the dialog, other than ACK. */
  inside(transaction: ServerTransaction): void {
    const { request } = transaction;
    this.requests.push(request.startLine());
    const { seq } = cseqOf(request);
    if (this.dialog === undefined || this.ended) {
      transaction.respond(transaction.reply(481));
      return;
    }
    if (seq <= this.dialog.theirSeq) this.faults.push(`CSeq ${seq} after ${this.dialog.theirSeq}`);
    this.dialog.theirSeq = seq;
    if (this.demands !== undefined && !this.challenger.admits(transaction, this.demands)) return;
    switch (request.method) {
      case 'BYE':
        this.endReason = request.get('reason');
        transaction.respond(transaction.reply(200));
        this.finish('far');
        break;
      case 'INVITE': case 'UPDATE':
        this.renegotiate(transaction);
        break;
      case 'INFO':
        if (this.plainInfoOnly && /dtmf-relay/i.test(request.get('content-type') ?? '')) {
          transaction.respond(transaction.reply(415).add('Accept', 'application/dtmf'));
          break;
        }
        this.info(request);
        transaction.respond(transaction.reply(200));
        break;
      case 'NOTIFY':
        // RFC 3265 §7.1, table 2.
        if (!request.has('contact')) this.faults.push('NOTIFY without Contact');
        this.notified.push(request.body.trim());
        transaction.respond(transaction.reply(200));
        this.emit('notify', request.body.trim());
        break;
      default:
        transaction.respond(transaction.reply(200).add('Allow', 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY, REFER'));
    }
  }

  /** The ACK of a 2xx. */
  acked(ack: SipMessage): void {
    if (ack.body !== '') this.accept(ack.body);
    this.confirmed = true;
    this.emit('confirmed');
  }

  /** Ends without a word on the wire, as a peer that vanished. */
  close(): void {
    this.finish(this.endedBy === 'nobody' ? 'peer' : this.endedBy);
  }

  protected accept(answer: string): void {
    try {
      this.parts.media.accept(answer);
    } catch (error) {
      this.faults.push(`answer: ${(error as Error).message}`);
    }
  }

  protected hangUpIn(ms: number | undefined): void {
    if (ms !== undefined) this.hangUpTimer = setTimeout(() => { void this.bye(); }, ms);
  }

  protected finish(by: 'peer' | 'far'): void {
    clearTimeout(this.hangUpTimer);
    if (this.ended) return;
    this.endedBy = by;
    this.parts.media.close();
    this.emit('ended', by);
    this.parts.forget(this);
  }

  private async withCredentials(dialog: PeerDialog, request: SipMessage): Promise<SipMessage | undefined> {
    const response = await dialog.send(request);
    const header = response && authorize(response, request, this.parts.auth);
    if (header === undefined || this.ended) return response;
    const again = dialog.request(request.method);
    for (const h of request.headers) if (!again.has(h.name)) again.add(h.name, h.value);
    again.add(...header).body = request.body;
    return await dialog.send(again);
  }

  private renegotiate(transaction: ServerTransaction): void {
    const { request } = transaction;
    try {
      const body = request.body !== '' ? this.parts.media.answer(request.body) : request.method === 'INVITE' ? this.parts.media.offer() : '';
      this.dialog?.refresh(request);
      const response = transaction.reply(200);
      if (body !== '') response.setBody(body, 'application/sdp');
      transaction.respond(this.withContact(response));
      this.emit('reinvited');
    } catch (error) {
      this.faults.push(`offer: ${(error as Error).message}`);
      transaction.respond(transaction.reply(488));
    }
  }

  protected abstract withContact(response: SipMessage): SipMessage;

  // application/dtmf-relay as in use: a line `Signal=5`.
  private info(request: SipMessage): void {
    const signal = /^\s*Signal\s*=\s*(\S)/im.exec(request.body)?.[1] ?? (/^application\/dtmf\b/i.test(request.get('content-type') ?? '') ? request.body.trim()[0] : undefined);
    if (signal !== undefined) this.infoDigits += signal;
  }
}

/** The value with a tag of ours, unless it has one. */
export function withTag(value: string, tag: string): string {
  return tagOf(value) === undefined ? `${value};tag=${tag}` : value;
}

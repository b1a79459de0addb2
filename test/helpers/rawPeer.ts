import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { parseMessage, responseTo, SipMessage, tagOf } from '../../lib/sipserver/parser/index.js';

/** How a scripted peer meets an INVITE: it gets one that was not seen before. */
export type Script = (invite: SipMessage, peer: RawPeer) => void;

/** How it meets any other request, and an INVITE in a dialog: true when it has answered, or will not; false: 200. */
export type Meets = (request: SipMessage, peer: RawPeer) => boolean;

/** What a response, or a request in the dialog, carries beyond the necessary. */
export interface Extra {
  readonly reason?: string;
  readonly edit?: (message: SipMessage) => void;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string;
  readonly type?: string;
  readonly contact?: string;
  readonly tag?: string;
  /** Of the ACK to an INVITE's 2xx. */
  readonly ackBody?: string;
  readonly beforeAck?: () => Promise<void>;
}

/**
 * A PBX of bare UDP that says whatever its script says, right or wrong; ACK, BYE, CANCEL and retransmissions it meets by itself.
 * Also the listener at a place where nothing may arrive: `packets` counts all of them.
 */
export class RawPeer {
  packets = 0;
  /** First lines of what arrived, retransmissions too. */
  readonly heard: string[] = [];
  /** Reason headers of the BYEs and CANCELs that arrived. */
  readonly reasons: (string | undefined)[] = [];
  readonly #socket: Socket;
  readonly #answered = new Map<string, SipMessage>();
  readonly #waiting: { test: (message: SipMessage) => boolean; resolve: (message: SipMessage) => void }[] = [];
  #script: Script = () => undefined;
  #meets: Meets = () => false;
  #remote: { address: string; port: number } | null = null;
  #cseq = 100;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async open(address = '127.0.0.1', port = 0): Promise<RawPeer> {
    const socket = createSocket('udp4');
    const peer = new RawPeer(socket);
    socket.on('message', (data, from) => peer.#take(data, from));
    socket.bind(port, address);
    await once(socket, 'listening');
    return peer;
  }

  get address(): string {
    const { address, port } = this.#socket.address() as AddressInfo;
    return `${address}:${port}`;
  }

  get port(): number {
    return (this.#socket.address() as AddressInfo).port;
  }

  script(script: Script): void {
    this.#script = script;
  }

  meets(meets: Meets): void {
    this.#meets = meets;
  }

  /** The next message that passes; fails after five seconds. */
  next(what: string, test: (message: SipMessage) => boolean): Promise<SipMessage> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`waited 5 s for ${what}; heard ${this.heard.join(' | ')}`)), 5000);
      this.#waiting.push({ test, resolve: (message) => { clearTimeout(timer); resolve(message); } });
    });
  }

  answer(request: SipMessage, status: number, { reason, headers = [], body = '', type, contact, tag, edit }: Extra = {}): void {
    const response = responseTo(request, status, reason, tag ?? `raw-${this.port}`);
    if (status < 400 && status > 100) response.add('Contact', contact ?? `<sip:6001@${this.address}>`);
    for (const [name, value] of headers) response.add(name, value);
    if (body !== '') response.setBody(body, type ?? 'application/sdp');
    else response.add('Content-Length', '0');
    edit?.(response);
    if (status >= 200) this.#answered.set(keyOf(request), response);
    this.#send(response);
  }

  /** A request in the dialog of an INVITE that it answered; gives the final response. */
  async ask(invite: SipMessage, method: string, { headers = [], body = '', type, contact, ackBody, beforeAck }: Extra = {}): Promise<SipMessage> {
    const target = /<([^>]+)>/.exec(invite.get('contact') ?? '')![1]!;
    const cseq = `${this.#cseq++} ${method}`;
    const request = SipMessage.request(method, target)
      .add('Via', `SIP/2.0/UDP ${this.address};branch=z9hG4bK-raw-${cseq.replace(' ', '-')}`).add('Max-Forwards', '70')
      .add('From', `${invite.get('to')!};tag=raw-${this.port}`).add('To', invite.get('from')!).add('Call-ID', invite.get('call-id')!).add('CSeq', cseq)
      .add('Contact', contact ?? `<sip:6001@${this.address}>`);
    for (const [name, value] of headers) request.add(name, value);
    if (body === '') request.add('Content-Length', '0');
    else request.setBody(body, type ?? 'application/sdp');
    const final = this.next(`an answer to ${method}`, (message) => message.status >= 200 && message.get('cseq') === cseq);
    this.#send(request);
    const response = await final;
    await beforeAck?.();
    if (method === 'INVITE') this.#ack(request, response, ackBody);
    return response;
  }

  /** An INVITE of its own, to `host:port`; gives the final response. */
  async call(to: { host: string; port: number }, uri: string, { headers = [], body = '', type, edit }: Extra & { from?: string } = {}, from = `<sip:6001@${this.address}>`): Promise<SipMessage> {
    this.#remote = { address: to.host, port: to.port };
    const id = `${this.port}-${this.#cseq++}`;
    const request = SipMessage.request('INVITE', uri).add('Via', `SIP/2.0/UDP ${this.address};branch=z9hG4bK-raw-${id}`)
      .add('From', `${from};tag=raw-${id}`).add('To', `<${uri}>`).add('Call-ID', `raw-${id}`).add('CSeq', '1 INVITE');
    if (!headers.some(([name]) => name === 'Contact')) request.add('Contact', `<sip:6001@${this.address}>`);
    if (!headers.some(([name]) => name === 'Max-Forwards')) request.add('Max-Forwards', '70');
    for (const [name, value] of headers) if (value !== '') request.add(name, value);
    request.setBody(body === '' ? sdp() : body, type ?? 'application/sdp');
    edit?.(request);
    const final = this.next('an answer to INVITE', (message) => message.status >= 200 && message.get('call-id') === `raw-${id}`);
    this.#send(request);
    const response = await final;
    this.#ack(request, response);
    return response;
  }

  /** Any other request outside a dialog; gives the final response. */
  async outside(to: { host: string; port: number }, method: string, uri: string, { headers = [] }: Extra = {}): Promise<SipMessage> {
    this.#remote = { address: to.host, port: to.port };
    const id = `${this.port}-${this.#cseq++}`;
    const request = SipMessage.request(method, uri).add('Via', `SIP/2.0/UDP ${this.address};branch=z9hG4bK-raw-${id}`)
      .add('From', `<sip:6001@${this.address}>;tag=raw-${id}`).add('To', `<${uri}>`).add('Call-ID', `raw-${id}`).add('CSeq', `1 ${method}`);
    if (!headers.some(([name]) => name === 'Max-Forwards')) request.add('Max-Forwards', '70');
    for (const [name, value] of headers) request.add(name, value);
    const final = this.next(`an answer to ${method}`, (message) => message.status >= 200 && message.get('call-id') === `raw-${id}`);
    this.#send(request.add('Content-Length', '0'));
    return await final;
  }

  close(): void {
    this.#socket.close();
  }

  #ack(request: SipMessage, response: SipMessage, body = ''): void {
    const ack = SipMessage.request('ACK', response.status < 300 ? /<([^>]+)>/.exec(response.get('contact') ?? '')![1]! : request.uri);
    for (const name of ['Via', 'Max-Forwards', 'From', 'Call-ID']) ack.add(name, request.get(name)!);
    ack.add('To', response.get('to')!).add('CSeq', request.get('cseq')!.replace(/\w+$/, 'ACK'));
    if (body === '') ack.add('Content-Length', '0');
    else ack.setBody(body, 'application/sdp');
    this.#send(ack);
  }

  #take(data: Buffer, from: { address: string; port: number }): void {
    this.packets += 1;
    const parsed = parseMessage(data);
    const message = 'message' in parsed ? parsed.message : null;
    if (!(message instanceof SipMessage)) return;
    this.#remote = from;
    this.heard.push(message.startLine());
    if (message.method === 'BYE' || message.method === 'CANCEL') this.reasons.push(message.get('reason'));
    for (const waiter of this.#waiting.splice(0)) {
      if (waiter.test(message)) waiter.resolve(message);
      else this.#waiting.push(waiter);
    }
    if (!message.isRequest || message.method === 'ACK') return;
    const done = this.#answered.get(keyOf(message));
    if (done !== undefined) return this.#send(done);
    if (message.method === 'CANCEL') {
      this.answer(message, 200);
      const key = `${message.get('call-id')} ${message.get('cseq')!.replace('CANCEL', 'INVITE')}`;
      const invite = this.#invites.get(key);
      if (invite !== undefined && !this.#answered.has(keyOf(invite))) this.answer(invite, 487);
    } else if (message.method === 'INVITE' && tagOf(message.get('to')!) === undefined) {
      const key = keyOf(message);
      if (this.#invites.has(key)) return;
      this.#invites.set(key, message);
      this.#script(message, this);
    } else if (!this.#meets(message, this)) {
      this.answer(message, 200);
    }
  }

  readonly #invites = new Map<string, SipMessage>();

  #send(message: SipMessage): void {
    if (this.#remote !== null) this.#socket.send(message.toBuffer(), this.#remote.port, this.#remote.address);
  }
}

function keyOf(message: SipMessage): string {
  return `${message.get('call-id')} ${message.get('cseq')}`;
}

/** An offer or answer of PCMU; its media goes to the discard port. */
export function sdp(address = '127.0.0.1'): string {
  return ['v=0', 'o=raw 1 1 IN IP4 127.0.0.1', 's=-', `c=IN IP4 ${address}`, 't=0 0', 'm=audio 9 RTP/AVP 0 101', 'a=rtpmap:0 PCMU/8000', 'a=rtpmap:101 telephone-event/8000', 'a=ptime:20', 'a=sendrecv', ''].join('\r\n');
}

import { once } from 'node:events';
import WebSocket from 'ws';
import { parseMessage, responseTo, SipMessage, tagOf } from '../../lib/sipserver/parser/index.js';
import { digestValue, nonceOf } from './rawPhone.js';

export interface Opening { readonly protocol?: string | string[]; readonly origin?: string; readonly ca?: string | Buffer; readonly localAddress?: string; readonly servername?: string }

export type Extra = Readonly<Record<string, string>>;

let serial = 0;

/** A phone in a browser as SIP sees it (RFC 7118): a WebSocket, a Contact that leads nowhere, everything by the one connection. The WebSocket is that of the package ws. */
export class WebSocketPhone {
  readonly heard: SipMessage[] = [];
  /** What came that is no SIP: keep-alives. */
  readonly blanks: string[] = [];
  readonly contact: string;
  /** How it was closed. */
  closed: { readonly code: number } | null = null;
  readonly #waiting = new Set<() => void>();
  readonly #via: string;

  private constructor(readonly socket: WebSocket, readonly user: string, readonly domain: string, instance?: string) {
    const name = `w${process.pid}x${serial += 1}.invalid`;
    this.#via = `SIP/2.0/${socket.url.startsWith('wss') ? 'WSS' : 'WS'} ${name}`;
    this.contact = `<sip:${user}@${name};transport=ws>${instance === undefined ? '' : `;reg-id=1;+sip.instance="<urn:uuid:${instance}>"`}`;
    socket.on('message', (data, isBinary) => {
      const text = (data as Buffer).toString('latin1');
      if (text.trim() === '') this.blanks.push(text);
      else this.heard.push(parseMessage(text).message!);
      if (isBinary) this.blanks.push('binary');
      this.#wake();
    });
    socket.on('close', (code) => {
      this.closed = { code };
      this.#wake();
    });
    socket.on('error', () => { /* 'close' follows */ });
  }

  /** @throws Error with the status of whoever refuses */
  static async open(url: string, user: string, domain: string, { protocol = 'sip', instance, ...options }: Opening & { instance?: string } = {}): Promise<WebSocketPhone> {
    const socket = new WebSocket(url, protocol, { perMessageDeflate: false, ...options });
    const phone = new WebSocketPhone(socket, user, domain, instance);
    await once(socket, 'open');
    return phone;
  }

  send(message: SipMessage | string): void {
    this.socket.send(Buffer.from(message.toString(), 'latin1').toString());
  }

  async until(what: string, done: () => boolean, patience = 10_000): Promise<void> {
    const deadline = Date.now() + patience;
    while (!done()) {
      if (Date.now() > deadline) throw new Error(`waited ${patience} ms for ${what}; heard ${this.heard.map((one) => one.startLine()).join(' | ')}, closed ${this.closed?.code ?? 'not'}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.#waiting.add(() => { clearTimeout(timer); resolve(); });
      });
    }
  }

  /** The first that passes, taken out of what was heard. */
  async next(what: string, test: (message: SipMessage) => boolean, patience?: number): Promise<SipMessage> {
    await this.until(what, () => this.heard.some(test), patience);
    return this.heard.splice(this.heard.findIndex(test), 1)[0]!;
  }

  request(method: string, uri: string, extra: Extra = {}, body = ''): SipMessage {
    const n = serial += 1;
    const aor = `<sip:${this.user}@${this.domain}>`;
    const message = SipMessage.request(method, uri)
      .add('Via', `${this.#via};branch=z9hG4bKw${process.pid}x${n}`).add('Max-Forwards', '70').add('From', `${aor};tag=w${n}`).add('To', method === 'REGISTER' ? aor : `<${uri}>`)
      .add('Call-ID', `web-${process.pid}-${n}`).add('CSeq', `${n} ${method}`);
    for (const [name, value] of Object.entries({ Contact: this.contact, ...extra })) message.set(name, value);
    return body === '' ? message : message.setBody(body, extra['Content-Type'] ?? 'application/sdp');
  }

  /** The final response. */
  async ask(message: SipMessage): Promise<SipMessage> {
    this.send(message);
    return this.next(`an answer to ${message.method}`, (one) => one.status >= 200 && one.get('call-id') === message.get('call-id') && one.get('cseq') === message.get('cseq'));
  }

  /** The same once more with credentials, where they are asked for. */
  async authenticated(message: SipMessage, password: string): Promise<{ readonly sent: SipMessage; readonly response: SipMessage }> {
    const first = await this.ask(message);
    if (first.status !== 401) return { sent: message, response: first };
    if (message.method === 'INVITE') this.send(this.ack(message, first));
    const [number = '', method = ''] = message.get('cseq')!.split(' ');
    const again = message.clone().set('CSeq', `${Number(number) + 1} ${method}`).set('Via', `${this.#via};branch=z9hG4bKw${process.pid}x${serial += 1}`)
      .set('Authorization', digestValue({ username: this.user, password, realm: this.domain, nonce: nonceOf(first), method, uri: message.uri }));
    return { sent: again, response: await this.ask(again) };
  }

  async register(password: string, extra: Extra = {}): Promise<SipMessage> {
    return (await this.authenticated(this.request('REGISTER', `sip:${this.domain}`, { Supported: 'path, outbound', Expires: '600', ...extra }), password)).response;
  }

  ack(invite: SipMessage, response: SipMessage): SipMessage {
    const target = response.status < 300 ? /<([^>]+)>/.exec(response.get('contact') ?? '')![1]! : invite.uri;
    const ack = SipMessage.request('ACK', target).add('Via', response.status < 300 ? `${this.#via};branch=z9hG4bKw${process.pid}x${serial += 1}` : invite.get('via')!).add('Max-Forwards', '70');
    for (const name of ['From', 'Call-ID']) ack.add(name, invite.get(name)!);
    return ack.add('To', response.get('to')!).add('CSeq', invite.get('cseq')!.replace('INVITE', 'ACK'));
  }

  /** Another request in the dialog of an INVITE that it sent, or, with `theirs`, of one that it answered. */
  follow(method: string, invite: SipMessage, response: SipMessage, theirs = false, extra: Extra = {}, body = ''): SipMessage {
    const target = /<([^>]+)>/.exec((theirs ? invite : response).get('contact') ?? '')![1]!;
    const message = this.request(method, target, { ...extra, 'Call-ID': invite.get('call-id')!, From: (theirs ? response.get('to') : invite.get('from'))!, To: (theirs ? invite.get('from') : response.get('to'))! }, body);
    for (const route of (theirs ? invite : response).list('record-route')) message.add('Route', route);
    return message;
  }

  answer(request: SipMessage, status: number, extra: Extra = {}, body = ''): SipMessage {
    const response = responseTo(request, status, undefined, tagOf(request.get('to')!) ?? `w-${this.user}-${request.get('call-id')!.slice(0, 20)}`);
    if (status < 300 && status > 100 && (request.method === 'INVITE' || request.method === 'UPDATE')) response.set('Contact', this.contact.replace(/>.*$/, '>'));
    for (const [name, value] of Object.entries(extra)) response.set(name, value);
    if (body !== '') response.setBody(body, 'application/sdp');
    this.send(response);
    return response;
  }

  async close(): Promise<void> {
    this.socket.close();
    await this.until('the end of the WebSocket', () => this.closed !== null).catch(() => this.socket.terminate());
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) {
      this.#waiting.delete(wake);
      wake();
    }
  }
}

/** The status with which a WebSocket is refused; 101: it is not. */
export async function refusal(url: string, options: Opening): Promise<number> {
  const { protocol = 'sip', ...rest } = options;
  const socket = new WebSocket(url, protocol, rest);
  return new Promise((resolve) => {
    socket.on('error', () => { /* one of the others */ });
    socket.on('unexpected-response', (_request, response) => { resolve(response.statusCode ?? 0); response.resume(); });
    socket.on('open', () => { resolve(101); socket.close(); });
    socket.on('close', () => resolve(0));
  });
}

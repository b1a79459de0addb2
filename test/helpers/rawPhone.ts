import { createSocket, type Socket as Datagrams } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { digestResponse, parseAuthValues } from '../../lib/sip/digest.js';
import { parseMessage, SipMessage } from '../../lib/sipserver/parser/index.js';

/** A request to be sent; everything that is left out is what a decent phone would say. */
export interface RawRequest {
  readonly method?: string;
  readonly user?: string;
  readonly uri?: string;
  readonly to?: string;
  readonly from?: string;
  readonly callId?: string;
  readonly cseq?: number;
  readonly contact?: string | null;
  readonly expires?: number;
  /** Header lines as they are. */
  readonly lines?: readonly string[];
  readonly body?: string;
}

export interface DigestInput {
  readonly username: string;
  readonly password: string;
  readonly realm: string;
  readonly nonce: string;
  readonly method?: string;
  readonly uri?: string;
  readonly nc?: string;
  readonly algorithm?: 'MD5' | 'SHA-256';
}

/** When a request is sent again, ms after the first time: T1, and twice as long each time. */
const RETRANSMISSIONS = [500, 1500, 3500];

let count = 0;

/** A phone of bare UDP or TCP: what it sends is the test's own, to the letter. It answers nothing. */
export class RawPhone {
  readonly heard: SipMessage[] = [];
  readonly #domain: string;
  readonly #transport: 'UDP' | 'TCP';
  readonly #here: string;
  readonly #write: (text: string) => void;
  readonly #close: () => void;
  readonly #waiting: { test: (message: SipMessage) => boolean; resolve: (message: SipMessage) => void }[] = [];

  private constructor(domain: string, transport: 'UDP' | 'TCP', here: string, write: (text: string) => void, close: () => void) {
    this.#domain = domain;
    this.#transport = transport;
    this.#here = here;
    this.#write = write;
    this.#close = close;
  }

  static async open(domain: string, transport: 'udp' | 'tcp', to: { readonly host: string; readonly port: number }, address = '127.0.0.1', port = 0): Promise<RawPhone> {
    if (transport === 'udp') {
      const socket: Datagrams = createSocket('udp4');
      socket.bind(port, address);
      await once(socket, 'listening');
      const phone: RawPhone = new RawPhone(domain, 'UDP', `${address}:${socket.address().port}`, (text) => socket.send(Buffer.from(text, 'latin1'), to.port, to.host), () => socket.close());
      socket.on('message', (data) => phone.#take(data));
      return phone;
    }
    const socket: Socket = connect({ host: to.host, port: to.port, localAddress: address, localPort: port === 0 ? undefined : port });
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    const phone: RawPhone = new RawPhone(domain, 'TCP', `${address}:${socket.localPort}`, (text) => socket.write(Buffer.from(text, 'latin1')), () => socket.destroy());
    let rest = Buffer.alloc(0);
    socket.on('data', (data) => {
      rest = Buffer.concat([rest, data]);
      for (;;) {
        const end = rest.indexOf('\r\n\r\n');
        if (end < 0) return;
        const length = end + 4 + Number(/^(?:content-length|l)\s*:\s*(\d+)/im.exec(rest.toString('latin1', 0, end))?.[1] ?? 0);
        if (rest.length < length) return;
        phone.#take(rest.subarray(0, length));
        rest = rest.subarray(length);
      }
    });
    return phone;
  }

  /** host:port it sends from. */
  get here(): string {
    return this.#here;
  }

  /** Sends and gives the final response; fails after `patience` ms. Over UDP it sends again what nothing is heard of (RFC 3261 §17.1.1.2, §17.1.2.2). */
  async ask(request: RawRequest, patience = 8000): Promise<SipMessage> {
    const { text, callId, cseq } = this.#text(request);
    const final = this.#next(`an answer to ${cseq}`, (message) => message.status >= 200 && message.get('call-id') === callId && message.get('cseq') === cseq, patience);
    this.#write(text);
    const answered = (): boolean => this.heard.some((message) => message.get('call-id') === callId && message.get('cseq') === cseq);
    const again = this.#transport === 'TCP' ? [] : RETRANSMISSIONS.map((ms) => setTimeout(() => { if (!answered()) this.#write(text); }, ms));
    const response = await final.finally(() => { for (const timer of again) clearTimeout(timer); });
    if ((request.method ?? 'REGISTER') === 'INVITE') this.#write(text.replace(/^INVITE/, 'ACK').replace(/^CSeq: (\d+) INVITE/m, 'CSeq: $1 ACK').replace(/^To: .*$/m, `To: ${response.get('to') ?? ''}`).replace(/^Content-Type.*\r\n/m, '').replace(/^Content-Length: .*[^]*$/m, 'Content-Length: 0\r\n\r\n'));
    return response;
  }

  /** Sends and waits for nothing. */
  throw(request: RawRequest): void {
    this.#write(this.#text(request).text);
  }

  /** Asks, answers the challenge, and gives the answer to that. `lines`: header lines of the second request, given our credentials. */
  async authenticated(request: RawRequest, who: { readonly username: string; readonly password: string }, lines: (ours: string) => readonly string[] = (ours) => [`Authorization: ${ours}`]): Promise<SipMessage> {
    const callId = request.callId ?? RawPhone.newCallId();
    const cseq = request.cseq ?? 1;
    const first = await this.ask({ ...request, callId, cseq });
    if (first.status !== 401) return first;
    const method = request.method ?? 'REGISTER';
    const uri = request.uri ?? `sip:${this.#domain}`;
    return this.ask({ ...request, callId, cseq: cseq + 1, lines: [...request.lines ?? [], ...lines(digestValue({ ...who, realm: this.#domain, nonce: nonceOf(first), method, uri }))] });
  }

  static newCallId(): string {
    return `raw-phone-${process.pid}-${count += 1}`;
  }

  close(): void {
    this.#close();
  }

  #text({ method = 'REGISTER', user = '6001', uri = `sip:${this.#domain}`, to, from, callId = RawPhone.newCallId(), cseq = 1, contact, expires, lines = [], body = '' }: RawRequest): { text: string; callId: string; cseq: string } {
    const aor = `<sip:${user}@${this.#domain}>`;
    const id = count += 1;
    const text = [
      `${method} ${uri} SIP/2.0`, `Via: SIP/2.0/${this.#transport} ${this.#here};rport;branch=z9hG4bKraw${process.pid}x${id}`, 'Max-Forwards: 70',
      `From: ${from ?? aor};tag=t${id}`, `To: ${to ?? (method === 'REGISTER' ? aor : `<${uri}>`)}`, `Call-ID: ${callId}`, `CSeq: ${cseq} ${method}`,
      ...(contact === null ? [] : [`Contact: ${contact ?? `<sip:${user}@${this.#here}${this.#transport === 'TCP' ? ';transport=tcp' : ''}>`}`]),
      ...(expires === undefined ? [] : [`Expires: ${expires}`]), ...lines,
      ...(body === '' ? [] : ['Content-Type: application/sdp']), `Content-Length: ${Buffer.byteLength(body, 'latin1')}`, '', body,
    ].join('\r\n');
    return { text, callId, cseq: `${cseq} ${method}` };
  }

  #next(what: string, test: (message: SipMessage) => boolean, patience: number): Promise<SipMessage> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`waited ${patience} ms for ${what}; heard ${this.heard.map((m) => m.startLine()).join(' | ')}`)), patience);
      this.#waiting.push({ test, resolve: (message) => { clearTimeout(timer); resolve(message); } });
    });
  }

  #take(data: Buffer): void {
    const parsed = parseMessage(data);
    const message = 'message' in parsed ? parsed.message : null;
    if (!(message instanceof SipMessage)) return;
    this.heard.push(message);
    for (const waiter of this.#waiting.splice(0)) {
      if (waiter.test(message)) waiter.resolve(message);
      else this.#waiting.push(waiter);
    }
  }
}

/** A Digest value for (Proxy-)Authorization. */
export function digestValue({ username, password, realm, nonce, method = 'REGISTER', uri = `sip:${realm}`, nc = '00000001', algorithm = 'MD5' }: DigestInput): string {
  const response = digestResponse({ algorithm, username, password, realm, method, uri, nonce, qop: { value: 'auth', cnonce: 'c0ffee', nc } });
  return `Digest username="${username}", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${response}", algorithm=${algorithm}, cnonce="c0ffee", qop=auth, nc=${nc}`;
}

/** The challenge of a 401 or 407. */
export function challengeOf(response: SipMessage): ReadonlyMap<string, string> {
  return parseAuthValues(response.get('www-authenticate') ?? response.get('proxy-authenticate') ?? '')[0]?.params ?? new Map<string, string>();
}

export function nonceOf(response: SipMessage): string {
  return challengeOf(response).get('nonce') ?? '';
}

import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { WabError } from '../../errors.js';
import { bdecode, bencode, type Bencoded } from './bencode.js';

export type NgCommand = { readonly [key: string]: Bencoded | undefined };
export type NgAnswer = { readonly [key: string]: Bencoded };

/** Milliseconds after which an unanswered request is sent again, each time with the same cookie. */
const RESEND_AFTER = [250, 500, 1000];

interface Pending {
  readonly resolve: (answer: NgAnswer) => void;
  readonly reject: (error: Error) => void;
  timer: NodeJS.Timeout | null;
}

/**
 * Client of one rtpengine's ng control socket: bencoded dictionaries over UDP, each after a cookie.
 * A repeated request carries the same cookie, which the engine answers from its cache (rtpengine README, "The ng protocol").
 */
export class NgClient {
  readonly address: string;
  readonly #host: string;
  readonly #port: number;
  readonly #prefix = randomBytes(6).toString('hex');
  readonly #pending = new Map<string, Pending>();
  #socket: Socket | null = null;
  #opening: Promise<Socket> | null = null;
  #count = 0;
  #closed = false;
  readonly #stopping = new AbortController();

  constructor(host: string, port: number) {
    this.#host = host;
    this.#port = port;
    this.address = isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
  }

  /**
   * Sends one command and gives its answer. `patience` is the time to wait in all, in milliseconds.
   * @throws WabError 'MEDIA_UNAVAILABLE' when nothing answers or the engine is full, 'MEDIA_REFUSED' when it answers with an error.
   */
  async request(command: string, parameters: NgCommand = {}, patience = 3000): Promise<NgAnswer> {
    const answer = await this.#exchange(bencode({ command, ...parameters }), command, patience);
    const result = answer['result'];
    if (result === 'ok' || result === 'pong') return answer;
    const reason = String(answer['error-reason'] ?? answer['message'] ?? result ?? 'no result');
    // "load limit" and exhausted ports are states of the engine, not faults of the request.
    const full = result === 'load limit' || /\b(ran out of|no (free|more)|limit)\b/i.test(reason);
    throw new WabError(full ? 'MEDIA_UNAVAILABLE' : 'MEDIA_REFUSED', `${this.address} answers ${command} with: ${reason}`);
  }

  async #exchange(body: string, command: string, patience: number): Promise<NgAnswer> {
    const socket = await this.#open();
    const cookie = `${this.#prefix}_${(this.#count += 1).toString(36)}`;
    const message = Buffer.from(`${cookie} ${body}`);
    const deadline = performance.now() + patience;
    return new Promise((resolve, reject) => {
      const send = (attempt: number): void => {
        if (this.#closed) return;
        const left = deadline - performance.now();
        if (left <= 0) {
          this.#pending.delete(cookie);
          reject(new WabError('MEDIA_UNAVAILABLE', `${this.address} does not answer ${command}`));
          return;
        }
        socket.send(message, this.#port, this.#host, () => { /* a lost datagram is sent again */ });
        pending.timer = setTimeout(send, Math.min(left, RESEND_AFTER[attempt] ?? 1000), attempt + 1);
      };
      const pending: Pending = { resolve, reject, timer: null };
      this.#pending.set(cookie, pending);
      send(0);
    });
  }

  #open(): Promise<Socket> {
    if (this.#closed) return Promise.reject(new WabError('MEDIA_UNAVAILABLE', `${this.address} was closed`));
    this.#opening ??= this.#bind();
    return this.#opening;
  }

  async #bind(): Promise<Socket> {
    const socket = createSocket({ type: isIPv6(this.#host) ? 'udp6' : 'udp4', recvBufferSize: 1 << 20 });
    this.#socket = socket;
    socket.on('message', (data) => this.#receive(data));
    socket.on('error', () => { /* seen by the requests that time out */ });
    socket.bind(0);
    try {
      await once(socket, 'listening', { signal: this.#stopping.signal });
    } catch (cause) {
      throw new WabError('MEDIA_UNAVAILABLE', `no socket towards ${this.address}`, { cause });
    }
    return socket;
  }

  #receive(data: Buffer): void {
    const space = data.indexOf(0x20);
    if (space < 0) return;
    const cookie = data.toString('latin1', 0, space);
    const pending = this.#pending.get(cookie);
    if (!pending) return;
    this.#pending.delete(cookie);
    if (pending.timer) clearTimeout(pending.timer);
    try {
      const answer = bdecode(data.subarray(space + 1));
      if (typeof answer !== 'object' || Array.isArray(answer)) throw new RangeError('not a dictionary');
      pending.resolve(answer as NgAnswer);
    } catch (cause) {
      pending.reject(new WabError('MEDIA_REFUSED', `${this.address} sent an unreadable answer`, { cause }));
    }
  }

  /** Rejects what is under way and frees the socket; may be called twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopping.abort();
    for (const pending of this.#pending.values()) {
      if (pending.timer) clearTimeout(pending.timer);
      pending.reject(new WabError('MEDIA_UNAVAILABLE', `${this.address} was closed`));
    }
    this.#pending.clear();
    this.#socket?.close();
    this.#socket = null;
  }
}

import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { WabError } from '../../errors.js';
import { patience } from '../../util/patience.js';
import { bdecode, bencode, type Bencoded } from './bencode.js';
import { hostPort, udpFamily } from '../../util/hostPort.js';

export type NgCommand = { readonly [key: string]: Bencoded | undefined };
export type NgAnswer = { readonly [key: string]: Bencoded };

/** Milliseconds after which an unanswered request is sent again, each time with the same cookie; the last one repeats. */
const RESEND_AFTER = [250, 500, 1000, 2000] as const;
const RESEND_AT_LAST = 2000;
/** How often a request has been sent when its answer counts as late: 750 ms. */
const LATE_ATTEMPT = 2;
/** How long the refusal of a port may take to come, in milliseconds. */
const REFUSAL_PATIENCE = 500;

interface Pending {
  readonly resolve: (answer: NgAnswer) => void;
  readonly reject: (error: Error) => void;
  /** Takes back what waits for the answer. */
  cancel: () => void;
  /** Milliseconds waited so far, as far as they count. */
  waited: number;
}

/** What a client notices of its engine by the way. */
export interface NgWitness {
  /** An answer came, so many milliseconds after it was asked for; a stall of ours counts little. */
  answered(waitedMs: number): void;
  /** A request has waited long for its answer, and still does. */
  late(): void;
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
  readonly #witness: NgWitness | null;

  constructor(host: string, port: number, witness: NgWitness | null = null) {
    this.#host = host;
    this.#port = port;
    this.#witness = witness;
    this.address = hostPort(host, port);
  }

  /**
   * Sends one command and gives its answer. `patienceMs` is the time to wait in all, without stalls of ours.
   * @throws WabError 'MEDIA_UNAVAILABLE' when nothing answers or the engine is full, 'MEDIA_REFUSED' when it answers with an error.
   */
  async request(command: string, parameters: NgCommand = {}, patienceMs = 3000): Promise<NgAnswer> {
    const answer = await this.#exchange(bencode({ command, ...parameters }), command, patienceMs);
    const result = answer['result'];
    if (result === 'ok' || result === 'pong') return answer;
    const reason = String(answer['error-reason'] ?? answer['message'] ?? result ?? 'no result');
    // "load limit" and exhausted ports are states of the engine, not faults of the request.
    const full = result === 'load limit' || /\b(ran out of|no (free|more)|limit)\b/i.test(reason);
    throw new WabError(full ? 'MEDIA_UNAVAILABLE' : 'MEDIA_REFUSED', `${this.address} answers ${command} with: ${reason}`);
  }

  async #exchange(body: string, command: string, patienceMs: number): Promise<NgAnswer> {
    const socket = await this.#open();
    const cookie = `${this.#prefix}_${(this.#count += 1).toString(36)}`;
    const message = Buffer.from(`${cookie} ${body}`);
    return new Promise((resolve, reject) => {
      const pending: Pending = { resolve, reject, cancel: () => undefined, waited: 0 };
      const send = (attempt: number): void => {
        if (this.#closed) return;
        const left = patienceMs - pending.waited;
        if (left <= 0) {
          this.#pending.delete(cookie);
          reject(new WabError('MEDIA_UNAVAILABLE', `${this.address} does not answer ${command}`));
          return;
        }
        if (attempt === LATE_ATTEMPT) this.#witness?.late();
        socket.send(message, this.#port, this.#host, () => { /* a lost datagram is sent again */ });
        const step = Math.min(left, RESEND_AFTER[attempt] ?? RESEND_AT_LAST);
        pending.cancel = patience(step, () => {
          pending.waited += step;
          send(attempt + 1);
        });
      };
      this.#pending.set(cookie, pending);
      send(0);
    });
  }

  #open(): Promise<Socket> {
    if (this.#closed) return Promise.reject(new WabError('MEDIA_UNAVAILABLE', `${this.address} was closed`));
    this.#opening ??= this.#bind();
    return this.#opening;
  }

  /** Not connected: an engine that listens on every address may answer from another than the one it was asked at. */
  async #bind(): Promise<Socket> {
    const socket = createSocket({ type: udpFamily(this.#host), recvBufferSize: 1 << 20 });
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
    pending.cancel();
    this.#witness?.answered(pending.waited);
    try {
      const answer = bdecode(data.subarray(space + 1));
      if (typeof answer !== 'object' || Array.isArray(answer)) throw new RangeError('not a dictionary');
      pending.resolve(answer as NgAnswer);
    } catch (cause) {
      pending.reject(new WabError('MEDIA_REFUSED', `${this.address} sent an unreadable answer`, { cause }));
    }
  }

  /**
   * Whether the engine's machine says that nobody listens there (ICMP port unreachable), which the kernel tells a connected socket only.
   * False when nothing comes within half a second.
   */
  async refused(): Promise<boolean> {
    const socket = createSocket(udpFamily(this.#host));
    socket.on('error', () => { /* one that is seen below, or comes after it */ });
    try {
      socket.connect(this.#port, this.#host);
      await once(socket, 'connect', { signal: this.#stopping.signal });
      socket.send(`${this.#prefix}_${(this.#count += 1).toString(36)} ${bencode({ command: 'ping' })}`);
      // Whatever comes, it is somebody.
      await once(socket, 'message', { signal: AbortSignal.timeout(REFUSAL_PATIENCE) });
      return false;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';
    } finally {
      socket.close();
    }
  }

  /** Rejects what is under way and frees the socket; may be called twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopping.abort();
    for (const pending of this.#pending.values()) {
      pending.cancel();
      pending.reject(new WabError('MEDIA_UNAVAILABLE', `${this.address} was closed`));
    }
    this.#pending.clear();
    this.#socket?.close();
    this.#socket = null;
  }
}

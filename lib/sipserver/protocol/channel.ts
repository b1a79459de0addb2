// The way to one client: a connection, or a function call where the client is in this process.
import type { Socket } from 'node:net';
import type { SipMessage } from '../parser/index.js';
import type { Guard } from '../transport/index.js';
import { bytesOf } from '../../util/bytes.js';
import { clientText, PayloadReader } from './wire.js';

/** What is said before a SIP message; given how many bytes the message has. */
export type Head = (bytes: number) => string;

export interface Channel {
  readonly destroyed: boolean;
  /** Sends one payload (binary string): its first line, and the SIP message behind it. `taken` is called when the client has it. Gives the bytes that wait until then. */
  send(head: string | Head, message: SipMessage | undefined, taken: () => void): number;
  /** Closes after what was sent has gone out. */
  end(): void;
  destroy(error?: Error): void;
}

/** Whoever hears what a client sends. */
export interface ChannelUser {
  payload(text: string): void;
  fault(error: Error): void;
  closed(): void;
}

/** A client by TCP: `LENGTH#PAYLOAD` both ways. */
export class SocketChannel implements Channel {
  private readonly reader = new PayloadReader();

  constructor(private readonly socket: Socket, user: ChannelUser, private readonly guard: Guard) {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 45_000);
    socket.on('data', (chunk: Buffer) => { guard.run('data of a client', () => { this.read(chunk, user); }); });
    socket.on('error', guard.wrap('error of a client', (error) => { user.fault(error); }));
    socket.on('close', guard.wrap('end of a client', () => { user.closed(); }));
  }

  get destroyed(): boolean {
    return this.socket.destroyed;
  }

  send(head: string | Head, message: SipMessage | undefined, taken: () => void): number {
    const sip = message === undefined ? '' : clientText(message);
    const first = typeof head === 'string' ? head : head(sip.length);
    const text = message === undefined ? first : `${first}\r\n${sip}`;
    // Called as the system takes it: the client reads.
    this.socket.write(`${text.length}#${text}`, 'latin1', this.guard.wrap('data for a client', taken));
    return text.length;
  }

  end(): void {
    this.socket.end();
  }

  destroy(error?: Error): void {
    this.socket.destroy(error);
  }

  private read(chunk: Buffer, user: ChannelUser): void {
    let payloads: readonly string[];
    try {
      payloads = this.reader.push(chunk);
    } catch (error) {
      user.fault(error instanceof Error ? error : new Error(String(error)));
      this.socket.destroy();
      user.closed();
      return;
    }
    for (const payload of payloads) if (!this.socket.destroyed) user.payload(payload);
  }
}

/** A client in this process. It is handed messages as they were parsed, and hears of its end once. */
export interface LocalClient {
  /**
   * Called within what the server does: the client reads the message now, as the server may go on writing in it, and acts on it in a later turn.
   * `head`: a payload, or the first line of the one with this message.
   */
  take(head: string, message: SipMessage | undefined, taken: () => void): void;
  closed(): void;
}

/** The same from the client's side. */
export interface LocalConnection {
  /** Gives the server one payload, text as a program has it (not bytes); it is obeyed when what is under way has run, in order. */
  order(payload: string): void;
  close(): void;
}

/** A client in this process: no socket, nothing framed, and what the server says is not written out to be read again. */
export class LocalChannel implements Channel, LocalConnection {
  destroyed = false;
  private user: ChannelUser | undefined;

  constructor(private readonly client: LocalClient, private readonly guard: Guard) {}

  /** From now on `user` hears the client. */
  open(user: ChannelUser): this {
    this.user = user;
    return this;
  }

  /** When what is under way has run: who sends has not yet noted what he sent. Before anything else comes from the network, as with a socket. */
  order(payload: string): void {
    process.nextTick(() => { this.obey(payload); });
  }

  close(): void {
    setImmediate(() => { this.destroy(); });
  }

  send(head: string | Head, message: SipMessage | undefined, taken: () => void): number {
    // Nobody counts the bytes of what is not written.
    const first = typeof head === 'string' ? head : head(0);
    this.client.take(first, message, this.guard.wrap('data for a client', taken));
    return first.length + (message?.body.length ?? 0);
  }

  end(): void {
    this.destroy();
  }

  destroy(error?: Error): void {
    if (this.destroyed) return;
    this.destroyed = true;
    if (error !== undefined) this.user?.fault(error);
    this.user?.closed();
    this.client.closed();
  }

  private obey(payload: string): void {
    if (this.destroyed) return;
    this.guard.run('data of a client', () => { this.user?.payload(bytesOf(payload)); });
  }
}

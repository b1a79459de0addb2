/** drachtio-srf's connection to a SIP server in this thread: what it takes for a socket, without one. */
import { randomUUID } from 'node:crypto';
import { Socket } from 'node:net';
import type { SipMessage } from '../sipserver/parser/index.js';
import { textOf } from '../util/bytes.js';
import { readParsed, type SrfMessage } from './srfReader.js';

/** A SIP server that takes in clients of its own thread (lib/sipserver). */
export interface LocalServer {
  join(client: LocalClient): LocalConnection;
}

/** What such a server calls; `message` is read at once, as the server may go on writing in it. */
interface LocalClient {
  take(head: string, message: SipMessage | undefined, taken: () => void): void;
  closed(): void;
}

interface LocalConnection {
  order(payload: string): void;
  close(): void;
}

/** Whoever hears the server. */
export interface LocalUser {
  /** A message of the client protocol: text, or what reads like it. */
  message(text: string): void;
  closed(): void;
}

/**
 * A message of the client protocol whose SIP message is not text: drachtio-srf asks it for its first line and for what is behind, and makes a message
 * of an object as well as of text.
 */
class Payload {
  readonly #head: string;
  readonly #message: () => SrfMessage;

  constructor(head: string, message: () => SrfMessage) {
    this.#head = head;
    this.#message = message;
  }

  /** Of the line end behind the first line; nothing else is looked for. */
  indexOf(): number {
    return this.#head.length;
  }

  slice(from: number): string | SrfMessage {
    return from === 0 ? this.#head : this.#message();
  }

  includes(text: string): boolean {
    return this.#head.includes(text);
  }

  toString(): string {
    return this.#head;
  }
}

/** drachtio-srf asks of its sockets whether they are any. */
export class LocalSocket extends Socket {
  readonly #connection: LocalConnection;

  /** Joins the server at once; what it says comes in later turns. */
  constructor(server: LocalServer, user: LocalUser) {
    super();
    this.#connection = server.join({
      take: (head, message, taken) => {
        const text = textOf(head);
        const payload = message === undefined ? text : new Payload(text, reading(message));
        // In a turn of its own, as from a socket: nobody is called back while he is still in what brought it about.
        setImmediate(() => {
          taken();
          if (!this.destroyed) user.message(payload as string);
        });
      },
      closed: () => {
        setImmediate(() => {
          this.destroy();
          user.closed();
        });
      },
    });
  }

  /** Gives the server one message; its id. */
  order(text: string): string {
    const id = randomUUID();
    this.#connection.order(`${id}|${text}`);
    return id;
  }

  override end(): this {
    this.#connection.close();
    return this;
  }
}

/** A response of ours that comes back as it was sent is not written in any more, and hardly anybody reads it. */
function reading(message: SipMessage): () => SrfMessage {
  if (!message.isRequest) return () => readParsed(message);
  const read = readParsed(message);
  return () => read;
}

// One drachtio client: its connection, what it has asked for, and the replies it is owed.
import { randomUUID } from 'node:crypto';
import type { SipMessage } from '../parser/index.js';
import type { Guard } from '../transport/index.js';
import type { Channel, ChannelUser, Head } from './channel.js';
import { parseCommand } from './wire.js';
import type { Command } from './wire.js';

/** Who handles what a client sends. */
export interface SessionOwner {
  command(session: Session, command: Command): void;
  sessionClosed(session: Session): void;
  sessionFault(session: Session, error: Error): void;
  /** More waits for it than it reads; and that this is over. */
  sessionCrowded(session: Session, is: boolean): void;
  readonly guard: Guard;
}

/** Bytes waiting for a client at which requests of strangers, and then those of others, are not handed to it. */
const CROWDED = 1024 * 1024;
const OVERFULL = 4 * 1024 * 1024;

/** A client that reads nothing for this long, ms, while more than that waits for it, hangs and is given up; at the second figure in any case. */
const HANGS_FOR = 60_000;
const HANGS_WITH = 16 * 1024 * 1024;
const MOST = 256 * 1024 * 1024;

export class Session {
  authenticated = false;
  closed = false;
  readonly tags = new Set<string>();
  private crowded = false;
  private unread = 0;
  /** When the client last read something, or had little to read. */
  private lastRead = Date.now();
  private readonly channel: Channel;

  constructor(readonly id: number, open: (user: ChannelUser) => Channel, private readonly owner: SessionOwner) {
    this.channel = open({
      payload: (text) => { if (!this.closed) this.obey(text); },
      fault: (error) => { owner.sessionFault(this, error); },
      closed: () => { this.finish(); },
    });
  }

  /** Sends one payload (binary string) under a message id of its own; `message`: the SIP message behind its first line. */
  send(payload: string | Head, message?: SipMessage): void {
    if (this.closed || this.channel.destroyed) return;
    const id = randomUUID();
    let waits = 0;
    const head = typeof payload === 'string' ? `${id}|${payload}` : (bytes: number): string => `${id}|${payload(bytes)}`;
    waits = this.channel.send(head, message, () => {
      this.unread -= waits;
      this.lastRead = Date.now();
      this.judge();
    });
    this.unread += waits;
    this.judge();
  }

  /** So much waits that nothing new is to be handed to this client. */
  get overfull(): boolean {
    return this.unread > OVERFULL;
  }

  /** Answers the client's message `id`. `rest` is everything behind OK or NOK. */
  reply(id: string, ok: 'OK' | 'NO' | 'NOK', rest?: string): void {
    this.send(`response|${id}|${ok}${rest === undefined ? '' : `|${rest}`}`);
  }

  /** Answers it with what has been sent. */
  sent(id: string, rest: Head, message: SipMessage): void {
    this.send((bytes) => `response|${id}|OK|${rest(bytes)}`, message);
  }

  /** Closes after what was sent has gone out. */
  end(): void {
    this.channel.end();
  }

  close(): void {
    this.channel.destroy();
    this.finish();
  }

  /** One command that cannot be carried out concerns one call; all the others live by this connection, too. */
  private obey(payload: string): void {
    try {
      this.owner.command(this, parseCommand(payload));
    } catch (error) {
      this.owner.guard.fault('command of a client', error);
      this.reply(payload.split('|', 1)[0] ?? '', 'NOK', 'internal error');
    }
  }

  private judge(): void {
    if (this.closed) return;
    const is = this.unread > CROWDED;
    if (is !== this.crowded) {
      this.crowded = is;
      this.owner.sessionCrowded(this, is);
    }
    if (!is) this.lastRead = Date.now();
    // A burst passes. Only who reads nothing for long is given up: with it go its calls.
    else if (this.unread > MOST || (this.unread > HANGS_WITH && Date.now() - this.lastRead > HANGS_FOR)) this.channel.destroy(new Error('client does not read'));
  }

  private finish(): void {
    if (this.closed) return;
    this.closed = true;
    this.owner.sessionClosed(this);
  }
}

/** A message of a client's, which waits for what came of it. */
export class Order {
  constructor(readonly session: Session, private readonly id: string) {}

  /** Carried out: this message was sent. `rest` is everything behind OK but the message. */
  sent(message: SipMessage, rest: Head): void {
    this.session.sent(this.id, rest, message);
  }

  /** Carried out. `rest` is everything behind OK. */
  done(rest: string): void {
    this.session.reply(this.id, 'OK', rest);
  }

  /** Not carried out, and why, in drachtio's words. */
  refuse(why: string): void {
    this.session.reply(this.id, 'NOK', why);
  }
}

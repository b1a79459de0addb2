// One drachtio client: its connection, what it has asked for, and the replies it is owed.
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Guard } from '../transport/index.js';
import { PayloadReader, parseCommand } from './wire.js';
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
  private readonly reader = new PayloadReader();

  constructor(readonly id: number, private readonly socket: Socket, private readonly owner: SessionOwner) {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 45_000);
    const { guard } = owner;
    socket.on('data', (chunk: Buffer) => { guard.run('data of a client', () => { this.read(chunk); }); });
    socket.on('error', guard.wrap('error of a client', (error) => { owner.sessionFault(this, error); }));
    socket.on('close', guard.wrap('end of a client', () => { this.finish(); }));
  }

  /** Sends one payload (binary string) under a message id of its own. */
  send(payload: string): void {
    if (this.closed || this.socket.destroyed) return;
    const text = `${randomUUID()}|${payload}`;
    this.unread += text.length;
    this.socket.write(`${text.length}#${text}`, 'latin1', this.owner.guard.wrap('data for a client', () => {
      // Called as the system takes it: the client reads.
      this.unread -= text.length;
      this.lastRead = Date.now();
      this.judge();
    }));
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

  /** Closes after what was sent has gone out. */
  end(): void {
    this.socket.end();
  }

  close(): void {
    this.socket.destroy();
    this.finish();
  }

  private read(chunk: Buffer): void {
    let payloads: readonly string[];
    try {
      payloads = [...this.reader.push(chunk)];
    } catch (error) {
      this.owner.sessionFault(this, error instanceof Error ? error : new Error(String(error)));
      this.close();
      return;
    }
    for (const payload of payloads) {
      if (this.closed) return;
      this.obey(payload);
    }
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
    else if (this.unread > MOST || (this.unread > HANGS_WITH && Date.now() - this.lastRead > HANGS_FOR)) this.socket.destroy(new Error('client does not read'));
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

  /** Carried out. `rest` is everything behind OK. */
  done(rest: string): void {
    this.session.reply(this.id, 'OK', rest);
  }

  /** Not carried out, and why, in drachtio's words. */
  refuse(why: string): void {
    this.session.reply(this.id, 'NOK', why);
  }
}

// One drachtio client: its connection, what it has asked for, and the replies it is owed.
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { PayloadReader, parseCommand } from './wire.js';
import type { Command } from './wire.js';

/** Who handles what a client sends. */
export interface SessionOwner {
  command(session: Session, command: Command): void;
  sessionClosed(session: Session): void;
  sessionFault(session: Session, error: Error): void;
}

/** Bytes waiting for a client that does not read, at which it is taken for dead. */
const MOST_UNREAD = 64 * 1024 * 1024;

export class Session {
  authenticated = false;
  closed = false;
  readonly tags = new Set<string>();
  private readonly reader = new PayloadReader();

  constructor(readonly id: number, private readonly socket: Socket, private readonly owner: SessionOwner) {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 45_000);
    socket.on('data', (chunk: Buffer) => { this.read(chunk); });
    socket.on('error', (error) => { owner.sessionFault(this, error); });
    socket.on('close', () => { this.finish(); });
  }

  /** Sends one payload (binary string) under a message id of its own. */
  send(payload: string): void {
    if (this.closed || this.socket.destroyed) return;
    const text = `${randomUUID()}|${payload}`;
    this.socket.write(`${text.length}#${text}`, 'latin1');
    if (this.socket.writableLength > MOST_UNREAD) this.socket.destroy(new Error('client does not read'));
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
    try {
      for (const payload of this.reader.push(chunk)) {
        if (this.closed) return;
        this.owner.command(this, parseCommand(payload));
      }
    } catch (error) {
      this.owner.sessionFault(this, error instanceof Error ? error : new Error(String(error)));
      this.close();
    }
  }

  private finish(): void {
    if (this.closed) return;
    this.closed = true;
    this.owner.sessionClosed(this);
  }
}

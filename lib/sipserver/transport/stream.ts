// A TCP or TLS connection as a flow: framing, keep-alive, slow and idle peers, bounded output.
import type { Socket } from 'node:net';
import { plainAddress } from './flow.js';
import type { Address, Flow, FlowUser, Protocol } from './flow.js';
import { StreamFramer } from './framer.js';
import type { SipLimits, TransportCounters } from './limits.js';

/** What a connection tells its owner. */
export interface StreamOwner {
  readonly limits: SipLimits;
  readonly counters: TransportCounters;
  streamMessage(flow: StreamFlow, bytes: Buffer): void;
  /** The stream cannot be framed any more; it is closed after this call. `head` holds what arrived of the message. */
  streamFault(flow: StreamFlow, reason: 'too large' | 'no length', head: Buffer): void;
  streamSent(flow: StreamFlow, text: string): void;
  streamClosed(flow: StreamFlow, error: Error | undefined): void;
}

export class StreamFlow implements Flow {
  readonly local: Address;
  closed = false;
  used = false;
  lastActivity: number;
  /** When the peer was last heard of. */
  lastHeard: number;
  readonly openedAt: number;
  private messageSince = 0;       // when the message being read began; 0 when none is
  private messages = 0;
  private readonly users = new Set<FlowUser>();
  private readonly framer: StreamFramer;
  private failure: Error | undefined;

  constructor(
    readonly id: number, readonly protocol: Protocol, readonly accepted: boolean,
    private readonly socket: Socket, private readonly owner: StreamOwner, readonly remote: Address,
    readonly verifiedHost: string | undefined, now: number,
  ) {
    this.local = { address: plainAddress(socket.localAddress ?? ''), port: socket.localPort ?? 0 };
    this.lastActivity = this.lastHeard = this.openedAt = now;
    this.framer = new StreamFramer(owner.limits.messageBytes);
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => { this.read(chunk); });
    socket.on('error', (error) => { this.failure ??= error; });
    // A peer that ends its side cannot be answered sensibly later: the connection goes as a whole.
    socket.on('end', () => { socket.end(); });
    socket.on('close', () => { this.finish(this.failure); });
  }

  send(text: string): boolean {
    if (this.closed || this.failure !== undefined || this.socket.destroyed) return false;
    if (this.socket.writableLength + text.length > this.owner.limits.unsentBytes) {
      this.owner.counters.unsentOverflows++;
      this.destroy(new Error(`${this.protocol} peer does not read`));
      return false;
    }
    this.lastActivity = Date.now();
    this.used = true;
    this.socket.write(text, 'latin1');
    if (text.length > 4) this.owner.streamSent(this, text);
    return true;
  }

  /** True once a whole message has come. */
  get spoken(): boolean {
    return this.messages > 0;
  }

  addUser(user: FlowUser): void {
    this.users.add(user);
  }

  removeUser(user: FlowUser): void {
    this.users.delete(user);
  }

  /** Called about once a second: closes a connection that has broken a time limit. */
  check(now: number): void {
    const { limits, counters } = this.owner;
    if (this.messageSince > 0 && now - this.messageSince > limits.messageTime) {
      counters.slowMessages++;
      this.destroy(new Error('message arrives too slowly'));
    } else if (this.accepted && this.messages === 0 && now - this.openedAt > limits.firstMessageTime) {
      counters.firstMessageTimeouts++;
      this.destroy(new Error('no message on a new connection'));
    } else if (now - this.lastActivity > limits.idleTime) {
      counters.idleClosed++;
      this.close();
    }
  }

  /** Orderly close: what was sent still goes out. */
  close(): void {
    if (this.closed) return;
    this.socket.end();
    // The peer may never end its side; nothing more is read from it.
    this.socket.destroySoon();
  }

  destroy(error: Error): void {
    if (this.closed) return;
    this.failure ??= error;
    this.socket.destroy();
    this.finish(this.failure);
  }

  private read(chunk: Buffer): void {
    if (this.closed) return;
    const now = Date.now();
    this.lastActivity = this.lastHeard = now;
    for (const frame of this.framer.push(chunk)) {
      if (this.closed) return;
      if (frame.kind === 'message') {
        this.messages++;
        this.owner.streamMessage(this, frame.bytes);
      } else if (frame.kind === 'ping') this.send('\r\n');
      else {
        this.owner.streamFault(this, frame.reason, frame.head);
        this.close();
        return;
      }
    }
    if (!this.framer.pending) this.messageSince = 0;
    else if (this.messageSince === 0) this.messageSince = now;
  }

  private finish(error: Error | undefined): void {
    if (this.closed) return;
    this.closed = true;
    const users = [...this.users];
    this.users.clear();
    this.owner.streamClosed(this, error);
    for (const user of users) user.flowClosed(this, error);
  }
}

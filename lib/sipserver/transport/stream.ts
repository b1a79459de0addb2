// A connection over TCP, with TLS or not, as a flow: framing, keep-alive, slow and idle peers, bounded output.
import type { Socket } from 'node:net';
import { plainAddress } from './flow.js';
import type { Address, Flow, FlowUser, Protocol } from './flow.js';
import { isKnown } from './flow.js';
import { StreamFramer } from './framer.js';
import type { Frame, Framer, Unreadable } from './framer.js';
import type { Guard } from '../../util/guard.js';
import type { SipLimits, TransportCounters } from './limits.js';
import type { Shown } from './clients.js';
import type { SourceClass, Sources } from './sources.js';

/** What a connection tells its owner. */
export interface StreamOwner {
  readonly limits: SipLimits;
  readonly counters: TransportCounters;
  readonly guard: Guard;
  readonly sources: Sources;
  /** So many bytes, and so many keep-alives, came from a stranger, or keep-alives from anybody: false when that is too much. */
  streamBytes(flow: StreamFlow, bytes: number): boolean;
  streamPings(flow: StreamFlow, count: number): boolean;
  /** See `Flow.certified`. */
  certified(shown: Shown): readonly string[];
  /** See `Flow.proved`. */
  streamProved(flow: StreamFlow): void;
  streamMessage(flow: StreamFlow, bytes: Buffer): void;
  /** The stream cannot be framed any more; it is closed after this call. `head` holds what arrived of the message. */
  streamFault(flow: StreamFlow, reason: Unreadable, head: Buffer): void;
  streamSent(flow: StreamFlow, text: string): void;
  /** Its WebSocket is not opened, and it is closed after this call. `foreign`: the origin of the page, where that is why. */
  streamRefused(flow: StreamFlow, foreign: string | null): void;
  streamClosed(flow: StreamFlow, error: Error | undefined): void;
}

/** What is known of a connection when it is there; see `Flow`. */
export type Connection = Pick<Flow, 'id' | 'protocol' | 'accepted' | 'remote' | 'verifiedHost'> & {
  /** What the far end of an accepted connection has shown. */
  readonly shown?: Shown | undefined;
};

/** After so long without a word the other side of a WebSocket is asked whether it is there, and has so long to answer, ms: NATs forget sooner than a minute. */
const PING_AFTER = 25_000;
const PONG_WITHIN = 20_000;

/** RFC 5626 §4.4.1. */
const PONG = Buffer.from('\r\n');

export class StreamFlow implements Flow {
  readonly id: number;
  readonly protocol: Protocol;
  readonly accepted: boolean;
  readonly remote: Address;
  readonly verifiedHost: string | undefined;
  readonly local: Address;
  closed = false;
  used = false;
  lastActivity: number;
  /** When the peer was last heard of. */
  lastHeard: number;
  readonly openedAt: number;
  traced: boolean;
  /** Credentials were verified in a request by this connection; that counts until then. */
  authenticatedUntil = 0;
  /** When something came that only a party to a dialog or transaction of ours can send. */
  private lastProved: number;
  private readonly shown: Shown | undefined;
  private paused = false;
  private messageSince = 0;       // when the message being read began; 0 when none is
  private messages = 0;
  private pingedAt = 0;           // when it was asked whether it is there; 0 while it need not answer
  private readonly users = new Set<FlowUser>();
  private failure: Error | undefined;

  constructor(private readonly socket: Socket, private readonly owner: StreamOwner, { id, protocol, accepted, remote, verifiedHost, shown }: Connection,
    private readonly framer: Framer = new StreamFramer(owner.limits.messageBytes)) {
    this.id = id;
    this.protocol = protocol;
    this.accepted = accepted;
    this.remote = remote;
    this.verifiedHost = verifiedHost;
    this.shown = shown;
    this.local = { address: plainAddress(socket.localAddress ?? ''), port: socket.localPort ?? 0 };
    this.lastActivity = this.lastHeard = this.openedAt = this.lastProved = Date.now();
    this.traced = !accepted;
    socket.setNoDelay(true);
    const { guard } = owner;
    socket.on('data', (chunk: Buffer) => { guard.run('data of a connection', () => { this.read(chunk); }); });
    // Some errors of TLS close nothing by themselves.
    socket.on('error', guard.wrap('error of a connection', (error) => { this.destroy(error); }));
    // A peer that ends its side cannot be answered sensibly later: the connection goes as a whole.
    socket.on('end', () => { socket.end(); });
    socket.on('close', guard.wrap('end of a connection', () => { this.finish(this.failure); }));
  }

  get source(): SourceClass {
    if (!this.accepted) return 'known';
    const judged = this.owner.sources.byAddress(this.protocol, this.remote.address);
    return judged !== 'known' && (this.authenticatedUntil > Date.now() || this.certified.length > 0) ? 'authenticated' : judged;
  }

  get certified(): readonly string[] {
    return this.shown === undefined ? [] : this.owner.certified(this.shown);
  }

  proved(): void {
    this.lastProved = Date.now();
    this.owner.streamProved(this);
  }

  /** Reads nothing more until told otherwise. */
  pause(is: boolean): void {
    if (this.closed || is === this.paused) return;
    this.paused = is;
    if (is) this.socket.pause();
    else this.socket.resume();
  }

  send(text: string): boolean {
    if (!this.write(this.framer.encode(text))) return false;
    this.lastActivity = Date.now();
    this.used = true;
    this.owner.streamSent(this, text);
    return true;
  }

  /** Nothing can be sent on it any more: it is closed, or about to be. */
  get ending(): boolean {
    return this.closed || this.failure !== undefined || this.socket.destroyed || this.socket.writableEnded;
  }

  private write(bytes: Buffer): boolean {
    if (this.ending) return false;
    if (this.socket.writableLength + bytes.length > this.owner.limits.unsentBytes) {
      this.owner.counters.unsentOverflows++;
      this.destroy(new Error(`${this.protocol} peer does not read`));
      return false;
    }
    this.socket.write(bytes);
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
    if (this.paused) {
      // What we do not read is not late.
      this.lastActivity = this.lastHeard = this.lastProved = now;
      if (this.messageSince > 0) this.messageSince = now;
      if (this.pingedAt > 0) this.pingedAt = now;
    } else if (this.framer.opening === true && now - this.openedAt > limits.handshakeTime) {
      counters.handshakeTimeouts++;
      this.destroy(new Error('the WebSocket was not opened in time'));
    } else if (this.messageSince > 0 && now - this.messageSince > limits.messageTime) {
      counters.slowMessages++;
      this.destroy(new Error('message arrives too slowly'));
    } else if (this.accepted && this.messages === 0 && now - this.openedAt > limits.firstMessageTime) {
      counters.firstMessageTimeouts++;
      this.destroy(new Error('no message on a new connection'));
    } else if (now - this.lastProved > limits.strangers.idleTime && !isKnown(this) && !this.traced) {
      counters.strangersIdleClosed++;
      this.close();
    } else if (now - this.lastActivity > limits.idleTime) {
      counters.idleClosed++;
      this.close();
    } else this.ping(now);
  }

  /** Who has gone without a word answers no ping; over TCP and TLS there is none, as phones there ask us. */
  private ping(now: number): void {
    if (this.pingedAt > 0 && now - this.pingedAt > PONG_WITHIN) {
      this.owner.counters.idleClosed++;
      this.destroy(new Error('no answer to a ping'));
      return;
    }
    const { ping } = this.framer;
    if (ping === undefined || this.pingedAt > 0 || now - this.lastHeard < PING_AFTER) return;
    this.pingedAt = now;
    this.write(ping);
  }

  /** Orderly close: what was sent still goes out. */
  close(): void {
    if (this.closed) return;
    const { farewell } = this.framer;
    if (farewell !== undefined) this.write(farewell);
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
    const { limits } = this.owner;
    const known = isKnown(this);
    // What belongs to a dialog of ours comes by it: the floods of others are not to end that.
    if (!known && !this.traced && !this.owner.streamBytes(this, chunk.length)) {
      this.destroy(new Error('too much from a stranger'));
      return;
    }
    this.framer.maxBytes = known ? limits.messageBytes : limits.strangers.messageBytes;
    this.lastActivity = this.lastHeard = now;
    this.pingedAt = 0;
    const before = this.messages;
    for (const frame of this.framer.push(chunk)) {
      if (this.closed || !this.take(frame)) return;
    }
    if (!this.framer.pending) this.messageSince = 0;
    else if (this.messageSince === 0 || this.messages > before) this.messageSince = now;
  }

  /** False: it was the last one. */
  private take(frame: Frame): boolean {
    switch (frame.kind) {
      case 'message':
        this.messages++;
        this.owner.streamMessage(this, frame.bytes);
        return true;
      case 'ping':
        // RFC 5626 §4.4.1: a pong says that the flow is alive; one says it as well as many.
        if (this.owner.streamPings(this, frame.count) && frame.pong !== null) this.write(frame.pong ?? PONG);
        return true;
      case 'reply':
        return this.write(frame.bytes);
      case 'fault':
        this.owner.streamFault(this, frame.reason, frame.head);
        break;
      case 'refused':
        this.owner.streamRefused(this, this.framer.foreign ?? null);
        break;
      case 'end':
    }
    if (frame.bytes !== undefined) this.write(frame.bytes);
    this.close();
    return false;
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

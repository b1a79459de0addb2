// The lite side of ICE (RFC 8445 §2.5, §7.3): answers checks, never sends one, always controlled. STUN is werift's.
import { randomBytes } from 'node:crypto';
import { classes, Message, methods, parseMessage } from 'werift';
import type { MediaAddress } from './socket.js';

/** What the full side did. Times on `performance.now()`'s clock. */
export interface IceReport {
  checks: number;
  firstCheckAt: number | undefined;
  nominatedAt: number | undefined;
  /** How many different pairs were nominated. */
  nominations: number;
  /** The pair in use, as the far end's address. */
  selected: string | undefined;
  faults: string[];
}

export interface IceLiteEvents {
  send(bytes: Buffer, to: MediaAddress): void;
  /** A pair was nominated (again, if `first` is false). */
  nominated(remote: MediaAddress, first: boolean): void;
  fault(detail: string): void;
}

// RFC 8445 §7.3.1.1, RFC 8489 §14.8: both answers a lite agent may have to give.
const UNAUTHENTICATED = 401;
const ROLE_CONFLICT = 487;

export class IceLite {
  /** 16 and 24 characters, the second ending in '=' as Meta's may (META-SIP §6.1). */
  readonly ufrag = randomBytes(12).toString('base64');
  readonly pwd = randomBytes(16).toString('base64');
  private remoteUfrag: string | undefined;
  private checks = 0;
  private firstCheckAt: number | undefined;
  private nominatedAt: number | undefined;
  private nominations = 0;
  private selected: string | undefined;
  private readonly faults = new Set<string>();

  constructor(private readonly events: IceLiteEvents) {}

  /** The far end's ufrag, once its description is known. */
  expect(ufrag: string): void {
    this.remoteUfrag = ufrag;
  }

  receive(bytes: Buffer, from: MediaAddress): void {
    const plain = parseMessage(bytes);
    if (plain === undefined || plain.messageMethod !== methods.BINDING || plain.messageClass !== classes.REQUEST) return;
    const request = parseMessage(bytes, Buffer.from(this.pwd));
    const [ours, theirs] = String(plain.getAttributeValue('USERNAME') ?? '').split(':');
    if (request === undefined || ours !== this.ufrag || (this.remoteUfrag !== undefined && theirs !== this.remoteUfrag)) {
      this.fault('a check with wrong credentials');
      this.refuse(plain, from, UNAUTHENTICATED, 'Unauthorized');
      return;
    }
    // RFC 8445 §6.1.1: the full agent controls; a lite one answers the controlled role with 487 and keeps its own.
    if (request.attributesKeys.includes('ICE-CONTROLLED')) {
      this.fault('a check in the controlled role');
      this.refuse(request, from, ROLE_CONFLICT, 'Role Conflict');
      return;
    }
    this.checks++;
    this.firstCheckAt ??= performance.now();
    const response = new Message(methods.BINDING, classes.RESPONSE, request.transactionId);
    response.setAttribute('XOR-MAPPED-ADDRESS', [from.address, from.port]);
    response.addMessageIntegrity(Buffer.from(this.pwd)).addFingerprint();
    this.events.send(response.bytes, from);
    if (request.attributesKeys.includes('USE-CANDIDATE')) this.nominate(from);
  }

  report(): IceReport {
    return { checks: this.checks, firstCheckAt: this.firstCheckAt, nominatedAt: this.nominatedAt, nominations: this.nominations, selected: this.selected, faults: [...this.faults] };
  }

  private nominate(from: MediaAddress): void {
    const pair = `${from.address}:${from.port}`;
    if (pair === this.selected) return;
    const first = this.selected === undefined;
    this.selected = pair;
    this.nominations++;
    this.nominatedAt ??= performance.now();
    this.events.nominated({ address: from.address, port: from.port }, first);
  }

  private refuse(request: Message, to: MediaAddress, code: number, reason: string): void {
    const response = new Message(methods.BINDING, classes.ERROR, request.transactionId);
    response.setAttribute('ERROR-CODE', [code, reason]);
    if (code === ROLE_CONFLICT) response.addMessageIntegrity(Buffer.from(this.pwd));
    this.events.send(response.addFingerprint().bytes, to);
  }

  private fault(detail: string): void {
    if (this.faults.has(detail)) return;
    this.faults.add(detail);
    this.events.fault(detail);
  }
}

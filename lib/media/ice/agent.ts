import { randomBytes } from 'node:crypto';
import { addressKey, canonical, familyOf, type IceAddress } from './address.js';
import { CheckList, type ListOwner } from './checkList.js';
import { Role } from './role.js';
import { isSealed, readStun, writeStun, type StunAttributes, type StunMessage } from './stun.js';
import type { IceCredentials, IceOptions, IceRemote } from './types.js';

/** Refusals to those who prove nothing: so many at once, and as many a second. */
const REFUSALS = 10;

/**
 * A full ICE agent (RFC 8445) for one stream with one component, over UDP, with one socket for each family. It has no clock and no socket: `receive` is given whatever
 * begins with an octet from 0 to 3 (RFC 7983), `tick` is called every 5 ms, `now` is performance.now(). What does not prove that it knows our password changes nothing.
 */
export class IceAgent {
  readonly #options: IceOptions;
  readonly #role: Role;
  readonly #owner: ListOwner;
  #list: CheckList;
  /** During an ICE restart (RFC 8445 §9): the session whose pair is used until the new one has its own. */
  #former: CheckList | null = null;
  #isStarted = false;
  #ending: 'failed' | 'closed' | null = null;
  #refusals = { left: REFUSALS, at: -Infinity };

  constructor(options: IceOptions) {
    this.#options = options;
    const random = options.random ?? (() => randomBytes(4).readUInt32BE() / 2 ** 32);
    this.#role = new Role(options.controlling, random);
    this.#owner = {
      role: this.#role, random,
      families: new Set(options.local.map(({ address }) => familyOf(address))),
      told: new Set(options.local.map((address) => addressKey(canonical(address)))),
      send: (bytes, to) => { options.events.send(bytes, to); },
      selected: (list, remote) => { this.#selected(list, remote); },
      ended: (list, reason) => { this.#ended(list, reason); },
    };
    this.#list = new CheckList({ ufrag: options.ufrag, pwd: options.pwd }, this.#owner);
  }

  get selectedPair(): IceAddress | null {
    return this.#ending === null ? this.#list.selected ?? this.#former?.selected ?? null : null;
  }

  get state(): 'new' | 'checking' | 'connected' | 'failed' | 'closed' {
    if (this.#ending !== null) return this.#ending;
    if (this.selectedPair !== null) return 'connected';
    return this.#isStarted ? 'checking' : 'new';
  }

  get controlling(): boolean {
    return this.#role.controlling;
  }

  /** How often the other side took the role that we had. */
  get roleConflicts(): number {
    return this.#role.conflicts;
  }

  /** Other credentials of ours: an ICE restart, which `setRemote` completes. The pair in use stays so until then. */
  setLocal(credentials: IceCredentials): void {
    if (this.#ending !== 'closed') this.#restart(credentials);
  }

  /**
   * Their description; with the credentials of the last one, more candidates of it; with others, an ICE restart. The first check goes out with `start`, or, where that was
   * before, with the next `tick`.
   */
  setRemote(remote: IceRemote): void {
    if (this.#ending === 'closed') return;
    const known = this.#list.remote;
    if (known !== null && (known.ufrag !== remote.ufrag || known.pwd !== remote.pwd)) this.#restart(this.#list.local);
    if (this.#ending === 'failed') return;
    // RFC 8445 §6.1.1.
    if (remote.lite) this.#role.fix();
    else this.#role.unfix();
    this.#list.describe(remote);
  }

  /** Begins with checks. */
  start(now: number): void {
    if (this.#isStarted || this.#ending !== null) return;
    this.#isStarted = true;
    this.#list.start(now);
  }

  receive(bytes: Buffer, from: IceAddress, now: number): void {
    if (this.#ending !== null) return;
    const message = readStun(bytes);
    if (message === null) return;
    if (message.kind === 'request') this.#request(message, from, now);
    else if (message.kind !== 'indication' && !this.#list.answered(message, from, now)) this.#former?.answered(message, from, now);
  }

  tick(now: number): void {
    if (this.#ending !== null) return;
    this.#former?.tick(now);
    this.#list.tick(now);
  }

  /** Whether ICE has validated this address, by an answer to a check of ours: media and DTLS are taken from such ones only. */
  admits(from: IceAddress): boolean {
    return this.#ending === null && (this.#list.admits(from) || this.#former?.admits(from) === true);
  }

  close(): void {
    this.#ending = 'closed';
    this.#former = null;
  }

  #restart(credentials: IceCredentials): void {
    if (this.#ending === null && this.#list.selected !== null) this.#former = this.#list;
    this.#ending = null;
    this.#list = new CheckList(credentials, this.#owner);
    if (this.#isStarted) this.#list.start(-Infinity);
  }

  /** RFC 8445 §7.3, RFC 8489 §9.1.3.1: what costs least is looked at first. */
  #request(request: StunMessage, from: IceAddress, now: number): void {
    // RFC 8445 §7.1: a check has one.
    if (!request.hasFingerprint) return;
    if (request.username === undefined || request.sealAt === null) {
      this.#refuse(request, from, now, 400);
      return;
    }
    const list = this.#addressed(request.username);
    if (list === null || !isSealed(request, list.local.pwd)) {
      this.#refuse(request, from, now, 401);
      return;
    }
    const answer = (kind: 'success' | 'error', said: StunAttributes): void => {
      this.#options.events.send(writeStun(kind, request.transaction, said, list.local.pwd), from);
    };
    if (request.notUnderstood.length > 0) {
      answer('error', { error: { code: 420, reason: 'Unknown Attribute' }, unknown: request.notUnderstood });
    } else if (request.priority === undefined) {
      answer('error', { error: { code: 400, reason: 'Bad Request' } });
    } else if (this.#role.refuses(request, this.selectedPair !== null)) {
      answer('error', { error: { code: 487, reason: 'Role Conflict' } });
    } else {
      answer('success', { mapped: from });
      if (list === this.#list) list.requested(request, from, now);
    }
  }

  /** The session whose two fragments these are; of one whose other side is not known yet, ours. */
  #addressed(username: string): CheckList | null {
    const colon = username.indexOf(':');
    const [ours, theirs] = [username.slice(0, colon), username.slice(colon + 1)];
    return [this.#list, this.#former].find((list) => list !== null && list.local.ufrag === ours && (list.remote === null || list.remote.ufrag === theirs)) ?? null;
  }

  /** Without a proof of ours, never longer than what came, and not often: nobody else is flooded through us. */
  #refuse(request: StunMessage, to: IceAddress, now: number, code: 400 | 401): void {
    const left = Math.min(REFUSALS, this.#refusals.left + (now - this.#refusals.at) / 1000 * REFUSALS);
    this.#refusals = { left, at: now };
    if (left < 1) return;
    const answer = writeStun('error', request.transaction, { error: { code, reason: code === 400 ? 'Bad Request' : 'Unauthorized' } }, null);
    if (answer.length > request.bytes.length) return;
    this.#refusals.left -= 1;
    this.#options.events.send(answer, to);
  }

  #selected(list: CheckList, remote: IceAddress): void {
    if (list === this.#list) this.#former = null;
    this.#options.events.selected(remote);
  }

  #ended(list: CheckList, reason: string): void {
    if (list === this.#former) {
      this.#former = null;
      return;
    }
    this.#ending = 'failed';
    this.#former = null;
    this.#options.events.failed(reason);
  }
}

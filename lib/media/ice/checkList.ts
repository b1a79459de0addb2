import { addressKey, type Family, type IceAddress } from './address.js';
import { peerReflexivePriority } from './candidate.js';
import { Checks, type Check } from './checks.js';
import { Consent } from './consent.js';
import { outranks, Pairs, type Pair } from './pairs.js';
import type { IceCredentials, IceRemote } from './types.js';
import type { Role } from './role.js';
import { isSealed, writeStun, type StunMessage } from './stun.js';

/** What a check list has of its agent. */
export interface ListOwner {
  readonly role: Role;
  readonly families: ReadonlySet<Family>;
  /** Keys of our addresses as they are told. */
  readonly told: ReadonlySet<string>;
  readonly random: () => number;
  send(bytes: Buffer, to: IceAddress): void;
  selected(list: CheckList, remote: IceAddress): void;
  ended(list: CheckList, reason: string): void;
}

/** RFC 8445 §14.2 has 50 ms between checks of one agent unless less is known to do no harm, and never less than 5. */
const PACE = 20;
/** Checks that a check of theirs or a choice of ours asks for do not wait; so many at once, and one more each PACE. */
const BURST = 5;
/** RFC 8445 §14.3, with 50 ms in place of 500 (checks.ts). */
const FIRST_WAIT = 50;
/** A pair that works waits so long for a better one to work, then it is chosen. */
const BETTER_WITHIN = 100;
/** RFC 8863 §4: not before this has ICE failed, as the other side's checks may come late. */
const PATIENCE = 39_500;
/** Towards a pair that has been silent for longer than a consent check takes, another that they name is used even if it ranks lower. */
const SILENT = 7000;
const EARLY = 16;

/** A check that came before their description. */
interface Early {
  readonly from: IceAddress;
  readonly request: StunMessage;
}

interface Selected {
  readonly pair: Pair;
  readonly consent: Consent;
}

/** One ICE session: one pair of credentials, from the first check to the last consent (RFC 8445 §2.2 to §2.4). */
export class CheckList {
  readonly #pairs: Pairs;
  readonly #checks: Checks;
  #remote: IceRemote | null = null;
  #early: Early[] = [];
  #triggered: Pair[] = [];
  #isStarted = false;
  #deadline: number | null = null;
  #nextAt = -Infinity;
  #burst = { left: BURST, at: -Infinity };
  #validSince = 0;
  #selected: Selected | null = null;

  constructor(readonly local: IceCredentials, private readonly owner: ListOwner) {
    this.#pairs = new Pairs(owner.families);
    this.#checks = new Checks((bytes, to) => { owner.send(bytes, to); });
  }

  get remote(): IceRemote | null {
    return this.#remote;
  }

  get selected(): IceAddress | null {
    return this.#selected?.pair.remote ?? null;
  }

  /** Their description, or more candidates of it. Checks that came before count from now on. */
  describe(remote: IceRemote): void {
    this.#remote = remote;
    this.#pairs.signal(remote.candidates);
    for (const { from, request } of this.#early.splice(0)) {
      if (request.username === `${this.local.ufrag}:${remote.ufrag}`) this.#noted(request, from);
    }
  }

  start(now: number): void {
    this.#isStarted = true;
    this.tick(now);
  }

  /** A check of theirs, with right credentials, that has been answered. */
  requested(request: StunMessage, from: IceAddress, now: number): void {
    if (this.#remote === null) {
      // The latest of each address, but one that names its pair stays: an agent may say that once only.
      const isBetter = (one: Early): boolean => one.request.useCandidate === true && request.useCandidate !== true && one.request.username === request.username;
      const [same] = this.#early.filter((one) => addressKey(one.from) === addressKey(from));
      if (same === undefined || !isBetter(same)) this.#early = [...this.#early.filter((one) => one !== same), { from, request }].slice(-EARLY);
      return;
    }
    const pair = this.#noted(request, from);
    if (pair === undefined) return;
    if (pair.state === 'succeeded') this.#named(pair, now);
    else if (pair.state === 'inProgress') this.#checks.hasten(pair, now, this.#firstWait());
    this.#urgent(now);
  }

  /** True: the answer was to a check of this list, whatever became of it. */
  answered(response: StunMessage, from: IceAddress, now: number): boolean {
    const check = this.#checks.find(response.transaction, from);
    if (check === undefined) return this.#consented(response, from, now);
    if (this.#remote === null || !isSealed(response, this.#remote.pwd)) return true;
    // RFC 8445 §7.2.5.1: towards a lite agent 487 changes nothing; the check goes on.
    if (response.error?.code === 487 && !this.owner.role.yields(check.isControlling)) return true;
    this.#checks.end(check);
    if (response.error?.code === 487) this.#trigger(check.pair);
    else if (response.kind === 'success' && response.notUnderstood.length === 0) this.#succeeded(check, response, now);
    // RFC 8445 §7.2.5.2.4.
    else check.pair.state = 'failed';
    this.#urgent(now);
    this.#nominate(now);
    return true;
  }

  tick(now: number): void {
    if (this.#selected !== null && !this.#keeps(this.#selected, now)) return;
    if (!this.#isStarted || this.#remote === null) return;
    if (this.#selected !== null && this.#checks.size === 0 && this.#triggered.length === 0) return;
    const deadline = this.#deadline ??= now + PATIENCE;
    // A lite agent sends no check that would bring a failed pair back.
    for (const { pair } of this.#checks.tick(now, this.#remote.lite && now < deadline)) pair.state = 'failed';
    this.#urgent(now);
    if (this.#selected !== null) return;
    this.#nominate(now);
    this.#ordinary(now);
    if (now >= deadline && !this.#pairs.some('waiting', 'inProgress')) this.owner.ended(this, this.#pairs.some('succeeded') ? 'no candidate pair was chosen' : 'no candidate pair works');
  }

  admits(from: IceAddress): boolean {
    const used = this.#selected?.pair.remote;
    if (used !== undefined && used.port === from.port && used.address === from.address) return true;
    return this.#pairs.at(from)?.state === 'succeeded';
  }

  /** The pair of a check that came, with what the check says of it (RFC 8445 §7.3.1.3 to §7.3.1.5). */
  #noted(request: StunMessage, from: IceAddress): Pair | undefined {
    const pair = this.#pairs.learn(from, request.priority ?? 0);
    if (pair === undefined) return undefined;
    const isNamed = request.useCandidate === true && !this.owner.role.controlling;
    pair.isNamed ||= isNamed;
    // Once a pair is in use, others matter only where they are named.
    if ((pair.state === 'waiting' || pair.state === 'failed') && (this.#selected === null || isNamed)) this.#trigger(pair);
    return pair;
  }

  #trigger(pair: Pair): void {
    pair.state = 'waiting';
    if (!this.#triggered.includes(pair)) this.#triggered.push(pair);
  }

  /** RFC 8445 §6.1.4.2: triggered checks go first. */
  #urgent(now: number): void {
    if (!this.#isStarted) return;
    while (this.#triggered.length > 0 && this.#spend(now)) {
      const pair = this.#triggered.shift();
      if (pair?.state === 'waiting') this.#check(pair, false, now);
    }
  }

  #ordinary(now: number): void {
    if (now < this.#nextAt || this.#checks.isNominating) return;
    const pair = this.#pairs.best(this.owner.role.controlling, 'waiting');
    if (pair === undefined) return;
    this.#nextAt = now + PACE;
    this.#check(pair, false, now);
  }

  #spend(now: number): boolean {
    this.#burst = { left: Math.min(BURST, this.#burst.left + (now - this.#burst.at) / PACE), at: now };
    if (this.#burst.left < 1) return false;
    this.#burst.left -= 1;
    return true;
  }

  #check(pair: Pair, nominates: boolean, now: number): void {
    if (!nominates) pair.state = 'inProgress';
    const transaction = this.#transaction();
    this.#checks.begin({ transaction, pair, nominates, isControlling: this.owner.role.controlling, bytes: this.#request(transaction, pair, nominates), wait: this.#firstWait() }, now);
  }

  /** RFC 8445 §14.3: the more there is to check, the later each is repeated. */
  #firstWait(): number {
    return Math.max(FIRST_WAIT, PACE * this.#checks.size);
  }

  #transaction(): string {
    return Array.from({ length: 3 }, () => Math.floor(this.owner.random() * 2 ** 32).toString(16).padStart(8, '0')).join('');
  }

  /** RFC 8445 §7.1, §7.2.2. */
  #request(transaction: string, pair: Pair, nominates: boolean): Buffer {
    const { ufrag = '', pwd = '' } = this.#remote ?? {};
    return writeStun('request', transaction, {
      username: `${ufrag}:${this.local.ufrag}`, priority: peerReflexivePriority(pair.family), ...this.owner.role.claim, useCandidate: nominates,
    }, pwd);
  }

  #succeeded({ pair, nominates }: Check, { mapped }: StunMessage, now: number): void {
    if (mapped !== undefined && !this.owner.told.has(addressKey(mapped))) pair.localPriority = peerReflexivePriority(pair.family);
    if (!this.#pairs.some('succeeded')) this.#validSince = now;
    pair.state = 'succeeded';
    if (!this.owner.role.controlling) this.#named(pair, now);
    else if (nominates && this.#selected === null) this.#select(pair, now);
  }

  /** Regular nomination (RFC 8445 §8.1.1): a pair that works is checked again with USE-CANDIDATE, one pair only. */
  #nominate(now: number): void {
    if (!this.owner.role.controlling || this.#selected !== null || this.#checks.isNominating) return;
    const best = this.#pairs.best(true, 'succeeded');
    if (best === undefined) return;
    const open = this.#pairs.best(true, 'waiting', 'inProgress');
    if (open !== undefined && outranks(open, best, true) && now - this.#validSince < BETTER_WITHIN) return;
    if (this.#spend(now)) this.#check(best, true, now);
  }

  /**
   * We are controlled, and a pair works that may have been named (RFC 8445 §8.1.2). Of several that an aggressive agent names (RFC 5245 §8.1.1.2) the highest is
   * used; a lower one once the one in use is silent.
   */
  #named(pair: Pair, now: number): void {
    if (!pair.isNamed || this.owner.role.controlling || pair === this.#selected?.pair) return;
    if (this.#selected === null || outranks(pair, this.#selected.pair, false) || this.#selected.consent.silentFor(now) > SILENT) this.#select(pair, now);
  }

  #select(pair: Pair, now: number): void {
    this.#selected = { pair, consent: new Consent(now, this.owner.random) };
    // RFC 8445 §8.1.2: nothing else is checked any more, but what they have named already: their media may come from there.
    const isOver = (other: Pair): boolean => !other.isNamed || this.owner.role.controlling;
    for (const other of this.#checks.drop((check) => isOver(check.pair))) if (other.state === 'inProgress') other.state = 'waiting';
    this.#triggered = this.#triggered.filter((other) => !isOver(other));
    this.owner.selected(this, pair.remote);
  }

  /** False: consent is lost. */
  #keeps({ pair, consent }: Selected, now: number): boolean {
    const due = consent.due(now);
    if (due === 'end') {
      this.#selected = null;
      this.owner.ended(this, 'consent was lost');
    } else if (due === 'ask') {
      const transaction = this.#transaction();
      consent.asked(transaction, now);
      this.owner.send(this.#request(transaction, pair, false), pair.remote);
    }
    return due !== 'end';
  }

  #consented(response: StunMessage, from: IceAddress, now: number): boolean {
    if (this.#selected === null || this.#remote === null || !this.#selected.consent.awaits(response.transaction)) return false;
    if (addressKey(from) !== addressKey(this.#selected.pair.remote) || !isSealed(response, this.#remote.pwd)) return true;
    if (response.kind === 'success') this.#selected.consent.heard(now);
    else if (response.error?.code === 487) this.owner.role.yields(this.owner.role.controlling);
    return true;
  }
}

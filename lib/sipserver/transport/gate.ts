// What comes from strangers, before anything is done for them: their budgets, and their connections in the order in which they give way.
import { FAIR_TIME } from './admission.js';
import type { Flow, Protocol } from './flow.js';
import type { SipLimits, TransportCounters } from './limits.js';
import { AT_ONCE, RateLimiter, SPREAD, StrangerBudget, type Bursts } from './rate.js';
import { placeOf } from '../../util/place.js';
import type { StreamFlow } from './stream.js';

/** Of how many senders who got no answer it is told in a minute, and in an hour of each of them once. */
const TOLD_A_MINUTE = 10;
const TOLD_AGAIN = 3_600_000;
const MOST_TOLD = 1000;

/** What an operator is to know of strangers. */
export interface StrangerNews {
  unknown(address: string, protocol: Protocol): void;
  unproven(address: string, why: string): void;
}

export class StrangerGate {
  /**
   * Apart: an address over UDP can be forged, so that whoever forges takes nothing from those who hold a connection. `acquainted`: as much again for
   * places where somebody has shown a password lately; only whoever knows such places can forge them, and none of them has it all.
   */
  private readonly budgets: { readonly datagrams: StrangerBudget; readonly streams: StrangerBudget; readonly acquainted: StrangerBudget };
  /** Their connections; the one by which something was proved last stands last. */
  private readonly streams = new Map<number, StreamFlow>();

  private readonly rate = new RateLimiter(TOLD_A_MINUTE, 1);
  /** Place → when it was told of. */
  private readonly told = new Map<string, number>();

  /**
   * `acquainted` tells whether somebody at this place has shown a password lately, `concerns` whether a message may belong to a dialog or
   * transaction of ours, whoever sent it; `news` hears of some who got no answer, and whose certificate made nobody known.
   */
  constructor(limits: SipLimits, private readonly counters: TransportCounters, private readonly acquainted: (place: string) => boolean,
    private readonly concerns: (bytes: Buffer) => boolean, private readonly hear: StrangerNews) {
    const budget = (bursts: Bursts): StrangerBudget => new StrangerBudget(limits.strangers, limits.addresses, bursts);
    this.budgets = { datagrams: budget(SPREAD), streams: budget(SPREAD), acquainted: budget(AT_ONCE) };
  }

  /** True when the message of a stranger may be read. What concerns us is, also beyond the budget: nobody else can know its Call-ID. */
  message(flow: Flow, bytes: Buffer): boolean {
    if (flow.source === 'stranger') {
      if (this.concerns(bytes)) return true;
      this.counters.strangersSilenced++;
      this.tell(flow.remote.address, flow.protocol);
      return false;
    }
    // Bytes of a connection are counted as they arrive.
    const within = this.has(flow, (budget, place, now) => budget.message(place, now) && (flow.protocol !== 'udp' || budget.received(place, bytes.length, now)));
    if (within || this.concerns(bytes)) return true;
    this.counters.strangersRateDropped++;
    return false;
  }

  /** The same for keep-alives. */
  pings(flow: Flow, count: number): boolean {
    const within = flow.source === 'guest' && this.has(flow, (budget, place, now) => budget.message(place, now, count));
    if (!within) this.counters.strangersRateDropped++;
    return within;
  }

  /** Bytes have arrived on a connection of theirs. */
  bytes(flow: Flow, bytes: number): boolean {
    const within = this.has(flow, (budget, place, now) => budget.received(place, bytes, now));
    if (!within) this.counters.strangersRateDropped++;
    return within;
  }

  /** The application is to be asked about a request of theirs. */
  question(flow: Flow): boolean {
    return this.has(flow, (budget, place, now) => budget.question(place, now));
  }

  /** Somebody where this came from has shown a password lately. */
  isAcquainted({ remote: { address } }: Flow): boolean {
    return this.acquainted(placeOf(address));
  }

  /** A connection of somebody who could only have business here if something were going on. */
  uncalledFor(address: string, protocol: Protocol): void {
    this.counters.strangersRefusedConnections++;
    this.tell(address, protocol);
  }

  connection(address: string): boolean {
    return this.has({ protocol: 'tcp', remote: { address } }, (budget, place, now) => budget.connection(place, now));
  }

  /** Whether the budget of those places has it, or else the one of everybody. */
  private has({ protocol, remote }: { readonly protocol: Protocol; readonly remote: { readonly address: string } }, within: (budget: StrangerBudget, place: string, now: number) => boolean): boolean {
    const place = placeOf(remote.address);
    const now = Date.now();
    return (this.acquainted(place) && within(this.budgets.acquainted, place, now)) || within(protocol === 'udp' ? this.budgets.datagrams : this.budgets.streams, place, now);
  }

  opened(stream: StreamFlow): void {
    this.streams.set(stream.id, stream);
  }

  closed(stream: StreamFlow): void {
    this.streams.delete(stream.id);
  }

  proved(stream: StreamFlow): void {
    if (this.streams.delete(stream.id)) this.streams.set(stream.id, stream);
  }

  /** Ends the connection that has proved nothing for longest; `urgent`: also one that is new, in the end one that has authenticated. */
  drop(urgent: boolean): boolean {
    const now = Date.now();
    const choice = this.first((s) => s.source !== 'authenticated' && (urgent || now - s.openedAt >= FAIR_TIME)) ?? (urgent ? this.first(() => true) : undefined);
    if (choice === undefined) return false;
    this.counters.strangersDroppedConnections++;
    choice.destroy(new Error('gave way to a new connection'));
    return true;
  }

  /** Who expected an answer in vain may be somebody's PBX: it is told, and not so often that the telling becomes a burden. */
  private tell(address: string, protocol: Protocol): void {
    if (this.isNew(`${protocol} ${placeOf(address)}`)) this.hear.unknown(address, protocol);
  }

  /** The certificate that was shown from there makes nobody known. */
  unproven(address: string, why: string): void {
    if (this.isNew(`${why} ${placeOf(address)}`)) this.hear.unproven(address, why);
  }

  private isNew(key: string): boolean {
    const now = Date.now();
    if (now - (this.told.get(key) ?? -Infinity) < TOLD_AGAIN || !this.tells()) return false;
    if (this.told.size >= MOST_TOLD) this.told.clear();
    this.told.set(key, now);
    return true;
  }

  /** Whether there is room for one more piece of news. */
  tells(): boolean {
    return this.rate.allow('', Date.now() / 60);
  }

  private first(test: (stream: StreamFlow) => boolean): StreamFlow | undefined {
    for (const stream of this.streams.values()) if (test(stream)) return stream;
    return undefined;
  }
}

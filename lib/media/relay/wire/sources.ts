import type { Remote } from '../messages.js';
import type { SourceRule } from './settings.js';

/** Whose plain RTP a port takes, by where it comes from, and where that says that the far end is. */
export class Sources {
  /** Where the far end turned out to be behind its NAT; null: where it says. */
  learnt: Remote | null = null;
  readonly #rule: SourceRule;
  /** Something came from the very port that its description names. */
  #exact = false;
  /** The other port of its address that it sends from: one that does so sends from one (RFC 4961 asks for the same, and not all do). */
  #other: number | null = null;

  constructor(rule: SourceRule) {
    this.#rule = rule;
  }

  admits(address: string, port: number): boolean {
    const rule = this.#rule;
    if (rule.kind === 'described') {
      if (address !== rule.address) return false;
      if (port === rule.port) return (this.#exact = true);
      return !this.#exact && port === (this.#other ??= port);
    }
    if (this.learnt !== null) return this.learnt.address === address && this.learnt.port === port;
    if (!rule.addresses.includes(address)) return false;
    this.learnt = { address, port };
    return true;
  }

  /** Whether it can be the far end's RTCP, which has a port of its own. */
  admitsReport(address: string): boolean {
    if (this.#rule.kind === 'described') return address === this.#rule.address;
    return this.learnt === null ? this.#rule.addresses.includes(address) : address === this.learnt.address;
  }

  /** A packet from there had the right key: it is the far end's, wherever that is. */
  proven(address: string, port: number): void {
    if (this.#rule.kind === 'described' || (this.learnt?.address === address && this.learnt.port === port)) return;
    this.learnt = { address, port };
  }
}

import type { Remote } from '../messages.js';
import type { SourceRule } from './settings.js';

/** A far end that has sent nothing for so long may be somewhere else, once it negotiates anew, in milliseconds. */
const SILENT_MS = 500;

/** Whose plain RTP a port takes, by where it comes from, and where that says that the far end is. */
export class Sources {
  /** Where the far end turned out to be behind its NAT; null: where it says. */
  learnt: Remote | null = null;
  readonly #rule: SourceRule;
  /** Where its RTCP turned out to come from. */
  #reports: Remote | null = null;
  /** When something of its own came last. */
  #heardAt = -Infinity;
  /** It is looked for again; until it is found it is where it was. */
  #sought = false;

  constructor(rule: SourceRule) {
    this.#rule = rule;
  }

  /** It has negotiated: its NAT, or itself, may have given it another port, which its description does not say. While it is heard nobody takes its place. */
  renew(now: number): void {
    if (now - this.#heardAt < SILENT_MS) return;
    this.#sought = true;
  }

  /** `now`: performance.now(). */
  admits(address: string, port: number, now: number): boolean {
    const admitted = this.#rule.kind === 'described' ? this.#rule.address === address && this.#rule.port === port : this.#asLearnt(this.#rule, address, port);
    if (admitted) this.#heardAt = now;
    return admitted;
  }

  #asLearnt({ addresses }: { readonly addresses: readonly string[] }, address: string, port: number): boolean {
    if (this.learnt !== null && !this.#sought) return this.learnt.address === address && this.learnt.port === port;
    if (!addresses.includes(address)) return false;
    this.learnt = { address, port };
    this.#reports = null;
    this.#sought = false;
    return true;
  }

  /** Whether it is the far end's host: who else sends there can only be a stranger. */
  isHost(address: string): boolean {
    if (this.#rule.kind === 'described') return address === this.#rule.address;
    return this.learnt === null ? this.#rule.addresses.includes(address) : address === this.learnt.address;
  }

  /**
   * Whether it is the far end's RTCP, plain. `described`: where the far end wants reports, which is where its own come from; null: nowhere. Behind NAT the
   * first of its host says where that is, as with RTP; nothing of RTP's own port can be somebody else's.
   */
  admitsReport(address: string, port: number, described: Remote | null): boolean {
    const rtp = this.learnt ?? (this.#rule.kind === 'described' ? this.#rule : null);
    if (rtp !== null && rtp.address === address && rtp.port === port) return true;
    if (this.#rule.kind === 'described') return described !== null && described.address === address && described.port === port;
    if (!this.isHost(address)) return false;
    this.#reports ??= { address, port };
    return this.#reports.address === address && this.#reports.port === port;
  }

  /** A packet from there had the right key: it is the far end's, wherever that is. */
  proven(address: string, port: number): void {
    if (this.#rule.kind === 'described' || (this.learnt?.address === address && this.learnt.port === port)) return;
    this.learnt = { address, port };
  }
}

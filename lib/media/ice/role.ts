import type { StunMessage } from './stun.js';

/** Which of the two agents chooses the pair, and how they come to agree (RFC 8445 §6.1.1, §7.3.1.1, §7.2.5.1). */
export class Role {
  #tieBreaker: bigint;
  #fixed = false;
  #conflicts = 0;

  constructor(private isControlling: boolean, private readonly random: () => number) {
    this.#tieBreaker = tieBreaker(random);
  }

  get controlling(): boolean {
    return this.isControlling;
  }

  /** How often the other side took the role that we have. */
  get conflicts(): number {
    return this.#conflicts;
  }

  /** As a check of ours states it. */
  get claim(): { readonly controlling: bigint } | { readonly controlled: bigint } {
    return this.isControlling ? { controlling: this.#tieBreaker } : { controlled: this.#tieBreaker };
  }

  /** RFC 8445 §6.1.1: towards a lite agent the full one controls, whatever it says. */
  fix(): void {
    this.isControlling = true;
    this.#fixed = true;
  }

  unfix(): void {
    this.#fixed = false;
  }

  /**
   * A check came. True: the other side is to change its role, by 487 (RFC 8445 §7.3.1.1). It may be ours that changes instead, but not once a pair is in
   * use: whoever recorded an early check could send it again.
   */
  refuses(request: StunMessage, isSettled: boolean): boolean {
    const theirs = this.isControlling ? request.controlling : request.controlled;
    if (theirs === undefined) return false;
    this.#conflicts += 1;
    if (this.#fixed || isSettled || (this.#tieBreaker >= theirs) === this.isControlling) return true;
    this.isControlling = !this.isControlling;
    return false;
  }

  /** A check of ours got 487. True: our role is not the one it was sent in any more, so it is to be sent again. */
  yields(sentControlling: boolean): boolean {
    this.#conflicts += 1;
    if (this.#fixed) return false;
    if (this.isControlling === sentControlling) {
      this.isControlling = !sentControlling;
      this.#tieBreaker = tieBreaker(this.random);
    }
    return true;
  }
}

function tieBreaker(random: () => number): bigint {
  return (BigInt(Math.floor(random() * 2 ** 32)) << 32n) | BigInt(Math.floor(random() * 2 ** 32));
}

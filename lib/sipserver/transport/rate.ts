// Messages a second for each source address, in bounded memory.

/**
 * Token buckets that refill by whole seconds. At most `addresses` are remembered; when more come in one second the newcomers share one
 * bucket, so a flood from forged addresses can neither grow memory nor push out the addresses seen before it.
 */
export class RateLimiter {
  private readonly seen = new Map<string, number>();
  private overflow = 0;
  private second = 0;

  constructor(private readonly perSecond: number, private readonly addresses: number) {}

  /** False when this address has used up the second. `now` in milliseconds. */
  allow(address: string, now: number): boolean {
    const second = Math.floor(now / 1000);
    if (second !== this.second) {
      this.second = second;
      this.seen.clear();
      this.overflow = 0;
    }
    const n = this.seen.get(address);
    if (n === undefined && this.seen.size >= this.addresses) return ++this.overflow <= this.perSecond;
    if (n !== undefined && n >= this.perSecond) return false;
    this.seen.set(address, (n ?? 0) + 1);
    return true;
  }
}

// How long this process itself kept its events waiting: what it saw late it must not blame on the wire.

const STEP_MS = 10;
const KEPT_MS = 10_000;

/** Watches the event loop while `watch` was called more often than `release`. */
export class LoopLag {
  private users = 0;
  private timer: NodeJS.Timeout | undefined;
  private last = 0;
  private readonly stalls: { from: number; to: number }[] = [];

  watch(): void {
    if (this.users++ > 0) return;
    this.last = performance.now();
    this.timer = setInterval(() => { this.look(); }, STEP_MS);
    this.timer.unref();
  }

  release(): void {
    if (--this.users > 0) return;
    this.users = 0;
    clearInterval(this.timer);
  }

  /** Longest stall, ms, that touches the time from `from` to `to` on `performance.now()`'s clock. */
  worst(from: number, to: number): number {
    let worst = 0;
    for (const stall of this.stalls) if (stall.to >= from && stall.from <= to) worst = Math.max(worst, stall.to - stall.from);
    return worst;
  }

  private look(): void {
    const now = performance.now();
    // A timer of 10 ms that is 5 ms late is an ordinary one.
    if (now - this.last > 1.5 * STEP_MS) this.stalls.push({ from: this.last, to: now });
    this.last = now;
    while (this.stalls[0] !== undefined && this.stalls[0].to < now - KEPT_MS) this.stalls.shift();
  }
}

// The timers of one call's script: all of them go when the script is over.

export class Steps {
  private readonly timers = new Set<NodeJS.Timeout>();

  /** `open` says whether the script still runs when a step comes due. */
  constructor(private readonly open: () => boolean) {}

  /** Does something in `ms`, unless the script is over by then. */
  later(ms: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      action();
    }, ms);
    this.timers.add(timer);
  }

  /** Resolves after `ms` with whether the script still runs; never when `ms` is Infinity or the script ends meanwhile. */
  pause(ms: number): Promise<boolean> {
    if (ms === 0) return Promise.resolve(this.open());
    return new Promise((resolve) => { if (ms !== Infinity) this.later(ms, () => { resolve(this.open()); }); });
  }

  clear(): void {
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
  }
}

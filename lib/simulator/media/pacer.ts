// One timer that paces every sending endpoint of a process.

/** Something that sends one frame each 20 ms. */
export interface Paced {
  /** Sends what is due now; called once for each frame, in order, also for frames that are late. */
  tick(now: number): void;
  /** Frames that were given up after a stall: its clock goes on, nothing is sent. */
  skip(frames: number): void;
}

const FRAME_MS = 20;
const PHASES = 4;
/** Frames that are caught up after a stall; older ones are given up so that a stalled process does not flood. */
const MAX_CATCH_UP = 5;

/**
 * Calls `tick` of its members every 20 ms on `performance.now()`'s clock, corrected for drift. Members are spread over four phases 5 ms apart,
 * so that a hundred calls do not send in one burst. Idle (no timer) while it has no members.
 */
export class Pacer {
  /** Largest delay of a frame behind its due time, ms: above some 15 ms the figures of gap and jitter say more about this process than about the wire. */
  maxLateMs = 0;
  private readonly phases: Set<Paced>[] = Array.from({ length: PHASES }, () => new Set<Paced>());
  private readonly due: number[] = new Array<number>(PHASES).fill(0);
  private next = 0;
  private timer: NodeJS.Timeout | undefined;

  /** Joins the emptiest phase; the first tick comes within 20 ms. */
  add(member: Paced): void {
    if (this.phases.some((phase) => phase.has(member))) return;
    let at = this.next++ % PHASES;
    for (let i = 0; i < PHASES; i++) if (this.sizeOf(i) < this.sizeOf(at)) at = i;
    if (this.sizeOf(at) === 0) {
      const now = performance.now();
      const step = FRAME_MS / PHASES;
      this.due[at] = Math.ceil((now - at * step) / FRAME_MS) * FRAME_MS + at * step;
    }
    this.phases[at]?.add(member);
    this.schedule();
  }

  remove(member: Paced): void {
    for (const phase of this.phases) phase.delete(member);
    if (this.phases.every((phase) => phase.size === 0)) this.stop();
  }

  private sizeOf(phase: number): number {
    return this.phases[phase]?.size ?? 0;
  }

  private stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private schedule(): void {
    this.stop();
    let first = Infinity;
    for (let i = 0; i < PHASES; i++) if (this.sizeOf(i) > 0) first = Math.min(first, this.due[i] ?? Infinity);
    if (first === Infinity) return;
    // setTimeout counts whole milliseconds and never fires early by more than one.
    this.timer = setTimeout(() => { this.run(); }, Math.max(0, Math.ceil(first - performance.now())));
  }

  private run(): void {
    for (let i = 0; i < PHASES; i++) {
      const members = this.phases[i];
      if (members === undefined || members.size === 0) continue;
      const now = performance.now();
      let due = this.due[i] ?? now;
      if (now - due > this.maxLateMs) this.maxLateMs = now - due;
      const lost = Math.max(0, Math.floor((now - due) / FRAME_MS - MAX_CATCH_UP));
      if (lost > 0) for (const member of [...members]) member.skip(lost);
      due += lost * FRAME_MS;
      for (; due <= now; due += FRAME_MS) for (const member of [...members]) member.tick(now);
      this.due[i] = due;
    }
    this.schedule();
  }
}

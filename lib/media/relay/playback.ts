/** A recording in prepared 20 ms frames, played once or round and round. */
export class Playback {
  #frames: readonly Buffer[] = [];
  #position = 0;
  #loop = false;
  #onEnd: (() => void) | null = null;

  /** Replaces what plays; null stops. `onEnd` is called once: at the end, or when replaced or stopped. */
  play(frames: readonly Buffer[] | null, loop: boolean, onEnd: (() => void) | null): void {
    this.#end();
    this.#frames = frames ?? [];
    this.#loop = loop;
    this.#onEnd = onEnd;
    if (this.#frames.length === 0) this.#end();
  }

  get playing(): boolean {
    return this.#frames.length > 0;
  }

  /** The next frame; null when nothing plays. */
  next(): Buffer | null {
    const frame = this.#frames[this.#position] ?? null;
    if (frame === null) return null;
    this.#position += 1;
    if (this.#position === this.#frames.length) {
      if (this.#loop) this.#position = 0;
      else this.#end();
    }
    return frame;
  }

  #end(): void {
    const ended = this.#onEnd;
    this.#frames = [];
    this.#position = 0;
    this.#onEnd = null;
    ended?.();
  }
}

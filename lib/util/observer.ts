/**
 * What happens to something, for those who only look: none of them can change it, stop it or make it wait. A listener that throws is told of and
 * hurts nobody else. Without listeners it costs a look at an empty list.
 */
export class Observer<T> {
  #listeners: readonly ((what: T) => void)[] = [];
  readonly #onFault: (error: unknown) => void;

  /** `onFault` is given what a listener throws; it must not throw itself. */
  constructor(onFault: (error: unknown) => void) {
    this.#onFault = onFault;
  }

  /** Adds a listener; the result takes it away again. */
  listen(listener: (what: T) => void): () => void {
    this.#listeners = [...this.#listeners, listener];
    return () => { this.#listeners = this.#listeners.filter((other) => other !== listener); };
  }

  tell(what: T): void {
    for (const listener of this.#listeners) {
      try {
        listener(what);
      } catch (error) {
        this.#onFault(error);
      }
    }
  }
}

/** Work done one piece after the other, in the order in which it was given. A piece that fails does not keep the next from its turn. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();

  /** Does the work when everything given before is done. Gives what the work comes to; a rejection that nobody waits for is dropped. */
  run<T>(work: () => T | PromiseLike<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** Resolves when everything given so far is done. Never rejects. */
  async idle(): Promise<void> {
    await this.#last;
  }
}

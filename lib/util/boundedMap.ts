/** A map of at most `capacity` keys: beyond, the key that was set longest ago is forgotten. It is gone through in that order. */
export class BoundedMap<K, V> extends Map<K, V> {
  readonly #capacity: number;
  /** Stands before the oldest key: one that begins anew each time would go through all that were forgotten. */
  readonly #oldest: Iterator<K>;

  constructor(capacity: number) {
    super();
    this.#capacity = capacity;
    this.#oldest = this.keys();
  }

  /** A key that is set again is the youngest. */
  override set(key: K, value: V): this {
    this.delete(key);
    super.set(key, value);
    if (this.size > this.#capacity) {
      const oldest = this.#oldest.next();
      if (oldest.done !== true) this.delete(oldest.value);
    }
    return this;
  }
}

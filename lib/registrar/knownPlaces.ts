import type { Remembered } from '../state/index.js';

/** Places of one account that are known at once; the one used longest ago gives way. */
const placesOfUser = 50;

/**
 * Where each account has shown its password: there it is judged by its own faults alone. An account has a bounded number of places, so that nobody's
 * password can push out where another is known; with a state file they outlive the process, as nobody is to be locked out for having been restarted.
 */
export class KnownPlaces {
  readonly #remembered: Remembered;
  /** The same by user and by place, for looking up; a place is asked of `#remembered` before it counts. */
  readonly #byUser = new Map<string, Set<string>>();
  readonly #byPlace = new Map<string, Set<string>>();

  /** `remembered`: holds the state file's content already. */
  constructor(remembered: Remembered) {
    this.#remembered = remembered;
    for (const key of remembered.names()) this.#indexKey(key);
    // Of another node.
    remembered.watch((key) => { if (remembered.get(key) !== null) this.#indexKey(key); });
  }

  has(user: string, place: string): boolean {
    return this.#remembered.get(keyOf(user, place)) !== null;
  }

  /** Whether any account is known there. */
  any(place: string): boolean {
    for (const user of this.#byPlace.get(place) ?? []) if (this.has(user, place)) return true;
    return false;
  }

  /** Where any account is known. */
  all(): string[] {
    return [...this.#byPlace.keys()].filter((place) => this.any(place));
  }

  add(user: string, place: string): void {
    void this.#remembered.set(keyOf(user, place), 'known');
    this.#index(user, place);
    const [oldest] = this.#byUser.get(user) ?? [];
    if (oldest !== undefined && (this.#byUser.get(user)?.size ?? 0) > placesOfUser) this.#drop(user, oldest);
  }

  #indexKey(key: string): void {
    const at = key.lastIndexOf(' ');
    this.#index(key.slice(0, at), key.slice(at + 1));
  }

  #index(user: string, place: string): void {
    const places = this.#byUser.get(user) ?? new Set();
    places.delete(place);
    this.#byUser.set(user, places.add(place));
    this.#byPlace.set(place, (this.#byPlace.get(place) ?? new Set()).add(user));
  }

  #drop(user: string, place: string): void {
    this.#remembered.delete(keyOf(user, place));
    this.#byUser.get(user)?.delete(place);
    const users = this.#byPlace.get(place);
    users?.delete(user);
    if (users?.size === 0) this.#byPlace.delete(place);
  }
}

function keyOf(user: string, place: string): string {
  return `${user} ${place}`;
}

import { Others } from './others.js';
import { OwnEvents } from './ownEvents.js';
import type { NodeId, Renewed, SharedStore, Want } from './store.js';

/** What a call has taken. Each may be called twice. */
export interface Lease {
  /** Gives places of these keys back. */
  give(...keys: readonly string[]): void;
  /** The event of this key did not happen after all. */
  undo(key: string): void;
  /** The event of this key counts from now on. */
  again(key: string): void;
}

export type Taken<W extends Want> =
  | { readonly kind: 'taken'; readonly lease: Lease }
  /** `freeAt`: when one more event will fit, milliseconds since 1970; null: not known. `share`: all that this node may take by itself while the store is gone; null: it is there. */
  | { readonly kind: 'refused'; readonly want: W; readonly freeAt: number | null; readonly share: number | null }
  /** The store is gone, and nothing may be taken without it. */
  | { readonly kind: 'gone' };

/** starting: it was not heard yet; settling: it has lost its memory, and not every node has registered anew. */
export type StoreState = 'starting' | 'up' | 'settling' | 'gone';

/** What is to be known of all nodes together. */
export interface Watched { readonly places: readonly string[]; readonly events: readonly { readonly key: string; readonly window: number }[] }

export interface SharedLimitsOptions {
  readonly store: SharedStore;
  readonly name: string;
  /** Names this process among all that there ever were. */
  readonly instance: string;
  /** What becomes of calls while the store is gone. */
  readonly gone: 'share' | 'refuse';
  /** Milliseconds that a lease lasts without being renewed, as the store has it. */
  readonly lease: number;
  /** Milliseconds of a clock that never steps back. */
  readonly now: () => number;
  readonly watched: () => Watched;
  /** Is told again of each failure while it is starting. */
  readonly onState: (state: StoreState, why: string) => void;
  /** Another process has this node's name. */
  readonly onTwin: (name: string) => void;
}

/** Events of shorter windows are not worth giving anew to a store that has lost its memory. */
const shortWindow = 60_000;
const refilledAtOnce = 1000;
/** How often a call asks anew whose lease was over as it asked. */
const mostTakes = 3;

/**
 * The limits that several nodes keep together. Nothing is taken but by one script of the store, under this node's lease; whatever leaves in doubt what the store
 * has ends the lease, and the next registration, under another epoch, gives all that the calls of this node have. Who drives it calls beat() each second.
 */
export class SharedLimits {
  readonly #options: SharedLimitsOptions;
  readonly #events: OwnEvents;
  readonly #others: Others;
  /** Places of this node's calls, by key; and what the store has of them under this epoch. */
  readonly #granted = new Map<string, number>();
  readonly #told = new Map<string, number>();
  readonly #dirty = new Set<string>();
  #name: string;
  #node: NodeId | null = null;
  #epoch = 0;
  #members = 0;
  #run: string | null = null;
  #validUntil = -Infinity;
  #state: StoreState = 'starting';
  #beating: Promise<void> | null = null;
  #left = false;

  constructor(options: SharedLimitsOptions) {
    this.#options = options;
    this.#name = options.name;
    this.#events = new OwnEvents(options.now);
    this.#others = new Others(this.#events, options.now);
  }

  get state(): StoreState { return this.#state; }
  /** Nodes seen last, this one among them. */
  get nodes(): readonly string[] { return this.#others.nodes; }
  /** Whether the process of that `instance` is a node whose lease holds, as far as is known. */
  alive(instance: string): boolean { return this.#others.alive(instance); }

  /** Places, or events of a watched key, of all nodes as far as that is known. */
  total(kind: 'places' | 'events', key: string): number {
    return this.#others.count(kind, key) + this.#own(kind, key);
  }

  /** All of it, or nothing. Never rejects. */
  async take<W extends Want>(wants: readonly W[]): Promise<Taken<W>> {
    const member = `${this.#options.instance}.${(this.#members += 1).toString(36)}`;
    let doubtful = false;
    for (let tries = 0; tries < mostTakes; tries += 1) {
      if (this.#expired() || (this.#node === null && this.#state === 'up')) await this.beat();
      const node = this.#node;
      if (node === null) break;
      this.#flush();
      try {
        const reply = await this.#options.store.take(node, member, wants);
        // What a lease that is over has taken is gone with it.
        if (node !== this.#node || this.#expired() || reply.kind === 'lapsed') {
          doubtful = true;
          if (node === this.#node) this.#void();
          continue;
        }
        if (reply.kind === 'settling') break;
        if (reply.kind === 'taken') return { kind: 'taken', lease: this.#grant(wants, member, true) };
        const want = wants[reply.index];
        if (want !== undefined) return { kind: 'refused', want, freeAt: reply.freeAt, share: null };
      } catch (error) {
        doubtful = true;
        if (node === this.#node) this.#lost(error);
      }
    }
    if (doubtful) for (const { keys, window } of wants) if (window !== null) this.#events.owe(keys[0], member);
    return this.#alone(wants, member);
  }

  /** Renews the lease, or registers; one at a time. Never rejects. */
  beat(): Promise<void> {
    return this.#beating ??= this.#beat().catch((error: unknown) => this.#lost(error)).finally(() => { this.#beating = null; });
  }

  /** Gives everything back; nothing is taken afterwards. May be called twice. */
  async leave(): Promise<void> {
    const node = this.#node;
    this.#left = true;
    this.#node = null;
    if (node !== null) await this.#options.store.leave(node).catch(() => undefined);
  }

  async #beat(): Promise<void> {
    if (this.#left) return;
    const node = this.#node;
    if (node === null || this.#expired()) return this.#register();
    this.#events.tidy();
    const sent = this.#options.now();
    const reply = await this.#options.store.renew({ node, ...this.#options.watched() });
    if (node !== this.#node) return;
    if (reply.kind === 'lapsed') {
      this.#void();
      return this.#register();
    }
    this.#validUntil = sent + this.#options.lease;
    this.#heard(reply);
    this.#flush();
  }

  async #register(): Promise<void> {
    const { store, instance, now, lease } = this.#options;
    const previous = this.#epoch === 0 ? null : `${instance}.${this.#epoch}`;
    this.#node = null;
    this.#epoch += 1;
    const node = { name: this.#name, epoch: `${instance}.${this.#epoch}` };
    this.#told.clear();
    this.#dirty.clear();
    for (const [key, count] of this.#granted) this.#told.set(key, count);
    const owed = this.#events.owed(true);
    const sent = now();
    const { twin, run } = await store.register({
      node, previous, held: Object.fromEntries(this.#granted), seen: this.#others.nodes, run: this.#run, refill: this.#run !== null, add: owed.add, drop: owed.drop,
    });
    if (twin) {
      this.#options.onTwin(this.#name);
      this.#name = `${this.#options.name}~${instance}`;
      return this.#register();
    }
    if (this.#left) return void await store.leave(node);
    owed.paid();
    this.#node = node;
    this.#validUntil = sent + lease;
    // Known only when it has everything: what fails on the way is begun anew.
    if (this.#run !== null && this.#run !== run) await this.#refill(node);
    this.#run = run;
    const reply = await store.renew({ node, ...this.#options.watched() });
    if (node === this.#node && reply.kind === 'renewed') this.#heard(reply);
    this.#flush();
  }

  /** The store has lost its memory: what counts for long is given to it anew. */
  async #refill(node: NodeId): Promise<void> {
    for (const add of this.#events.all(shortWindow, refilledAtOnce)) {
      const [refilled, sent] = [add.length < refilledAtOnce, this.#options.now()];
      if (!await this.#options.store.adjust(node, { places: {}, add, drop: [], refilled })) throw new Error('the lease was over before everything was given anew');
      this.#validUntil = sent + this.#options.lease;
    }
  }

  #heard(reply: Extract<Renewed, { kind: 'renewed' }>): void {
    if (!reply.settling) {
      this.#others.heard(reply, this.#told);
      this.#enter('up', '');
    } else if (this.#state !== 'starting') this.#enter('settling', 'not every node has registered yet');
  }

  #expired(): boolean {
    return this.#node !== null && this.#options.now() >= this.#validUntil;
  }

  /** The lease is over; the store is there. */
  #void(): void {
    this.#node = null;
    this.#validUntil = -Infinity;
  }

  #lost(error: unknown): void {
    this.#void();
    this.#enter(this.#state === 'starting' ? 'starting' : 'gone', error instanceof Error ? error.message : String(error));
  }

  #enter(state: StoreState, why: string): void {
    if (this.#state === 'up' && state !== 'up') this.#others.lost();
    const changed = this.#state !== state;
    this.#state = state;
    if (changed || state !== 'up') this.#options.onState(state, why);
  }

  #own(kind: 'places' | 'events', key: string): number {
    return kind === 'places' ? this.#granted.get(key) ?? 0 : this.#events.count(key);
  }

  /** Without the store: within this node's share, and within what the others left when they were heard last. */
  #alone<W extends Want>(wants: readonly W[], member: string): Taken<W> {
    if (this.#options.gone === 'refuse' || this.#state === 'starting' || this.#state === 'up' || this.#left) return { kind: 'gone' };
    for (const want of wants) {
      const most = this.#others.most(want, this.#name);
      const own = want.keys.reduce((sum, key) => sum + this.#own(want.window === null ? 'places' : 'events', key), 0);
      if (own >= most) return { kind: 'refused', want, freeAt: null, share: most };
    }
    return { kind: 'taken', lease: this.#grant(wants, member, false) };
  }

  #grant(wants: readonly Want[], member: string, stored: boolean): Lease {
    const places = new Set<string>();
    const windows = new Map<string, number>();
    for (const { keys: [key], window } of wants) {
      if (window === null) {
        places.add(key);
        this.#count(key, 1);
        if (stored) this.#told.set(key, (this.#told.get(key) ?? 0) + 1);
        else this.#dirty.add(key);
      } else {
        windows.set(key, window);
        this.#events.add(key, member, window, !stored);
      }
    }
    return {
      give: (...keys) => {
        for (const key of keys) if (places.delete(key)) this.#count(key, -1);
        this.#soon();
      },
      undo: (key) => {
        if (!windows.delete(key)) return;
        this.#events.drop(key, member);
        this.#soon();
      },
      again: (key) => {
        const window = windows.get(key);
        if (window === undefined) return;
        this.#events.add(key, member, window, true);
        this.#soon();
      },
    };
  }

  #count(key: string, by: number): void {
    const count = (this.#granted.get(key) ?? 0) + by;
    if (count === 0) this.#granted.delete(key);
    else this.#granted.set(key, count);
    if (by < 0) this.#dirty.add(key);
  }

  /** What a call gives back as it ends goes together. */
  #soon(): void {
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const node = this.#node;
    if (node === null || (this.#dirty.size === 0 && !this.#events.owes)) return;
    const places: Record<string, number> = {};
    for (const key of this.#dirty) {
      const [is, was] = [this.#granted.get(key) ?? 0, this.#told.get(key) ?? 0];
      if (is === was) continue;
      places[key] = is - was;
      if (is === 0) this.#told.delete(key);
      else this.#told.set(key, is);
    }
    this.#dirty.clear();
    const { paid, ...corrections } = this.#events.owed(false);
    this.#options.store.adjust(node, { places, ...corrections, refilled: false }).then((holds) => {
      paid();
      if (!holds && node === this.#node) this.#void();
      else this.#flush();
    }, (error: unknown) => { if (node === this.#node) this.#lost(error); });
  }
}

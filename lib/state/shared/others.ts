import { BoundedMap } from '../../util/boundedMap.js';
import type { OwnEvents } from './ownEvents.js';
import type { Renewed, Want } from './store.js';

/** Milliseconds: two renewals, and time for an answer. */
const doubtMs = 2500;
const mostDoubted = 1000;

type Kind = 'places' | 'events';

/** What one of several nodes may take of a limit by itself; all of their shares together are the limit. */
function shareOf(limit: number, nodes: readonly string[], name: string): number {
  if (nodes.length === 0 || !Number.isFinite(limit)) return limit;
  const rank = [...nodes].sort().indexOf(name);
  return Math.floor(limit / nodes.length) + (rank >= 0 && rank < limit % nodes.length ? 1 : 0);
}

/** The other nodes as they were heard of last, and what that leaves this one to take while nobody can be asked. */
export class Others {
  #nodes: readonly string[] = [];
  #processes: ReadonlySet<string> = new Set();
  /** Processes that were asked for and not seen, and since when. */
  readonly #doubted = new BoundedMap<string, number>(mostDoubted);
  #counts: Readonly<Record<Kind, ReadonlyMap<string, number>>> = { places: new Map(), events: new Map() };
  #ownAtLoss: ReadonlyMap<string, number> = new Map();
  readonly #events: Pick<OwnEvents, 'count'>;
  readonly #now: () => number;

  /** `now`: milliseconds of a clock that never steps back. */
  constructor(events: Pick<OwnEvents, 'count'>, now: () => number) {
    this.#events = events;
    this.#now = now;
  }

  /** Whether a process is a node whose lease holds. One that was never seen may just have begun: it is believed to live for a while. */
  alive(process: string): boolean {
    if (this.#processes.has(process)) return true;
    const since = this.#doubted.get(process) ?? this.#now();
    this.#doubted.set(process, since);
    return this.#now() - since < doubtMs;
  }

  /** All nodes, this one among them; none where it was never heard of any. */
  get nodes(): readonly string[] {
    return this.#nodes;
  }

  count(kind: Kind, key: string): number {
    return this.#counts[kind].get(key) ?? 0;
  }

  /** `own`: places of this node that are among those told. */
  heard({ nodes, epochs, places, events }: Extract<Renewed, { kind: 'renewed' }>, own: ReadonlyMap<string, number>): void {
    const less = (all: Readonly<Record<string, number>>, mine: (key: string) => number): Map<string, number> => (
      new Map(Object.entries(all).map(([key, count]) => [key, Math.max(0, count - mine(key))])));
    this.#nodes = nodes;
    this.#processes = new Set(epochs.map((epoch) => epoch.split('.')[0] ?? ''));
    for (const process of this.#processes) this.#doubted.delete(process);
    this.#counts = { places: less(places, (key) => own.get(key) ?? 0), events: less(events, (key) => this.#events.count(key)) };
  }

  /** They cannot be heard any more. */
  lost(): void {
    this.#ownAtLoss = new Map([...this.#counts.events.keys()].map((key) => [key, this.#events.count(key)]));
  }

  /** How many the node of that name may have at most, as long as it is alone: its share, and of places no more than the others left. */
  most({ keys, limit, window, whole }: Want, name: string): number {
    if (whole === true || !Number.isFinite(limit)) return limit;
    const share = (all: number): number => shareOf(Math.max(0, all), this.#nodes, name);
    if (window === null) return Math.min(share(limit), limit - this.count('places', keys[0]));
    const others = this.#counts.events.get(keys[0]);
    const atLoss = this.#ownAtLoss.get(keys[0]) ?? 0;
    return others === undefined ? share(limit) : atLoss + share(limit - others - atLoss);
  }
}

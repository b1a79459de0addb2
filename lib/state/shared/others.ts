import type { OwnEvents } from './ownEvents.js';
import type { Renewed, Want } from './store.js';

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
  #counts: Readonly<Record<Kind, ReadonlyMap<string, number>>> = { places: new Map(), events: new Map() };
  #ownAtLoss: ReadonlyMap<string, number> = new Map();
  readonly #events: Pick<OwnEvents, 'count'>;

  constructor(events: Pick<OwnEvents, 'count'>) {
    this.#events = events;
  }

  /** All nodes, this one among them; none where it was never heard of any. */
  get nodes(): readonly string[] {
    return this.#nodes;
  }

  count(kind: Kind, key: string): number {
    return this.#counts[kind].get(key) ?? 0;
  }

  /** `own`: places of this node that are among those told. */
  heard({ nodes, places, events }: Extract<Renewed, { kind: 'renewed' }>, own: ReadonlyMap<string, number>): void {
    const less = (all: Readonly<Record<string, number>>, mine: (key: string) => number): Map<string, number> => (
      new Map(Object.entries(all).map(([key, count]) => [key, Math.max(0, count - mine(key))])));
    this.#nodes = nodes;
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

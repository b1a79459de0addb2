import type { QueueRecord } from '../../call/record.js';
import type { QueueConfig } from '../../config/types.js';
import { after } from '../../util/after.js';
import { deferred } from '../../util/deferred.js';

/** Who takes calls of queues. */
export type Agent = QueueConfig['to'][number];

/** How calls leave a queue: somebody took them; the user hung up, or pressed a key; they had waited too long; too many were there. */
export type Left = QueueRecord['left'];

/** A call in a queue. */
export interface Ticket {
  /** 1: the next one. */
  readonly place: number;
  /** Who is to be rung for this call; null: it has left. Asked again behind each `refused`. */
  agent(): Promise<Agent | null>;
  /** Whoever was rung did not take it, and has a rest. */
  refused(): void;
  /** This one has it, until what this gives is called: who was rung, or somebody who picked the call up or was named by a redirection. */
  answered(by: Agent): () => void;
  /** It waits no longer; whoever is being rung for it stays busy until `quiet`. May be called twice; the first counts. */
  leave(left: Left): void;
  /** Whoever was rung for a call that has left does not ring any more: they have had no call, and may be rung for the next one. */
  quiet(): void;
}

/** What a queue looks like now. Times in milliseconds. */
export interface QueueFigures {
  readonly queue: string;
  readonly waiting: number;
  /** Of the call that has waited longest; null: none waits. */
  readonly longestMs: number | null;
  /** Of those who take its calls. */
  readonly free: number;
  readonly busy: number;
}

interface Waiter {
  readonly queue: string;
  readonly config: QueueConfig;
  readonly joinedAt: number;
  /** A user waits on the telephone; else to be called back. */
  readonly here: boolean;
  /** Who is rung for it; null: nobody is. */
  agent: Agent | null;
  offer: ReturnType<typeof deferred<Agent | null>>;
}

interface Standing { busy: boolean; idleSince: number; restsUntil: number }

const nameOf = ({ peer, user }: Agent): string => `${user}@${peer}`;

/** Who waits in each queue, and who takes their calls: who has waited longest is served first, whichever of the queues of an agent it is in. */
export class Queues {
  readonly #now: () => number;
  readonly #onLeft: (queue: string, left: Left, waitMs: number) => void;
  /** In the order in which they came. */
  readonly #waiters: Waiter[] = [];
  readonly #agents = new Map<string, Standing>();
  readonly #rests = new Set<NodeJS.Timeout>();

  /** `now` in milliseconds, of a clock that is not set; `onLeft` is told of each call that leaves. */
  constructor(now: () => number, onLeft: (queue: string, left: Left, waitMs: number) => void) {
    this.#now = now;
    this.#onLeft = onLeft;
  }

  /** Takes a place at the end; null: too many wait already. */
  join(queue: string, config: QueueConfig): Ticket | null {
    if (this.#here(queue).length >= config.maxLength) {
      this.#onLeft(queue, 'full', 0);
      return null;
    }
    return this.#join(queue, config, true);
  }

  /** The same for a user who is to be called back: nobody waits on the telephone, so that it is no call of the queue's and finds it never full. */
  joinForCallBack(queue: string, config: QueueConfig): Ticket {
    return this.#join(queue, config, false);
  }

  #join(queue: string, config: QueueConfig, here: boolean): Ticket {
    const waiter: Waiter = { queue, config, here, joinedAt: this.#now(), agent: null, offer: deferred() };
    this.#waiters.push(waiter);
    this.#assign();
    const place = (): number => this.#in(queue).indexOf(waiter) + 1;
    return {
      get place() { return place(); },
      agent: () => waiter.offer.promise,
      refused: () => this.#refused(waiter),
      answered: (by) => this.#answered(waiter, by),
      leave: (left) => this.#leave(waiter, left),
      quiet: () => this.#quiet(waiter),
    };
  }

  /** `configured`: the queues of the configuration in force; those in which somebody still waits are told of too. */
  figures(configured: Readonly<Record<string, QueueConfig>>): QueueFigures[] {
    const all = new Map([...Object.entries(configured), ...this.#waiters.filter(({ queue }) => !Object.hasOwn(configured, queue)).map(({ queue, config }) => [queue, config] as const)]);
    return [...all].map(([queue, { to }]) => {
      const waiting = this.#here(queue);
      const busy = to.filter((agent) => this.#agents.get(nameOf(agent))?.busy === true).length;
      const longestMs = waiting[0] === undefined ? null : Math.round(this.#now() - waiting[0].joinedAt);
      return { queue, waiting: waiting.length, longestMs, free: to.filter((agent) => this.#isFree(agent)).length, busy };
    });
  }

  close(): void {
    for (const rest of this.#rests) clearTimeout(rest);
    this.#rests.clear();
  }

  #in(queue: string): Waiter[] {
    return this.#waiters.filter((waiter) => waiter.queue === queue);
  }

  #here(queue: string): Waiter[] {
    return this.#in(queue).filter(({ here }) => here);
  }

  #standing(agent: Agent): Standing {
    const name = nameOf(agent);
    const known = this.#agents.get(name);
    if (known !== undefined) return known;
    // Who has had no call since the start has been idle for longest; of several the first that the file names.
    const standing: Standing = { busy: false, idleSince: -Infinity, restsUntil: -Infinity };
    this.#agents.set(name, standing);
    return standing;
  }

  #isFree(agent: Agent): boolean {
    const { busy, restsUntil } = this.#standing(agent);
    return !busy && restsUntil <= this.#now();
  }

  #assign(): void {
    // Once nobody is free for the first one of a queue nobody is for those behind.
    const stuck = new Set<string>();
    for (const waiter of this.#waiters) {
      if (waiter.agent !== null || stuck.has(waiter.queue)) continue;
      const agent = this.#choose(waiter.config);
      if (agent === null) {
        stuck.add(waiter.queue);
        continue;
      }
      this.#standing(agent).busy = true;
      waiter.agent = agent;
      waiter.offer.resolve(agent);
    }
  }

  #choose({ to, strategy }: QueueConfig): Agent | null {
    const free = to.filter((agent) => this.#isFree(agent));
    if (strategy === 'longest-idle') free.sort((a, b) => this.#idleSince(a) - this.#idleSince(b));
    return free[0] ?? null;
  }

  #idleSince(agent: Agent): number {
    return Math.max(this.#standing(agent).idleSince, -1);
  }

  #refused(waiter: Waiter): void {
    this.#rest(waiter);
    if (!this.#waiters.includes(waiter)) return;
    waiter.offer = deferred();
    this.#assign();
  }

  /** Whoever is rung for it is free, and is not rung for a while. */
  #rest(waiter: Waiter): void {
    const { agent, config } = waiter;
    if (agent === null) return;
    waiter.agent = null;
    const standing = this.#standing(agent);
    standing.busy = false;
    standing.restsUntil = this.#now() + config.rest * 1000;
    // A timer may be early by a part of a millisecond.
    const rest = after(config.rest * 1000 + 5, () => {
      this.#rests.delete(rest);
      this.#assign();
    });
    rest.unref();
    this.#rests.add(rest);
  }

  #answered(waiter: Waiter, by: Agent): () => void {
    const { agent } = waiter;
    waiter.agent = null;
    this.#leave(waiter, 'answered');
    // Who takes no calls of queues is nobody's to count.
    const has = this.#agents.get(nameOf(by));
    if (has !== undefined) has.busy = true;
    if (agent !== null && nameOf(agent) !== nameOf(by)) this.#free(agent);
    let held = true;
    return () => {
      if (!held || has === undefined) return;
      held = false;
      this.#free(by);
    };
  }

  #free(agent: Agent): void {
    const standing = this.#standing(agent);
    standing.busy = false;
    standing.idleSince = this.#now();
    this.#assign();
  }

  #leave(waiter: Waiter, left: Left): void {
    const at = this.#waiters.indexOf(waiter);
    if (at < 0) return;
    this.#waiters.splice(at, 1);
    if (waiter.here) this.#onLeft(waiter.queue, left, this.#now() - waiter.joinedAt);
    waiter.offer.resolve(null);
  }

  #quiet(waiter: Waiter): void {
    const { agent } = waiter;
    waiter.agent = null;
    if (agent === null) return;
    this.#standing(agent).busy = false;
    this.#assign();
  }
}

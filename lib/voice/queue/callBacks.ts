import type { Config, QueueConfig } from '../../config/types.js';
import type { Call } from '../../call/call.js';
import type { CallOrder } from '../../call/ordered.js';
import type { Termination } from '../../call/termination.js';
import type { PermissionGate } from '../../graph/permission/gate.js';
import type { Logger } from '../../observe/logger.js';
import type { Remembered } from '../../state/index.js';
import { after } from '../../util/after.js';
import type { Agent, Queues, Ticket } from './queues.js';

/** How often it is looked whether the route is open again, and the service takes orders, in milliseconds. */
const LOOK_MS = 60_000;

type Manner = NonNullable<QueueConfig['callBack']>;

/** What no agent and no later hour will change: who is called, the number as which, its country. */
function isForGood({ by, reason }: Termination): boolean {
  return by === 'policy' && (/^(callee|number)\./.test(reason) || reason === 'caller.country');
}

/** A user who wants to be called back. */
interface Wanted {
  readonly number: string;
  /** E.164 with '+', or a BSUID. */
  readonly user: string;
  readonly queue: string;
  readonly route: string;
  /** Id of the call by which they came. */
  readonly call: string;
}

/** As it is kept. Times in milliseconds since 1970. */
export interface CallBack extends Wanted {
  readonly at: number;
  /** How often the user was rung. */
  readonly tries: number;
  /** Not before. */
  readonly due: number;
}

/** What became of an attempt: the user was reached, or was rung in vain, or nobody at the queue was there, or it was refused before anything rang. */
type Outcome = { readonly kind: 'reached' | 'untaken' | 'nobody'; readonly call: string } | { readonly kind: 'refused'; readonly why: Termination };

export interface CallBacksOptions {
  readonly config: () => Config;
  readonly queues: Queues;
  readonly store: Remembered;
  readonly gate: Pick<PermissionGate, 'judge'>;
  /** Null: no orders are taken now. */
  readonly place: (order: CallOrder) => Promise<{ readonly call: Call; readonly refused: Termination | null } | null>;
  /** Whether the route is open now. */
  readonly open: (route: string) => boolean;
  readonly now: () => number;
  readonly log: Logger;
  readonly news: (what: 'kept' | 'done' | 'dropped', callBack: CallBack, call: string, why: string | null) => void;
}

/** Who is to be called back by whom: one for each pair of number and user, kept in the state file until they were, or it is given up. */
export class CallBacks {
  readonly #options: CallBacksOptions;
  readonly #going = new Set<string>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #tickets = new Set<Ticket>();
  #closed = false;

  constructor(options: CallBacksOptions) {
    this.#options = options;
  }

  /** Goes on with what the process before has kept. */
  start(): void {
    for (const key of [...this.#options.store.names()]) this.#later(key, 0);
  }

  /** How many are to be called back by this queue. */
  waiting(queue: string): number {
    return [...this.#options.store.names()].filter((key) => this.#read(key)?.queue === queue).length;
  }

  /** Whether the user may be called, or has just been asked, where the number looks at that. Never rejects. */
  async permits(number: string, user: string): Promise<boolean> {
    const config = this.#options.config().numbers[number];
    if (config === undefined) return false;
    if (config.permission === 'off') return true;
    const ruling = await this.#options.gate.judge(number, config, user);
    // 480: the user has been asked; each attempt looks again.
    return ruling.allowed || (config.permission === 'request' && ruling.status === 480);
  }

  /** Keeps it; an older one of the same number and user gives way. `over`: the call by which they came has ended. */
  keep(wanted: Wanted, over: Promise<void>): void {
    const { now, news, store } = this.#options;
    const callBack: CallBack = { ...wanted, at: now(), tries: 0, due: 0 };
    const key = `${wanted.number} ${wanted.user}`;
    void store.set(key, JSON.stringify(callBack));
    news('kept', callBack, wanted.call, null);
    void over.then(() => this.#later(key, 0));
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    for (const ticket of this.#tickets) ticket.leave('hungUp');
  }

  #later(key: string, ms: number): void {
    if (this.#closed || this.#going.has(key)) return;
    clearTimeout(this.#timers.get(key));
    const timer = after(ms, () => {
      this.#timers.delete(key);
      this.#going.add(key);
      this.#attempt(key).catch((error: Error) => {
        this.#options.log.error({ err: error }, 'a call-back failed for a reason of our own');
        return LOOK_MS;
      }).then((pause) => {
        this.#going.delete(key);
        if (pause !== null) this.#later(key, pause);
      }, () => undefined);
    });
    timer.unref();
    this.#timers.set(key, timer);
  }

  /** Gives the milliseconds until the next attempt; null: there is none. */
  async #attempt(key: string): Promise<number | null> {
    const { now, open, queues, store } = this.#options;
    const callBack = this.#read(key);
    if (callBack === null) return null;
    const queue = this.#queue(callBack);
    if (typeof queue === 'string') return this.#drop(key, callBack, queue);
    const { manner } = queue;
    if (callBack.due > now()) return callBack.due - now();
    if (!open(callBack.route)) return LOOK_MS;
    const ticket = queues.joinForCallBack(callBack.queue, queue.config);
    this.#tickets.add(ticket);
    let outcome: Outcome | null = null;
    try {
      const agent = await ticket.agent();
      if (agent === null || this.#closed) return LOOK_MS;
      // It may have taken the night, or a reload, and the user may have asked once more: all is looked at again.
      if (!open(callBack.route) || this.#read(key)?.call !== callBack.call || typeof this.#queue(callBack) === 'string') return 0;
      // Counted before it rings: a process that dies meanwhile rings nobody once too often.
      void store.set(key, JSON.stringify({ ...callBack, tries: callBack.tries + 1, due: now() + manner.pause * 1000 }));
      outcome = await this.#call(key, callBack, agent, ticket);
    } finally {
      this.#tickets.delete(ticket);
      ticket.leave('hungUp');
      ticket.quiet();
    }
    return this.#concluded(key, callBack, manner, outcome);
  }

  /** What comes of an attempt; null: no orders were taken. Gives what `#attempt` does. */
  #concluded(key: string, callBack: CallBack, manner: Manner, outcome: Outcome | null): number | null {
    const { now, store } = this.#options;
    if (outcome?.kind === 'reached') this.#options.news('done', { ...callBack, tries: callBack.tries + 1 }, outcome.call, null);
    const kept = this.#read(key);
    // The user has asked once more meanwhile.
    if (kept !== null && kept.call !== callBack.call) return 0;
    if (outcome?.kind === 'reached') return null;
    if (outcome === null) {
      void store.set(key, JSON.stringify(callBack));
      return LOOK_MS;
    }
    if (outcome.kind === 'refused' && isForGood(outcome.why)) return this.#drop(key, callBack, outcome.why.text);
    const tries = callBack.tries + (outcome.kind === 'untaken' ? 1 : 0);
    const tried: CallBack = { ...callBack, tries, due: now() + manner.pause * 1000 };
    if (tries >= manner.tries) return this.#drop(key, tried, `the user was rung ${tries} times`);
    void store.set(key, JSON.stringify(tried));
    return manner.pause * 1000;
  }

  /** The queue that calls back, and how; a string: why it does not. */
  #queue({ queue, at }: CallBack): { readonly config: QueueConfig; readonly manner: Manner } | string {
    const { config, now } = this.#options;
    const { queues } = config();
    const found = Object.hasOwn(queues, queue) ? queues[queue] : undefined;
    const manner = found?.callBack ?? null;
    if (found === undefined || manner === null) return `queue ${queue} calls nobody back any more`;
    return now() - at > manner.keepFor * 1000 ? `not reached within ${manner.keepFor} s` : { config: found, manner };
  }

  /** Rings the agent, then the user, as any order; null: no orders are taken now. */
  async #call(key: string, { number, user, queue, call: from }: CallBack, agent: Agent, ticket: Ticket): Promise<Outcome | null> {
    const placed = await this.#options.place({ number, user, peer: agent.peer, peerUser: agent.user, first: 'peer', reference: `callBack:${queue}`, record: null });
    if (placed === null) return null;
    const { call, refused } = placed;
    if (refused !== null) {
      this.#options.log.info({ call: call.id, queue, why: refused }, 'a user cannot be called back now');
      return { kind: 'refused', why: refused };
    }
    const taken: (() => void)[] = [];
    const stop = call.observer.listen((what) => {
      if (what.type !== 'answered') return;
      if (what.leg === 'peer' && taken.length === 0) taken.push(ticket.answered(agent));
      // Who has been reached is not called again, whatever becomes of this process.
      if (what.leg === 'meta' && this.#read(key)?.call === from) this.#options.store.delete(key);
    });
    await call.ended;
    stop();
    if (taken.length === 0) {
      // They have a rest: out of the line first, so that nobody else is chosen for this one.
      ticket.leave('late');
      ticket.refused();
      return { kind: 'nobody', call: call.id };
    }
    for (const free of taken) free();
    return { kind: call.answeredAt === null ? 'untaken' : 'reached', call: call.id };
  }

  #drop(key: string, callBack: CallBack, why: string): null {
    this.#options.store.delete(key);
    this.#options.log.warn({ queue: callBack.queue, call: callBack.call, tries: callBack.tries, why }, 'a user is not called back');
    this.#options.news('dropped', callBack, callBack.call, why);
    return null;
  }

  #read(key: string): CallBack | null {
    const text = this.#options.store.get(key);
    if (text === null) return null;
    try {
      const read = JSON.parse(text) as Partial<CallBack>;
      const { number, user, queue, route, call, at, tries, due } = read;
      const whole = [number, user, queue, route, call].every((one) => typeof one === 'string') && [at, tries, due].every((one) => Number.isFinite(one));
      return whole ? read as CallBack : null;
    } catch {
      return null;
    }
  }
}

import { destinationOf, orNowhere, type Destination } from '../../config/destinations.js';
import type { QueueConfig } from '../../config/types.js';
import { chooseMusic } from '../../call/bridge.js';
import { Hunt } from '../../call/hunt/hunt.js';
import type { Won } from '../../call/hunt/plan.js';
import { ended, reasonOf } from '../../call/termination.js';
import { targetsOf } from '../../routing/index.js';
import { formatReason } from '../../sip/headers.js';
import { deferred } from '../../util/deferred.js';
import { say, wait, type Line } from '../line.js';
import type { Agent, Left, Ticket } from './queues.js';

const leftTheQueue = formatReason('SIP', 487, 'The caller left the queue');

/**
 * The user waits in a queue, with music, until somebody takes the call, a key is pressed, or it has waited too long. Answers Meta.
 * @returns where the call goes; null: somebody has it, or it is over
 */
export async function waitInQueue(line: Line, name: string): Promise<Destination | null> {
  const queue = Object.hasOwn(line.config.queues, name) ? line.config.queues[name] : undefined;
  // The loader refuses names that are not there.
  if (queue === undefined) throw new Error(`no queue is called ${name}`);
  const { call } = line;
  const ticket = line.context.queues.join(name, queue);
  if (ticket === null) {
    call.facts.queue.push({ queue: name, waitMs: 0, left: 'full' });
    call.log.warn({ queue: name, waiting: queue.maxLength }, `queue ${name} is full`);
    return leave(line, queue.full ?? queue.otherwise, () => call.end(ended.queueFull(name, queue.maxLength)));
  }
  return new Waiting(line, name, queue, ticket).run();
}

function leave({ call }: Line, place: QueueConfig['otherwise'], end: () => void): Destination | null {
  const to = orNowhere(place);
  if (to === null && !call.over) end();
  return to;
}

type Outcome = { readonly left: Exclude<Left, 'full' | 'key'> } | { readonly left: 'key'; readonly key: string };

/** One call in one queue. */
class Waiting {
  readonly #line: Line;
  readonly #name: string;
  readonly #queue: QueueConfig;
  readonly #ticket: Ticket;
  readonly #joinedAt = performance.now();
  /** What ends the waiting: the first counts. */
  readonly #end = deferred<Outcome>();
  #over = false;
  #serving = false;
  #hunt: Hunt | null = null;
  /** An announcement is played instead of the music. */
  #speaking = false;

  constructor(line: Line, name: string, queue: QueueConfig, ticket: Ticket) {
    this.#line = line;
    this.#name = name;
    this.#queue = queue;
    this.#ticket = ticket;
  }

  async run(): Promise<Destination | null> {
    const { call } = this.#line;
    const { keys, otherwise, maxWait } = this.#queue;
    const release = call.own((termination) => {
      const { protocol, cause, text } = reasonOf(termination);
      this.#finish({ left: 'hungUp' }, formatReason(protocol, cause, text));
    });
    const late = maxWait === 0 ? null : wait(call, maxWait * 1000);
    void late?.over.then(() => this.#finish({ left: call.over ? 'hungUp' : 'late' }, leftTheQueue));
    let outcome: Outcome;
    try {
      outcome = await this.#begin().then(() => this.#end.promise);
    } finally {
      late?.close();
      release();
      // Whoever was chosen as the call came, and is not rung: Meta was not answered.
      if (!this.#serving) this.#nobodyRings();
    }
    if (outcome.left === 'answered' || outcome.left === 'hungUp' || call.over) return null;
    if (outcome.left === 'key') {
      const exit = keys[outcome.key];
      return exit === undefined ? null : destinationOf(exit);
    }
    if (outcome.left === 'callBack') {
      const confirm = this.#queue.callBack?.confirm ?? null;
      if (confirm !== null) await say(this.#line, confirm, `callBack.confirm of queue ${this.#name}`);
      call.end(ended.callBack(this.#name));
      return null;
    }
    return leave(this.#line, otherwise, () => call.end(ended.waitedTooLong(this.#name, maxWait)));
  }

  async #begin(): Promise<void> {
    const { call } = this.#line;
    if (!await this.#line.accept() || this.#over) return this.#finish({ left: 'hungUp' }, leftTheQueue);
    this.#music();
    this.#serving = true;
    call.runs(this.#serve().finally(() => this.#nobodyRings()));
    call.runs(this.#keys());
    if (this.#queue.announce.every > 0) call.runs(this.#announce());
  }

  #music(): void {
    const { bridge } = this.#line;
    const { music } = this.#queue;
    bridge.comfort.begin('queue', music === null ? bridge.manner.music : chooseMusic(music));
  }

  /** The first end counts. Whoever is rung is cancelled; the user hears nothing of the queue's any more. */
  #finish(outcome: Outcome, reason: string): void {
    if (this.#over) return;
    this.#over = true;
    const { call, bridge, media } = this.#line;
    this.#ticket.leave(outcome.left);
    if (outcome.left !== 'answered') this.#hunt?.stop(reason);
    call.facts.queue.push({ queue: this.#name, waitMs: Math.round(performance.now() - this.#joinedAt), left: outcome.left });
    call.news();
    if (this.#speaking && !call.over) void media.play(null);
    bridge.comfort.end('queue');
    this.#end.resolve(outcome);
  }

  /** Rings one after the other of those who are free, until one takes the call. */
  async #serve(): Promise<void> {
    for (;;) {
      const agent = await this.#ticket.agent();
      // Somebody was found in the moment in which the call left.
      if (agent === null || this.#over) return;
      const won = await this.#ring(agent);
      if (won !== null) return this.#connect(won);
      if (this.#over) return;
      this.#ticket.refused();
    }
  }

  /** However this ended: who was chosen for this call, and does not have it, may be rung for the next. */
  #nobodyRings(): void {
    this.#ticket.leave('hungUp');
    this.#ticket.quiet();
  }

  /** Null: this one did not take the call. */
  async #ring(agent: Agent): Promise<Won | null> {
    const { call, context, media, bridge, route, ready } = this.#line;
    const { manner } = bridge;
    const hunt = this.#hunt = new Hunt(call, context, media, {
      targets: targetsOf(context.rules().config.peers, [agent]), strategy: 'failover', ringTimeout: this.#queue.ringTimeout, stopOn: [], route: route.name, origin: 'route', by: null, ready,
      from: manner.from, headers: manner.headers, early: null,
    }, () => undefined);
    try {
      const result = await hunt.run();
      return 'won' in result ? result.won : null;
    } catch (error) {
      call.end(ended.byError(error));
      return null;
    } finally {
      this.#hunt = null;
    }
  }

  #connect(won: Won): void {
    const { call, bridge } = this.#line;
    const dialog = bridge.adopt(won);
    // The user has left in the moment in which the call was taken.
    if (this.#over || call.over) return call.track(dialog.hangUp(leftTheQueue));
    dialog.onEnd(this.#ticket.answered(won.target));
    // First what plays ends: an agent who does not listen yet has the user hear music of the call's.
    this.#finish({ left: 'answered' }, leftTheQueue);
    bridge.connect(dialog);
    call.log.info({ peer: won.target.peer, user: won.target.user, queue: this.#name, waitMs: call.facts.queue.at(-1)?.waitMs }, 'call answered');
  }

  async #keys(): Promise<void> {
    for (;;) {
      const key = await this.#line.keys.next(this.#end.promise);
      if (key === null || this.#over) return;
      if (key === this.#queue.callBack?.key) await this.#callBack(this.#queue.callBack.refused);
      else if (Object.hasOwn(this.#queue.keys, key)) return this.#finish({ left: 'key', key }, leftTheQueue);
    }
  }

  /** The user wants to be called back, and will be where they have permitted calls; else they wait on. */
  async #callBack(refused: string | null): Promise<void> {
    const { call, context, route } = this.#line;
    const { number, user } = call.facts;
    const permitted = number !== null && user !== null && await context.callBacks.permits(number, user);
    if (this.#over) return;
    if (permitted) {
      context.callBacks.keep({ number, user, queue: this.#name, route: route.name, call: call.id }, call.ended);
      return this.#finish({ left: 'callBack' }, leftTheQueue);
    }
    call.log.info({ queue: this.#name }, 'the user wants to be called back, and has not permitted calls');
    if (refused !== null) await this.#speak([refused], `callBack.refused of queue ${this.#name}`);
  }

  /** Instead of the music. */
  async #speak(sounds: readonly string[], what: string): Promise<void> {
    if (this.#speaking) return;
    this.#speaking = true;
    this.#line.bridge.comfort.end('queue');
    for (const sound of sounds) {
      await say(this.#line, sound, what);
      if (this.#over) return;
    }
    this.#music();
    this.#speaking = false;
  }

  /** Tells the place in line now and then. */
  async #announce(): Promise<void> {
    const { call } = this.#line;
    const { every, places, file } = this.#queue.announce;
    for (;;) {
      const pause = wait(call, every * 1000);
      await Promise.race([pause.over, this.#end.promise]);
      pause.close();
      if (this.#over) return;
      const sounds = [places[this.#ticket.place - 1], file].flatMap((sound) => sound ?? []);
      if (sounds.length > 0) await this.#speak(sounds, `announce of queue ${this.#name}`);
      if (this.#over) return;
    }
  }
}

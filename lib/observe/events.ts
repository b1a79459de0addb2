import { randomBytes } from 'node:crypto';
import { eventTypes, type EventType } from '../config/eventTypes.js';
import { Observer } from '../util/observer.js';
import { printableJson } from './printable.js';
import { maskUser, maskUsers } from './redact.js';

/** What an event tells. `user` and `digit` are hidden from who may not see users: the middle of the one, all of the other; so are numbers in any text. */
export interface EventData {
  readonly user?: string | null;
  readonly digit?: string | null;
  readonly [key: string]: unknown;
}

/** One event. The same for all who hear it but for what they may see of users. */
export class ServiceEvent {
  readonly id: string;
  /** Counts the events of this process, from 1. */
  readonly seq: number;
  readonly type: EventType;
  /** Id of the call that it is about; null: of none. */
  readonly call: string | null;
  readonly #time: number;
  readonly #data: EventData;
  readonly #business: () => ReadonlySet<string>;
  #full: string | null = null;
  #masked: string | null = null;

  constructor(head: Pick<ServiceEvent, 'id' | 'seq' | 'type' | 'call'> & { readonly time: number }, data: EventData, business: () => ReadonlySet<string>) {
    this.id = head.id;
    this.seq = head.seq;
    this.type = head.type;
    this.call = head.call;
    this.#time = head.time;
    this.#data = data;
    this.#business = business;
  }

  /** As JSON, on one line; written out once, when first somebody wants it. `full`: users' numbers, and their digits, are shown. */
  json(full: boolean): string {
    if (full) return (this.#full ??= this.#write(this.#data));
    if (this.#masked !== null) return this.#masked;
    const { user, digit } = this.#data;
    const masked = { ...this.#data, ...(typeof user === 'string' ? { user: maskUser(user) } : {}), ...(digit === undefined ? {} : { digit: null }) };
    this.#masked = maskUsers(this.#write(masked), this.#business(), user ?? null);
    return this.#masked;
  }

  #write(data: EventData): string {
    const { id, seq, type, call } = this;
    return printableJson(JSON.stringify({ id, seq, time: new Date(this.#time).toISOString(), type, ...(call === null ? {} : { call }), data }));
  }
}

export interface EventBusOptions {
  /** Events that are kept for who comes back. */
  readonly keep: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Business numbers: they are shown to everybody. */
  readonly business: () => ReadonlySet<string>;
  readonly onFault: (error: unknown) => void;
}

/** All that happens in the service, in one order, and the last of it kept: who was away for a while misses nothing that is still there. */
export class EventBus {
  /** Tells the ids of this process from those of others, and of the one before. */
  readonly #process = randomBytes(6).toString('hex');
  readonly #options: EventBusOptions;
  readonly #ring: ServiceEvent[] = [];
  readonly #observer: Observer<ServiceEvent>;
  #next = 1;

  constructor(options: EventBusOptions) {
    this.#options = options;
    this.#observer = new Observer(options.onFault);
  }

  /** Number of the event that comes next; of the oldest that is kept. */
  get next(): number {
    return this.#next;
  }

  get oldest(): number {
    return this.#next - this.#ring.length;
  }

  tell(type: EventType, call: string | null, data: EventData): void {
    const event = this.#make(this.#next, type, call, data);
    if (this.#ring.length < this.#options.keep) this.#ring.push(event);
    else this.#ring[(this.#next - 1) % this.#options.keep] = event;
    this.#next += 1;
    this.#observer.tell(event);
  }

  /** The event of this number; null when it is not kept any more, or not there yet. */
  at(seq: number): ServiceEvent | null {
    return seq < this.oldest || seq >= this.#next ? null : this.#ring[(seq - 1) % this.#options.keep] ?? null;
  }

  /** Number of the first event behind the one with this id; null: nobody knows what was missed. */
  after(id: string): number | null {
    const [, process, text = ''] = /^([0-9a-f]{12})-([1-9][0-9]{0,15})$/.exec(id) ?? [];
    const seq = Number(text);
    return process !== this.#process || seq >= this.#next || seq + 1 < this.oldest ? null : seq + 1;
  }

  /** Says to one listener what is missing before the event of this number; nobody else hears it. `missed`: how many events; null: nobody knows. */
  gap(before: number, missed: number | null): ServiceEvent {
    return this.#make(Math.max(0, before - 1), 'events.gap', null, { missed });
  }

  listen(listener: (event: ServiceEvent) => void): () => void {
    return this.#observer.listen(listener);
  }

  #make(seq: number, type: EventType, call: string | null, data: EventData): ServiceEvent {
    return new ServiceEvent({ id: `${this.#process}-${seq}`, seq, type, call, time: this.#options.now() }, data, this.#options.business);
  }
}

/** Whether an event is one of those that are wanted: '*', 'call.*' or names. */
export function wantsType(wanted: readonly string[]): (type: EventType) => boolean {
  if (wanted.includes('*')) return () => true;
  const all = new Set<string>(eventTypes.filter((type) => wanted.some((want) => want === type || (want.endsWith('.*') && type.startsWith(want.slice(0, -1))))));
  // What is missing concerns everybody.
  all.add('events.gap');
  return (type) => all.has(type);
}

import type { ServerResponse } from 'node:http';
import type { EventType } from '../../config/eventTypes.js';
import { wantsType, type EventBus, type ServiceEvent } from '../../observe/events.js';
import { ApiError } from './error.js';
import type { ApiToken } from './tokens.js';

/** Listeners at once. */
const mostStreams = 500;
/** Events of so long go out together, milliseconds: a write for each event and listener would take the calls' time. */
const togetherMs = 50;
/** A sign of life where nothing happens, milliseconds: less than what closes an idle connection. */
const pulseMs = 10_000;
/** Characters that are written before the connection is asked whether it takes more. */
const portion = 65_536;
/** A listener that takes nothing for so long is given up, milliseconds; and what it is told then has so long to reach it. */
const patienceMs = 30_000;
const partingMs = 20_000;

export interface StreamWish {
  readonly token: ApiToken;
  readonly full: boolean;
  readonly types: readonly string[];
  /** Of one call only; null: of all. */
  readonly call: string | null;
  /** Where the listener left off; null: it begins now. */
  readonly lastId: string | null;
}

/**
 * The listeners of /v1/events. None has a queue of its own: each knows how far it has come in what the bus keeps, so that a slow one costs one full
 * socket, and is told and dropped when what it has not heard is kept no more.
 */
export class EventStreams {
  readonly #bus: EventBus;
  readonly #isGood: (token: ApiToken, full: boolean) => boolean;
  readonly #streams = new Set<Stream>();
  readonly #unlisten: () => void;
  #timer: NodeJS.Timeout | null = null;
  readonly #pulse: NodeJS.Timeout;

  /** `isGood`: the token is still one of those that may listen; `full`: and see users. */
  constructor(bus: EventBus, isGood: (token: ApiToken, full: boolean) => boolean) {
    this.#bus = bus;
    this.#isGood = isGood;
    this.#unlisten = bus.listen(() => {
      if (this.#streams.size > 0) this.#timer ??= setTimeout(() => this.#flush(), togetherMs);
    });
    this.#pulse = setInterval(() => this.#beat(), pulseMs).unref();
  }

  /** @throws ApiError 503 */
  mayBegin(): void {
    if (this.#streams.size >= mostStreams) throw new ApiError(503, 'events.full', `${mostStreams} listeners are there already`);
  }

  begin(response: ServerResponse, wish: StreamWish): void {
    const stream = new Stream(this.#bus, response, wish, () => this.#streams.delete(stream));
    this.#streams.add(stream);
    stream.begin();
  }

  close(): void {
    this.#unlisten();
    clearInterval(this.#pulse);
    if (this.#timer !== null) clearTimeout(this.#timer);
    // What has happened in the last moment, as the end of the calls that a stop ends.
    this.#flush();
    for (const stream of [...this.#streams]) stream.end();
  }

  #flush(): void {
    this.#timer = null;
    for (const stream of [...this.#streams]) stream.pump();
  }

  #beat(): void {
    for (const stream of [...this.#streams]) {
      if (this.#isGood(stream.token, stream.full)) stream.beat();
      else stream.end();
    }
  }
}

class Stream {
  readonly token: ApiToken;
  readonly full: boolean;
  readonly #bus: EventBus;
  readonly #response: ServerResponse;
  readonly #wish: StreamWish;
  readonly #wants: (type: EventType) => boolean;
  readonly #over: () => void;
  /** Number of the event that it hears next. */
  #cursor: number;
  /** Since when the connection takes nothing; null: it does. */
  #blockedAt: number | null = null;
  #ended = false;

  constructor(bus: EventBus, response: ServerResponse, wish: StreamWish, over: () => void) {
    this.token = wish.token;
    this.full = wish.full;
    this.#bus = bus;
    this.#response = response;
    this.#wish = wish;
    this.#wants = wantsType(wish.types);
    this.#over = over;
    this.#cursor = bus.next;
  }

  begin(): void {
    const { lastId } = this.#wish;
    this.#response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff', 'X-Accel-Buffering': 'no', Connection: 'close' });
    this.#response.on('drain', () => {
      this.#blockedAt = null;
      this.pump();
    });
    this.#response.on('error', () => { /* it has gone */ });
    this.#response.on('close', () => {
      this.#ended = true;
      this.#over();
    });
    this.#response.write('retry: 2000\n: here you are\n\n');
    if (lastId === null) return;
    const next = this.#bus.after(lastId);
    // Of a process before, or kept no more: all that there is, behind a word that something is missing.
    this.#cursor = next ?? this.#bus.oldest;
    if (next === null) this.#response.write(this.#frame(this.#bus.gap(this.#cursor, null)));
    this.pump();
  }

  /** Writes what has come, as far as the connection takes it. */
  pump(): void {
    let text = '';
    while (this.#blockedAt === null && !this.#ended && this.#cursor < this.#bus.next) {
      const event = this.#bus.at(this.#cursor);
      if (event === null) return this.#drop();
      this.#cursor += 1;
      if (this.#isWanted(event)) text += this.#frame(event);
      if (text.length < portion) continue;
      this.#write(text);
      text = '';
    }
    if (text !== '') this.#write(text);
    if (this.#blockedAt !== null && this.#cursor < this.#bus.oldest) this.#drop();
  }

  beat(): void {
    if (this.#blockedAt === null) this.#write(':\n\n');
    else if (performance.now() - this.#blockedAt > patienceMs) this.#drop();
  }

  /** Nothing more; it may come back. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#over();
    this.#response.end();
    setTimeout(() => this.#response.destroy(), partingMs).unref();
  }

  /** Too slow: it is told how much it has missed, and where to go on. */
  #drop(): void {
    if (this.#ended) return;
    const { oldest } = this.#bus;
    this.#response.write(this.#frame(this.#bus.gap(Math.max(oldest, this.#cursor), Math.max(0, oldest - this.#cursor))));
    this.end();
  }

  #write(text: string): void {
    if (!this.#response.write(text)) this.#blockedAt ??= performance.now();
  }

  #isWanted({ type, call }: ServiceEvent): boolean {
    return this.#wants(type) && (this.#wish.call === null || call === this.#wish.call);
  }

  #frame(event: ServiceEvent): string {
    return `id: ${event.id}\nevent: ${event.type}\ndata: ${event.json(this.full)}\n\n`;
  }
}

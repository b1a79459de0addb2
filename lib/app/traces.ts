import { hostname } from 'node:os';
import type { Happening } from '../call/happening.js';
import { exportRequest, spansOf, type CallTrace, type Step } from '../observe/otlp/spans.js';
import { maskUser } from '../observe/redact.js';
import { after } from '../util/after.js';
import { Deliveries } from '../util/deliveries.js';
import { shownUrl } from '../util/shownUrl.js';
import type { Calls } from './calls.js';
import type { Start } from './start.js';
import type { State } from './state.js';

/** Calls that end within so long go out together, in milliseconds; and so many at most. */
const GATHER = 1000;
const MOST_CALLS = 200;
const ATTEMPT = 10_000;
/** Milliseconds before each further attempt; then what it carried is given up: a trace is no record. */
const PAUSES = [1000, 5000, 30_000];
/** Steps, and events, of one call that are told: who holds it a thousand times is not worth a request of its own. */
const mostSteps = 100;
/** Requests, and bytes of them, that wait for a collector. */
const maxWaiting = 500;
const maxWaitingBytes = 16_000_000;
/** What waits when the service ends has so long, in milliseconds. */
const PARTING = 2000;

/** Sends each call as a trace to the collector that the configuration names. Without one nothing is listened to. */
export function openTraces({ config: { traces }, version, log, undo }: Start, { table }: State, { metrics }: Calls): void {
  if (traces === null) return;
  const part = log.child({ part: 'traces' });
  const deliveries = new Deliveries(traces.otlp, {
    attemptMs: ATTEMPT, pausesMs: PAUSES, lifetimeMs: null, restMs: 1000, most: { letters: maxWaiting, bytes: maxWaitingBytes, atOnce: 2 },
    // OTLP/HTTP: what is refused so is refused for good; all else may be tried again.
    isFinal: (status) => status >= 400 && status < 500 && status !== 408 && status !== 429, onOutcome: (outcome) => metrics.tracesPosted(outcome),
    onTrouble: (why) => {
      if (why === null) part.info({ url: shownUrl(traces.otlp) }, 'traces are taken by the collector again');
      else part.warn({ url: shownUrl(traces.otlp), why }, 'traces cannot be delivered to the collector (traces.otlp); some are lost where that lasts, calls are not touched');
    },
  });
  const resource = { 'service.name': traces.service, 'service.version': version, 'host.name': hostname(), 'process.pid': process.pid };
  const headers = { 'content-type': 'application/json', ...(traces.authorization === null ? {} : { authorization: traces.authorization }) };
  let gathered: CallTrace[] = [];
  let timer: NodeJS.Timeout | null = null;
  const send = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (gathered.length === 0) return;
    const body = Buffer.from(JSON.stringify(exportRequest(resource, version, gathered.flatMap(spansOf))));
    gathered = [];
    deliveries.send({ body, headers }, null);
  };
  table.watch({
    added: (call) => {
      const course = new Course();
      call.observer.listen((what) => {
        const trace = course.take(what, Date.now());
        if (trace === null) return;
        gathered.push(trace);
        if (gathered.length >= MOST_CALLS) send();
        else timer ??= after(GATHER, send);
      });
    },
  });
  undo.push(() => {
    send();
    return deliveries.finish(PARTING);
  });
}

/** What is to be told of one call: its steps while it goes on, the trace when it ends. */
class Course {
  readonly #steps: { name: string; from: number; to: number | null; attributes: Step['attributes'] }[] = [];
  readonly #moments: { name: string; at: number; attributes: Step['attributes'] }[] = [];
  #from = 0;
  #leftOut = 0;

  /** The trace, when that was the end. `now`: milliseconds since 1970. */
  take(what: Happening, now: number): CallTrace | null {
    switch (what.type) {
      case 'created':
        this.#from = now;
        this.#begin('setup', now);
        break;
      case 'ringing':
        this.#begin('ring', now, { 'wab.leg': what.leg, ...(what.leg === 'peer' ? { 'wab.peer': what.peer, 'wab.peer_user': what.peerUser } : {}) });
        break;
      case 'answered':
        this.#end(now, 'ring');
        if (what.leg === 'meta') {
          this.#end(now, 'setup');
          this.#begin('talk', now);
        }
        break;
      case 'held':
        this.#begin('hold', now, { 'wab.by': what.by });
        break;
      case 'resumed':
        this.#end(now, 'hold');
        break;
      case 'transferred':
      case 'transferFailed':
        if (this.#isFull(this.#moments)) break;
        this.#moments.push({ name: what.type, at: now, attributes: { 'wab.kind': what.transfer.kind, 'wab.by': what.transfer.by, 'wab.status': what.transfer.status } });
        break;
      case 'dtmf':
        // The digits may be a card's.
        break;
      case 'ended':
        return this.#trace(what.record, now);
    }
    return null;
  }

  #begin(name: string, from: number, attributes: Step['attributes'] = {}): void {
    if (!this.#isFull(this.#steps)) this.#steps.push({ name, from, to: null, attributes });
  }

  /** Counts what is left out. */
  #isFull({ length }: readonly unknown[]): boolean {
    const full = length >= mostSteps;
    if (full) this.#leftOut += 1;
    return full;
  }

  #end(now: number, name: string): void {
    for (const step of this.#steps) if (step.name === name) step.to ??= now;
  }

  #trace(record: Extract<Happening, { type: 'ended' }>['record'], now: number): CallTrace {
    const { by, reason, result, status } = record.termination;
    return {
      call: record.id, from: this.#from === 0 ? now - (record.setupMs ?? 0) : this.#from, to: now, steps: this.#steps, moments: this.#moments,
      failure: result === 'success' || result === 'client' ? null : `${by} ${reason}`,
      attributes: {
        'wab.call': record.id, 'wab.direction': record.direction, 'wab.number': record.number, 'wab.user': record.user === null ? null : maskUser(record.user), 'wab.route': record.route,
        'wab.peer': record.peer, 'wab.account': record.account, 'wab.country': record.country, 'wab.reference': record.reference, 'wab.by': by, 'wab.reason': reason, 'wab.result': result,
        'wab.status': status, 'wab.setup_ms': record.setupMs, 'wab.duration_ms': record.durationMs, 'wab.tries': record.tries.length, 'wab.mos': record.media?.meta.mos ?? null, 'wab.left_out': this.#leftOut === 0 ? null : this.#leftOut,
      },
    };
  }
}

import type { forwardOutcomes } from '../../observe/metrics.js';
import { Deliveries } from '../../util/deliveries.js';
import { shownUrl } from '../../util/shownUrl.js';

/** Bytes of bodies that wait for one URL, and how many; beyond, further ones are dropped. */
const maxWaitingBytes = 16_000_000;
const maxWaiting = 2000;
/** Bodies on their way to one URL at once. */
const maxAtOnce = 8;
/** Milliseconds one attempt may take, and before each further one. */
const attemptMs = 10_000;
const pausesMs = [1000, 5000, 30_000];

/** A webhook as it came. */
export interface Forwarded {
  readonly body: Buffer;
  readonly contentType: string;
  /** X-Hub-Signature-256, as it came. */
  readonly signature: string;
}

export interface ForwarderOptions {
  readonly log: { warn(fields: object, message: string): void; info(fields: object, message: string): void };
  readonly onOutcome: (outcome: (typeof forwardOutcomes)[number]) => void;
  /** Milliseconds before each further attempt; for tests. */
  readonly pauses?: readonly number[];
}

/** Sends webhooks on to one URL as they came. A URL that is dead costs its bounded memory and nothing else. */
export class Forwarder {
  readonly #deliveries: Deliveries;

  constructor(url: string, { log, onOutcome, pauses = pausesMs }: ForwarderOptions) {
    this.#deliveries = new Deliveries(url, {
      attemptMs, pausesMs: pauses, lifetimeMs: null, restMs: 0, most: { letters: maxWaiting, bytes: maxWaitingBytes, atOnce: maxAtOnce },
      onOutcome: (outcome) => onOutcome(outcome === 'delivered' ? 'forwarded' : outcome),
      onTrouble: (why) => {
        if (why === null) log.info({ part: 'webhooks', url: shownUrl(url) }, 'webhooks are forwarded again');
        else log.warn({ part: 'webhooks', url: shownUrl(url), why }, 'webhooks cannot be forwarded');
      },
    });
  }

  /** Bytes and bodies that wait or are on their way. */
  get held(): { readonly bytes: number; readonly count: number } {
    return this.#deliveries.held;
  }

  send({ body, contentType, signature }: Forwarded): void {
    this.#deliveries.send({ body, headers: { 'content-type': contentType, 'x-hub-signature-256': signature } }, null);
  }

  /** What waits is given up. May be called twice. */
  close(): void {
    this.#deliveries.close();
  }
}

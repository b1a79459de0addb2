// Meta's webhooks to the business: signed, repeated until they are taken, and as untidy as Meta's are.
import { createHmac } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { Fields } from './reading.js';

/** How webhooks arrive. */
export interface Delivery {
  /** Each is sent twice. */
  readonly duplicate: boolean;
  /** Milliseconds before each is sent. */
  readonly lateMs: number;
  /** Each second comes before the one before it. */
  readonly disorder: boolean;
}

export interface Sent {
  readonly body: Fields;
  /** HTTP status of the last attempt; 0: none. */
  status: number;
  attempts: number;
}

/** Milliseconds before each further attempt; Meta's own last for days. */
const RETRIES_MS = [200, 400, 800, 1600, 3200] as const;
const ANSWER_MS = 5000;
/** How long one that is held back waits for the next, ms. */
const HELD_MS = 1000;

export interface WebhookTarget { readonly url: string; readonly secret: string }

export class Webhooks {
  /** All that were to be sent, in the order in which they came about; the last ten thousand. */
  readonly sent: Sent[] = [];
  target: WebhookTarget | undefined;
  readonly #delivery: () => Delivery;
  readonly #closing = new AbortController();
  readonly #work = new Set<Promise<void>>();
  /** First attempts go out one after the other. */
  #turn: Promise<void> = Promise.resolve();
  #held: { readonly sent: Sent; readonly timer: NodeJS.Timeout } | undefined;

  constructor(target: WebhookTarget | undefined, delivery: () => Delivery) {
    this.target = target;
    this.#delivery = delivery;
    // One for each that waits.
    setMaxListeners(0, this.#closing.signal);
  }

  /** Sends one change, by `field` of the WhatsApp account. */
  change(waba: string, field: string, value: Fields): void {
    this.send({ object: 'whatsapp_business_account', entry: [{ id: waba, changes: [{ field, value }] }] });
  }

  send(body: Fields): void {
    const sent: Sent = { body, status: 0, attempts: 0 };
    this.sent.push(sent);
    if (this.sent.length > 10_000) this.sent.shift();
    if (!this.#delivery().disorder || this.#held !== undefined) {
      this.#enqueue(sent);
      this.#release();
    } else this.#held = { sent, timer: setTimeout(() => { this.#release(); }, HELD_MS) };
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    this.#release();
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.idle();
  }

  #release(): void {
    const held = this.#held;
    this.#held = undefined;
    clearTimeout(held?.timer);
    if (held !== undefined) this.#enqueue(held.sent);
  }

  #enqueue(sent: Sent): void {
    const { target } = this;
    if (target === undefined) return;
    const { duplicate, lateMs } = this.#delivery();
    const due = Date.now() + lateMs;
    for (let copy = 0; copy < (duplicate ? 2 : 1); copy++) {
      this.#turn = this.#turn.then(() => this.#first(sent, target, due));
      this.#track(this.#turn);
    }
  }

  #track(work: Promise<void>): void {
    this.#work.add(work);
    void work.finally(() => this.#work.delete(work));
  }

  async #first(sent: Sent, target: WebhookTarget, due: number): Promise<void> {
    await this.#pause(Math.max(0, due - Date.now()));
    // One that is not taken does not hold up the next.
    if (!await this.#attempt(sent, target)) this.#track(this.#again(sent, target));
  }

  async #again(sent: Sent, target: WebhookTarget): Promise<void> {
    for (const wait of RETRIES_MS) {
      await this.#pause(wait);
      if (this.#closing.signal.aborted || await this.#attempt(sent, target)) return;
    }
  }

  async #attempt(sent: Sent, { url, secret }: WebhookTarget): Promise<boolean> {
    if (this.#closing.signal.aborted) return true;
    const text = JSON.stringify(sent.body);
    sent.attempts++;
    sent.status = await this.#post(url, text, `sha256=${createHmac('sha256', secret).update(text).digest('hex')}`);
    return sent.status === 200;
  }

  async #post(url: string, body: string, signature: string): Promise<number> {
    try {
      const response = await fetch(url, {
        method: 'POST', body, redirect: 'manual', signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(ANSWER_MS)]),
        headers: { 'content-type': 'application/json', 'user-agent': 'facebookexternalua', 'x-hub-signature-256': signature },
      });
      await response.arrayBuffer();
      return response.status;
    } catch {
      return 0;
    }
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#closing;
    if (ms === 0 || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal.addEventListener('abort', end, { once: true });
    });
  }
}

/** Asks the business's server whether it is the one: GET with hub.challenge. Gives whether it said the challenge back. */
export async function verifyCallback(url: string, verifyToken: string): Promise<boolean> {
  const challenge = String(Math.floor(Math.random() * 1e9));
  const asked = new URL(url);
  for (const [name, value] of [['hub.mode', 'subscribe'], ['hub.verify_token', verifyToken], ['hub.challenge', challenge]] as const) asked.searchParams.set(name, value);
  try {
    const response = await fetch(asked, { signal: AbortSignal.timeout(ANSWER_MS) });
    return response.status === 200 && await response.text() === challenge;
  } catch {
    return false;
  }
}

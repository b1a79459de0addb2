// Speaks to the API as a program of a customer's would: fetch, and what comes as events.
export interface Told { readonly id: string; readonly seq: number; readonly time: string; readonly type: string; readonly call?: string; readonly data: Record<string, unknown> }

// What comes is whatever the API says: tests compare it with what they want.
type Json = ReturnType<typeof JSON.parse>;

export interface Answer { readonly status: number; readonly body: Json; readonly text: string; readonly headers: Headers }

export class ApiClient {
  readonly #url: string;
  readonly #token: string;

  constructor(address: string | null, token: string) {
    if (address === null) throw new Error('there is no API');
    this.#url = `http://${address}`;
    this.#token = token;
  }

  async ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(`${this.#url}${path}`, {
      method, headers: { authorization: `Bearer ${this.#token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, text, headers: response.headers, body: text === '' || !response.headers.get('content-type')?.includes('json') ? null : JSON.parse(text) };
  }

  get(path: string): Promise<Answer> { return this.ask('GET', path); }
  post(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> { return this.ask('POST', path, body, headers); }

  /** Opens the stream of events; resolves when it stands. */
  async events(query = '', lastId: string | null = null): Promise<Listener> {
    const abort = new AbortController();
    const response = await fetch(`${this.#url}/v1/events${query}`, { signal: abort.signal, headers: { authorization: `Bearer ${this.#token}`, ...(lastId === null ? {} : { 'last-event-id': lastId }) } });
    if (response.status !== 200 || response.body === null) throw new Error(`${response.status} ${await response.text()}`);
    return new Listener(response.body, abort);
  }
}

/** Reads a stream of events as the standard has it, keeps them, and lets a test wait for one. */
export class Listener {
  readonly told: Told[] = [];
  /** Resolves when the server has ended the stream. */
  readonly ended: Promise<void>;
  readonly #abort: AbortController;
  #wake: () => void = () => undefined;

  constructor(body: ReadableStream<Uint8Array>, abort: AbortController) {
    this.#abort = abort;
    this.ended = this.#read(body).catch(() => undefined);
  }

  close(): void { this.#abort.abort(); }

  /** The first event for which this holds, of those that came and are to come within `ms`. */
  async when(holds: (event: Told) => boolean, what = 'an event', ms = 10_000): Promise<Told> {
    const until = Date.now() + ms;
    for (;;) {
      const found = this.told.find(holds);
      if (found !== undefined) return found;
      const left = until - Date.now();
      if (left <= 0) throw new Error(`${what} did not come; there were ${this.told.map(({ type }) => type).join(' ')}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => { clearTimeout(timer); resolve(); };
      });
    }
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    let rest = '';
    const decoder = new TextDecoder();
    for await (const chunk of body) {
      rest += decoder.decode(chunk, { stream: true });
      const blocks = rest.split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const fields = new Map(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()] as const));
        const data = fields.get('data');
        if (data === undefined) continue;
        const event = JSON.parse(data) as Told;
        if (fields.get('id') !== event.id || fields.get('event') !== event.type) throw new Error(`id or event is not that of ${data}`);
        this.told.push(event);
      }
      this.#wake();
    }
  }
}

export const allScopes = ['read', 'calls', 'numbers', 'users'];

/** What a configuration has for a test of the API: one token that may do all, one that may read, one that may call. */
export const apiKeys = {
  listen: '127.0.0.1:0',
  tokens: [
    { name: 'all', token: 'all-of-it-0123456789', scopes: allScopes }, { name: 'reader', token: 'reader-0123456789abc', scopes: ['read'] },
    { name: 'caller', token: 'caller-0123456789abc', scopes: ['calls'] },
  ],
};
export const tokens = { all: 'all-of-it-0123456789', reader: 'reader-0123456789abc', caller: 'caller-0123456789abc' };

import { EventEmitter } from 'node:events';
import { WabError } from '../errors.js';
import type { TraceEntry } from '../observe/trace.js';
import type { Guard } from '../util/guard.js';
import type { SipRequest, SipResponse, SipStack } from './drachtio.js';
import { closeStack, createStack, guardMessages, onProtocolMessage, pinged, taken } from './drachtio.js';
import type { LocalServer } from './localSocket.js';
import { readTrace } from './protocolTrace.js';
import { withTimeout } from '../util/withTimeout.js';

/** A SIP server: where it takes clients, or, in this thread, itself. */
export type SipServerAddress = ({ readonly host: string; readonly port: number } | { readonly server: LocalServer }) & { readonly secret: string };

export interface ConnectionLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Longest pause between two attempts to connect, in milliseconds; without a limit drachtio-srf waits for hours after a night's outage. */
const retryMaxDelay = 5000;

/** Milliseconds between two pings of a server, and how long one may take before the server counts as slow. */
const PING_EVERY = 2000;
const PING_PATIENCE = 2000;

export interface ConnectionHandlers {
  /** A request outside any dialog. */
  readonly request: (req: SipRequest, res: SipResponse, stack: SipStack) => void;
  /** Every SIP message that crosses a server, as far as it tells us; null: nobody wants them. */
  readonly message: ((entry: TraceEntry) => void) | null;
}

interface Connection {
  readonly address: SipServerAddress;
  readonly stack: SipStack;
  up: boolean;
  /** It leaves our pings waiting: connected, so what it holds it holds, but nothing new is given to it while there is another. */
  slow: boolean;
  /** It has answered a ping: older servers know none. */
  pings: boolean;
  /** Port of its TLS contact, from its answer to our authentication. */
  tlsPort: number | null;
  /** Its contacts, from there too, as "udp:10.0.0.4:5060". */
  listening: readonly string[];
}

/**
 * The connections to the SIP servers: the embedded one, or one or more drachtio-server.
 * Each reconnects by itself with back-off (drachtio-srf does that); requests come in from all, go out on a connected one in turn.
 */
export class SipConnections extends EventEmitter<{ up: [address: string]; down: [address: string, stack: SipStack] }> {
  readonly #connections: Connection[];
  readonly #log: ConnectionLog;
  /** Null until connect(). */
  #handlers: ConnectionHandlers | null = null;
  readonly #guard: Guard;
  #next = 0;
  #closed = false;
  #watching: NodeJS.Timeout | null = null;

  /** `guard` takes what a message, an event or a timer makes somebody throw. */
  constructor(addresses: readonly SipServerAddress[], log: ConnectionLog, guard: Guard) {
    super();
    this.#log = log;
    this.#guard = guard;
    this.#connections = addresses.map((address) => {
      const stack: SipStack = createStack((req, res) => this.#handlers?.request(req, res, stack), guard);
      return { address, stack, up: false, slow: false, pings: false, tlsPort: null, listening: [] };
    });
  }

  /**
   * From now on requests come in, to `handlers`. Resolves when at least one server is connected.
   * @throws WabError SIP_UNAVAILABLE when none was within `timeout` milliseconds
   */
  async connect(timeout: number, handlers: ConnectionHandlers): Promise<void> {
    this.#handlers = handlers;
    const firstUp = new Promise<void>((resolve) => this.once('up', () => resolve()));
    for (const connection of this.#connections) this.#open(connection, handlers);
    this.#watch();
    await withTimeout(firstUp, timeout, () => {
      throw new WabError('SIP_UNAVAILABLE', `none of ${this.#connections.map((c) => name(c.address)).join(', ')} answered within ${timeout} ms`);
    });
  }

  /** True while at least one SIP server is connected and answers in time. */
  get healthy(): boolean {
    return this.#connections.some((c) => c.up && !c.slow);
  }

  status(): { address: string; up: boolean }[] {
    return this.#connections.map((c) => ({ address: name(c.address), up: c.up }));
  }

  /** What all of them listen on, as "udp:10.0.0.4:5060". */
  get listening(): readonly string[] {
    return this.#connections.flatMap(({ listening }) => listening);
  }

  /** A connected server for a request of ours, one that is slow only where all are. @throws WabError SIP_UNAVAILABLE */
  pick(): SipStack {
    const from = this.#next % this.#connections.length;
    const inTurn = [...this.#connections.slice(from), ...this.#connections.slice(0, from)].filter(({ up }) => up);
    const connection = inTurn.find(({ slow }) => !slow) ?? inTurn[0];
    if (connection === undefined) throw new WabError('SIP_UNAVAILABLE', 'every SIP server connection is down');
    this.#next = this.#connections.indexOf(connection) + 1;
    return connection.stack;
  }

  /** Slow is not dead: only a connection that is closed says that a server has ended. */
  #watch(): void {
    const look = async (): Promise<void> => {
      await Promise.all(this.#connections.filter(({ up }) => up).map(async (connection) => {
        const answered = await pinged(connection.stack, PING_PATIENCE);
        if (this.#closed || !connection.up) return;
        connection.pings ||= answered;
        const slow = !answered && connection.pings;
        if (slow !== connection.slow) this.#log.warn({ server: name(connection.address) }, slow ? 'the SIP server answers late; the calls it has stay' : 'the SIP server answers in time again');
        connection.slow = slow;
      }));
    };
    const plan = (): void => {
      this.#watching = setTimeout(() => this.#guard.spawn('ping of a SIP server', look().finally(() => { if (!this.#closed) plan(); })), PING_EVERY);
    };
    plan();
  }

  /** Where this server takes TLS; null when it does not, or was never connected. */
  tlsPort(stack: SipStack): number | null {
    return this.#connections.find((connection) => connection.stack === stack)?.tlsPort ?? null;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#watching !== null) clearTimeout(this.#watching);
    for (const { stack } of this.#connections) closeStack(stack);
  }

  #open(connection: Connection, { message }: ConnectionHandlers): void {
    const { stack, address } = connection;
    let attempt = 0;
    const guard = this.#guard;
    stack.on('connect', guard.wrap('connection to a SIP server', (error: Error | null, contacts: string = '') => {
      if (error) {
        this.#log.warn({ server: name(address), err: error.message }, 'the SIP server refused our secret: check sip.drachtio[].secret');
        return;
      }
      if (this.#closed) return closeStack(stack);
      const mine = (attempt += 1);
      guard.spawn('connection to a SIP server', taken(stack).then(() => {
        if (this.#closed || mine !== attempt) return;
        connection.up = true;
        connection.slow = false;
        connection.tlsPort = Number(/\btls\/[^,]*:(\d+)(?:,|$)/.exec(contacts)?.[1] ?? 0) || null;
        connection.listening = contacts.split(',').filter((contact) => contact.includes('/')).map((contact) => contact.trim().replace('/', ':'));
        this.#log.info({ server: name(address) }, 'connected to the SIP server');
        this.emit('up', name(address));
      }));
    }));
    const lost = guard.wrap('loss of a SIP server', (error?: unknown): void => {
      attempt += 1;
      if (this.#closed || !connection.up) return;
      connection.up = false;
      this.#log.warn({ server: name(address), err: error instanceof Error ? error.message : undefined }, 'the connection to the SIP server was lost; reconnecting');
      this.emit('down', name(address), stack);
    });
    stack.on('error', lost);
    stack.on('close', () => lost());
    stack.connect({ ...address, reconnect: { retryMaxDelay } });
    if (message !== null) {
      onProtocolMessage(stack, (text) => {
        const entry = readTrace(text, Date.now());
        if (entry !== null) message(entry);
      });
    }
    guardMessages(stack, guard);
  }
}

function name(address: SipServerAddress): string {
  return 'server' in address ? 'embedded' : `${address.host}:${address.port}`;
}

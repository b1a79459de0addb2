import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import type { Logger } from '../../observe/logger.js';
import type { AgentEnd } from '../../media/types.js';
import { withTimeout } from '../../util/withTimeout.js';
import type { AgentCall, TransferNews } from './dialects/types.js';
import type { AgentPlace, FromSockets, LostFrames, SocketRefusal, ToSockets } from './messages.js';

/** Patience with a thread that is to end, milliseconds: sockets are closed by both ends. */
const PARTING_MS = 3000;

interface LinkEvents {
  open: [];
  refused: [refusal: SocketRefusal];
  digit: [digit: string];
  transfer: [peer: string, user: string];
  hungUp: [text: string | null];
  lost: [text: string];
  again: [];
  gone: [text: string];
  fault: [text: string];
  closed: [lost: LostFrames];
}

/** The service's hold on one conversation with a voice agent. */
export class AgentLink extends EventEmitter<LinkEvents> {
  /** Where its audio is, for the call's media. */
  readonly end: AgentEnd;
  /** The id of the conversation, as the agent is told it. */
  readonly stream: string;
  /** How it has ended, by the agent or by an accident: who comes too late for the event finds it here. */
  fate: { readonly by: 'agent' | 'accident'; readonly text: string | null } | null = null;
  readonly #send: (word: ToSockets) => void;
  readonly #id: number;

  /** For AgentThread. */
  constructor(id: number, stream: string, end: AgentEnd, send: (word: ToSockets) => void) {
    super();
    this.#id = id;
    this.stream = stream;
    this.end = end;
    this.#send = send;
  }

  /** The agent is told of the call: who talks with it is there. May be called twice. */
  begin(): void {
    this.#send({ op: 'begin', id: this.#id });
  }

  digit(digit: string, durationMs: number): void {
    this.#send({ op: 'digit', id: this.#id, digit, durationMs });
  }

  transferring(news: TransferNews): void {
    this.#send({ op: 'transferring', id: this.#id, news });
  }

  /** The conversation is over, or is not wanted. May be called twice. */
  close(reason: string): void {
    this.#send({ op: 'end', id: this.#id, reason });
  }

  /** For AgentThread: what has come of it. */
  take(word: Exclude<FromSockets, { op: 'bug' }>): void {
    if (word.op === 'hungUp') this.fate ??= { by: 'agent', text: word.text };
    if (word.op === 'gone') this.fate ??= { by: 'accident', text: word.text };
    switch (word.op) {
      case 'refused': return void this.emit('refused', word.refusal);
      case 'digit': return void this.emit('digit', word.digit);
      case 'transfer': return void this.emit('transfer', word.peer, word.user);
      case 'hungUp': return void this.emit('hungUp', word.text);
      case 'lost': return void this.emit('lost', word.text);
      case 'gone': return void this.emit('gone', word.text);
      case 'fault': return void this.emit('fault', word.text);
      case 'closed': return void this.emit('closed', word.lost);
      default: return void this.emit(word.op);
    }
  }
}

/** What a socket is opened for. */
export interface Dialling {
  /** Name of the peer, for the figures; of who only listens, of the route. */
  readonly peer: string;
  readonly place: AgentPlace;
  readonly call: Omit<AgentCall, 'stream' | 'reconnected' | 'listens'>;
  /** The agent hears both sides and says nothing. */
  readonly listens?: boolean;
  /** Milliseconds until it must be open. */
  readonly patience: number;
}

/** What has been counted of an agent's sockets since the start. */
export interface AgentFigures {
  /** Open, or being opened, now. */
  sockets: number;
  refused: number;
  /** Lost amid a conversation, and opened again. */
  lost: number;
  again: number;
  /** Frames that it did not read in time. */
  framesLost: number;
  /** Frames that it said more than a minute ahead. */
  framesDropped: number;
}

/** The sockets of voice agents, in a thread of their own that begins with the first call to one. */
export class AgentThread {
  readonly #log: Logger;
  readonly #links = new Map<number, { readonly link: AgentLink; readonly figures: AgentFigures }>();
  readonly #figures = new Map<string, AgentFigures>();
  #worker: Worker | null = null;
  #count = 0;
  #closed = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** By peer. */
  figures(): ReadonlyMap<string, AgentFigures> {
    return this.#figures;
  }

  /** Opens a socket: the link tells what comes of it. */
  dial({ peer, place, call, listens = false, patience }: Dialling): AgentLink {
    const worker = this.#worker ??= this.#start();
    const id = (this.#count += 1);
    const { port1, port2 } = new MessageChannel();
    const read = new SharedArrayBuffer(4);
    const stream = randomBytes(16).toString('hex');
    const link = new AgentLink(id, stream, { link: port1, sampleRate: place.sampleRate, read }, (word) => { if (this.#links.has(id)) this.#worker?.postMessage(word); });
    const figures = this.#figures.get(peer) ?? { sockets: 0, refused: 0, lost: 0, again: 0, framesLost: 0, framesDropped: 0 };
    this.#figures.set(peer, figures);
    figures.sockets += 1;
    this.#links.set(id, { link, figures });
    const word: ToSockets = { op: 'dial', id, place, patience, call: { ...call, stream, reconnected: false, listens }, link: { port: port2, read } };
    worker.postMessage(word, [port2]);
    return link;
  }

  #start(): Worker {
    // Under a TypeScript loader (tests) this module is a .ts file, and so is the worker.
    const worker = new Worker(new URL(import.meta.url.endsWith('.ts') ? './threadMain.ts' : './threadMain.js', import.meta.url));
    worker.on('message', (word: FromSockets) => this.#take(word));
    worker.on('error', (error) => this.#log.error({ err: error }, "the thread of voice agents' sockets failed"));
    worker.once('exit', () => {
      if (this.#worker === worker) this.#worker = null;
      for (const id of [...this.#links.keys()]) {
        this.#take({ op: 'gone', id, text: "the thread of voice agents' sockets ended" });
        this.#take({ op: 'closed', id, lost: { toAgent: 0, fromAgent: 0 } });
      }
    });
    worker.unref();
    return worker;
  }

  #take(word: FromSockets): void {
    if (word.op === 'bug') return this.#log.error({ stack: word.text }, "a fault of ours in the thread of voice agents' sockets; it goes on");
    const known = this.#links.get(word.id);
    if (known === undefined) return;
    const { link, figures } = known;
    if (word.op === 'refused' || word.op === 'lost' || word.op === 'again') figures[word.op] += 1;
    if (word.op === 'closed') {
      this.#links.delete(word.id);
      figures.sockets -= 1;
      figures.framesLost += word.lost.toAgent;
      figures.framesDropped += word.lost.fromAgent;
    }
    link.take(word);
  }

  /** Ends every conversation that is left. May be called twice. */
  async close(): Promise<void> {
    const worker = this.#worker;
    if (worker === null || this.#closed) return;
    this.#closed = true;
    const exit = new Promise<void>((resolve) => { worker.once('exit', () => resolve()); });
    worker.postMessage({ op: 'stop' } satisfies ToSockets);
    await withTimeout(exit, PARTING_MS, () => worker.terminate());
  }
}

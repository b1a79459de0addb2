import WebSocket from 'ws';
import type { EndWord } from '../../media/relay/agent/words.js';
import { after } from '../../util/after.js';
import { dialectOf } from './dialects/index.js';
import type { AgentCall, AgentWord, Dialect, Message, TransferNews } from './dialects/types.js';
import type { AgentPlace, AudioLink, FromSockets } from './messages.js';
import { openSocket, type Opened, type Opening } from './opening.js';
import { Spoken } from './spoken.js';

/** Octets that may wait to be sent; over it frames are lost. About a second of audio. */
const MOST_UNSENT = 48_000;
/** How often it is asked whether the far end reads, and after how long without a sign of it frames are lost, and the connection is. In milliseconds. */
const ASK_EVERY = 1000;
const STALLED_MS = 3000;
const DEAD_MS = 15_000;
/** How long a lost connection may take to be there again, and the pause between tries, in milliseconds. */
const AGAIN_MS = 2000;
const TRY_EVERY = 250;
/** A conversation whose sockets are lost again and again is over with the next one. */
const MOST_AGAIN = 3;
/** A connection that stood for less is not opened again: its far end does not want it. In milliseconds. */
const STOOD_MS = 1000;
/** Messages in a second, pings among them, that are more than an agent can have to say: two minutes of audio in frames of 20 ms are 6000. */
const MOST_MESSAGES = 12_000;
/** Octets that are read of one agent in a second, beyond which it is read on in the next one: two messages as long as they may be, or a minute of audio and more at once. */
const MOST_READ = 8_388_608;
/** Digits and transfers in a second that are carried out: they are signalling, which the main thread does. */
const MOST_ORDERS = 50;
/** How long the far end may take to close, in milliseconds. */
const PARTING_MS = 1000;

/** Codes by which a far end hangs up (RFC 6455 §7.4.1): it is done; without one it is too. */
const HANG_UP: ReadonlySet<number> = new Set([1000, 1005]);

type Word = FromSockets extends infer W ? W extends { readonly id: number } ? Omit<W, 'id'> : never : never;

/** One conversation with a voice agent, by one socket and, where that is lost, another. */
export class AgentSocket {
  readonly #place: AgentPlace;
  readonly #call: AgentCall;
  readonly #link: AudioLink;
  readonly #tell: (word: Word) => void;
  readonly #newStream: () => string;
  readonly #read: Int32Array;
  #opening: Opening | null = null;
  #socket: WebSocket | null = null;
  #dialect: Dialect;
  /** What is said first has been said, on the first socket: it is on another too. */
  #begun = false;
  #reconnecting = false;
  #reopened = 0;
  #openedAt = 0;
  #heardAt = 0;
  #lookedAt = 0;
  readonly #spoken: Spoken;
  #second = { began: 0, messages: 0, orders: 0, octets: 0 };
  #pause: NodeJS.Timeout | null = null;
  #lost = 0;
  #faults = 0;
  /** What was wrong with what came. */
  #error: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #over = false;

  /** `tell` is called for each thing that happens; `newStream` gives the id of another conversation. */
  constructor({ place, call, link }: { readonly place: AgentPlace; readonly call: AgentCall; readonly link: AudioLink }, tell: (word: Word) => void, newStream: () => string) {
    this.#place = place;
    this.#call = call;
    this.#link = link;
    this.#tell = tell;
    this.#newStream = newStream;
    this.#read = new Int32Array(link.read);
    this.#dialect = dialectOf(place.dialect, call, place.sampleRate);
    this.#spoken = new Spoken(place.sampleRate, (word) => { if (!this.#over) link.port.postMessage(word, word instanceof Int16Array ? [word.buffer as ArrayBuffer] : []); });
    link.port.on('message', (word: EndWord) => this.#fromCall(word));
  }

  async dial(patience: number): Promise<void> {
    const opened = await this.#open(patience);
    if (this.#over) return;
    if ('refusal' in opened) {
      this.#tell({ op: 'refused', refusal: opened.refusal });
      this.#finish();
    } else {
      this.#use(opened.socket);
      this.#tell({ op: 'open' });
    }
  }

  begin(): void {
    if (this.#begun || this.#over) return;
    this.#begun = true;
    this.#introduce();
  }

  digit(digit: string, durationMs: number): void {
    this.#say(this.#dialect.digit(digit, durationMs));
  }

  transferring(news: TransferNews): void {
    const message = this.#dialect.transferring(news);
    if (message !== null) this.#say(message);
  }

  /** The conversation is over. May be called twice. */
  end(reason: string): void {
    if (this.#over) return;
    const last = this.#begun ? this.#dialect.stop(reason) : null;
    if (last !== null) this.#say(last);
    const socket = this.#socket;
    this.#finish();
    if (socket !== null) part(socket);
  }

  async #open(patience: number): Promise<Opened> {
    this.#opening = openSocket(this.#place, patience);
    const opened = await this.#opening.outcome;
    if (!this.#over) this.#opening = null;
    return opened;
  }

  #use(socket: WebSocket): void {
    this.#socket = socket;
    this.#openedAt = this.#heardAt = this.#lookedAt = performance.now();
    socket.on('error', (error) => { this.#error = error.message; });
    socket.on('message', (data, binary) => {
      const octets = bufferOf(data);
      if (!this.#counts(octets.length)) return;
      this.#heard(this.#dialect.read(octets, binary));
      this.#slowDown(socket);
    });
    socket.on('pong', () => this.#counts(0));
    socket.on('ping', (data) => { if (this.#counts(data.length) && socket.bufferedAmount < MOST_UNSENT) socket.pong(data); });
    socket.on('close', (code, reason) => { if (socket === this.#socket) this.#closed(code, reason.toString('utf8').slice(0, 200)); });
    socket.resume();
    this.#timer ??= setInterval(() => this.#look(), ASK_EVERY);
  }

  /** A sign of life; false: they are more than anybody has to give, and the conversation is over. */
  #counts(octets: number): boolean {
    if (this.#over) return false;
    const now = this.#heardAt = performance.now();
    if (now - this.#second.began > 1000) this.#second = { began: now, messages: 0, orders: 0, octets: 0 };
    this.#second.messages += 1;
    this.#second.octets += octets;
    if (this.#second.messages <= MOST_MESSAGES) return true;
    this.#gone(`it sent more than ${MOST_MESSAGES} messages in a second`);
    return false;
  }

  /** Who sends without end is read on when the second is over: what is read of it costs the others' time. */
  #slowDown(socket: WebSocket): void {
    if (this.#over || this.#second.octets < MOST_READ || this.#pause !== null) return;
    socket.pause();
    this.#pause = after(this.#second.began + 1000 - performance.now(), () => {
      this.#pause = null;
      socket.resume();
    });
  }

  #heard(word: AgentWord): void {
    // Who only listens has nothing to say.
    if (this.#call.listens && word.kind !== 'hangup' && word.kind !== 'fault') return;
    switch (word.kind) {
      case 'audio': return this.#spoken.say(word.pcm, word.rate);
      case 'mark': return this.#spoken.mark(word.name);
      case 'clear': return this.#spoken.clear();
      case 'digit': return this.#order({ op: 'digit', digit: word.digit });
      case 'transfer': return this.#order({ op: 'transfer', peer: word.peer, user: word.user });
      case 'hangup': return this.#hungUp(null);
      case 'fault': return this.#fault(word.why);
    }
  }

  #order(word: Word): void {
    this.#second.orders += 1;
    if (this.#second.orders <= MOST_ORDERS) this.#tell(word);
    else this.#fault(`more than ${MOST_ORDERS} digits and transfers in a second`);
  }

  /** Told once. */
  #fault(text: string): void {
    this.#faults += 1;
    if (this.#faults === 1) this.#tell({ op: 'fault', text });
  }

  /** From the packet path of the call. */
  #fromCall(word: EndWord): void {
    if (word instanceof Int16Array) {
      Atomics.add(this.#read, 0, 1);
      if (!this.#begun) return;
      const socket = this.#socket;
      if (socket === null || socket.bufferedAmount > MOST_UNSENT || performance.now() - this.#heardAt > STALLED_MS) this.#lost += 1;
      else for (const message of this.#dialect.audio(word)) this.#say(message);
    } else if ('mark' in word) {
      this.#say(this.#dialect.mark(word.mark, word.cleared === true));
    }
  }

  #introduce(): void {
    for (const message of this.#dialect.begin()) this.#say(message);
  }

  /** What does not fit is lost, words too: who reads nothing of them has no use for them. */
  #say(message: Message): void {
    const socket = this.#socket;
    if (!this.#begun || socket?.readyState !== WebSocket.OPEN) return;
    if (socket.bufferedAmount > 4 * MOST_UNSENT) this.#lost += 1;
    else socket.send(message, () => undefined);
  }

  #look(): void {
    const now = performance.now();
    // A stall of ours, in which nothing was read, is no silence of theirs.
    this.#heardAt += Math.max(0, now - this.#lookedAt - 2 * ASK_EVERY);
    this.#lookedAt = now;
    const socket = this.#socket;
    if (socket === null) return;
    if (now - this.#heardAt > DEAD_MS) {
      socket.terminate();
      if (socket === this.#socket) this.#closed(1006, 'it has given no sign of life');
    } else if (socket.readyState === WebSocket.OPEN && socket.bufferedAmount < MOST_UNSENT) {
      socket.ping();
    }
  }

  #closed(code: number, reason: string): void {
    this.#socket = null;
    if (this.#over) return;
    const text = `${code} ${reason === '' ? this.#error ?? '' : reason}`.trim();
    this.#error = null;
    if (HANG_UP.has(code)) this.#hungUp(reason === '' ? null : reason);
    else if (!this.#begun || this.#reconnecting || this.#reopened >= MOST_AGAIN || performance.now() - this.#openedAt < STOOD_MS) this.#gone(`the socket was lost: ${text}`);
    else void this.#again(text);
  }

  async #again(text: string): Promise<void> {
    const began = performance.now();
    this.#reconnecting = true;
    this.#tell({ op: 'lost', text });
    let why = text;
    while (!this.#over) {
      const left = AGAIN_MS - (performance.now() - began);
      if (left <= 0) return this.#gone(`the socket was lost (${text}) and could not be opened again: ${why}`);
      const opened = await this.#open(left);
      if (this.#over) return;
      if ('socket' in opened) {
        this.#reconnecting = false;
        this.#reopened += 1;
        // What the far end was told has come to an end for it: this is another conversation about the same call.
        this.#dialect = dialectOf(this.#place.dialect, { ...this.#call, stream: this.#newStream(), reconnected: true }, this.#place.sampleRate);
        this.#use(opened.socket);
        this.#introduce();
        return this.#tell({ op: 'again' });
      }
      why = opened.refusal.text;
      await new Promise((resolve) => setTimeout(resolve, TRY_EVERY));
    }
  }

  #hungUp(text: string | null): void {
    this.#tell({ op: 'hungUp', text });
    this.end('hangup');
  }

  #gone(text: string): void {
    this.#tell({ op: 'gone', text });
    const socket = this.#socket;
    this.#finish();
    socket?.terminate();
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#socket = null;
    this.#opening?.giveUp();
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#pause !== null) clearTimeout(this.#pause);
    this.#spoken.close();
    this.#link.port.close();
    this.#tell({ op: 'closed', lost: { toAgent: this.#lost, fromAgent: this.#spoken.lostFrames } });
  }
}

/** RFC 6455 §7.1.1: closed by both; one who does not answer is left. */
function part(socket: WebSocket): void {
  const timer = setTimeout(() => socket.terminate(), PARTING_MS);
  socket.once('close', () => clearTimeout(timer));
  socket.close(1000);
}

function bufferOf(data: WebSocket.RawData): Buffer {
  return Buffer.isBuffer(data) ? data : Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}

import { EventEmitter } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import type WebSocket from 'ws';
import { after } from '../../util/after.js';
import { ToneDetector, ToneGenerator } from '../media/tone.js';
import type { ToneReport } from '../media/tone.js';
import type { AgentBehaviour } from './behaviour.js';
import { AgentWire } from './dialect.js';
import type { AgentDialect, Said } from './dialect.js';

/** What an agent saw of one conversation. Times are ms after its start. */
export interface AgentReport {
  /** Nothing that came was against the dialect, and frames came one after the other. */
  ok: boolean;
  dialect: AgentDialect;
  headers: IncomingHttpHeaders;
  call: Record<string, unknown> | undefined;
  sampleRate: number | undefined;
  /** Frames of audio that came, and those of them that were not 20 ms. */
  frames: number;
  oddFrames: number;
  /** Longest time between two frames. */
  maxGapMs: number;
  tone: ToneReport | undefined;
  /** Who only listens: of who talks with the user. */
  otherTone: ToneReport | undefined;
  digits: string;
  marks: { name: string; atMs: number; cleared: boolean | undefined }[];
  /** Statuses of its transfer. */
  transfers: number[];
  /** Codes by which they did not begin, in the raw dialect. */
  refusals: string[];
  stopped: boolean;
  endedBy: 'agent' | 'far' | 'nobody';
  faults: string[];
}

interface Events {
  start: [call: Record<string, unknown>];
  digit: [digit: string];
  mark: [name: string];
  transfer: [status: number];
  heard: [frequency: number];
  ended: [];
}

/** One conversation, from the socket's opening to its end. */
export class AgentConversation extends EventEmitter<Events> {
  readonly wire: AgentWire;
  private began: number | undefined;
  private lastFrameAt: number | undefined;
  private rate = 0;
  private detector: ToneDetector | undefined;
  private otherDetector: ToneDetector | undefined;
  private generator: ToneGenerator | undefined;
  private talking: NodeJS.Timeout | undefined;
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly seen: AgentReport;

  constructor(readonly socket: WebSocket, dialect: AgentDialect, private readonly behaviour: AgentBehaviour, headers: IncomingHttpHeaders, private readonly tone: number) {
    super();
    this.wire = new AgentWire(dialect);
    this.seen = {
      ok: true, dialect, headers, call: undefined, sampleRate: undefined, frames: 0, oddFrames: 0, maxGapMs: 0, tone: undefined, otherTone: undefined, digits: '', marks: [], transfers: [], refusals: [], stopped: false, endedBy: 'nobody', faults: [],
    };
    socket.on('message', (data: Buffer, binary: boolean) => { this.take(this.wire.read(data, binary)); });
    socket.on('error', (error) => { this.seen.faults.push(error.message); });
    socket.once('close', () => { this.ended(); });
  }

  /** Says a tone of so many milliseconds, all at once. */
  speak(ms: number, frequency = this.tone): void {
    this.send(this.wire.audio(new ToneGenerator(frequency, this.rate).next((this.rate * ms) / 1000)));
  }

  say(pcm: Int16Array): void {
    this.send(this.wire.audio(pcm));
  }

  mark(name: string): void {
    this.send(this.wire.mark(name));
  }

  clear(): void {
    this.send(this.wire.clear());
  }

  press(digits: string): void {
    for (const digit of digits) this.send(this.wire.digit(digit));
  }

  transfer(peer: string, user: string): void {
    this.send(this.wire.transfer(peer, user));
  }

  /** Twilio's way is to close the socket. */
  hangUp(): void {
    this.seen.endedBy = 'agent';
    if (this.wire.dialect === 'twilio') this.socket.close(1000);
    else this.send(this.wire.hangUp());
  }

  send(message: string | Buffer): void {
    this.socket.send(message, () => undefined);
  }

  /** Milliseconds since the start. */
  get now(): number {
    return this.began === undefined ? 0 : Math.round((performance.now() - this.began) * 10) / 10;
  }

  report(): AgentReport {
    return { ...this.seen, ok: this.seen.faults.length === 0 && this.seen.oddFrames === 0, tone: this.detector?.report(), otherTone: this.otherDetector?.report() };
  }

  private take(said: Said): void {
    switch (said.kind) {
      case 'start':
        if (said.channels === 2) this.otherDetector = new ToneDetector([], said.rate);
        return this.start(said.rate, said.call);
      case 'audio':
        if (said.track === 'outbound') this.otherDetector?.feed(said.pcm, this.now);
        else if (said.track === 'inbound') this.hear(said.pcm);
        else {
          this.otherDetector?.feed(said.pcm.filter((_, i) => i % 2 === 1), this.now);
          this.hear(said.pcm.filter((_, i) => i % 2 === 0));
        }
        return;
      case 'digit':
        this.seen.digits += said.digit;
        this.emit('digit', said.digit);
        return;
      case 'mark':
        this.seen.marks.push({ name: said.name, atMs: this.now, cleared: said.cleared });
        this.emit('mark', said.name);
        return;
      case 'transfer':
        this.seen.transfers.push(said.status);
        if (said.refused !== undefined) this.seen.refusals.push(said.refused);
        this.emit('transfer', said.status);
        return;
      case 'stop':
        this.seen.stopped = true;
        return;
      case 'fault':
        if (this.seen.faults.length < 20) this.seen.faults.push(said.why);
    }
  }

  private start(rate: number, call: Record<string, unknown>): void {
    if (this.began !== undefined) this.seen.faults.push('a second start');
    this.began = performance.now();
    this.rate = this.seen.sampleRate = rate;
    this.seen.call = call;
    this.detector = new ToneDetector([], rate);
    this.generator = new ToneGenerator(this.tone, rate);
    this.act();
    this.emit('start', call);
  }

  private act(): void {
    const { source, toneMs, press, hangUpMs, transfer } = this.behaviour;
    if (source === 'tone' && toneMs !== undefined) this.speak(toneMs);
    else if (source === 'tone') this.talking = setInterval(() => { this.talk(); }, 20);
    const later = (ms: number, action: () => void): void => { this.timers.add(after(ms, action)); };
    if (press !== '') later(1000, () => { this.press(press); });
    if (transfer !== undefined) later(1000, () => { this.transfer(transfer.peer, transfer.user); });
    if (hangUpMs !== undefined) later(hangUpMs, () => { this.hangUp(); });
  }

  /** So many frames as the clock has gone on. */
  private said = 0;
  private talk(): void {
    for (const due = this.now / 20; this.said < due; this.said++) this.say(this.generator?.next(this.rate / 50) ?? new Int16Array(0));
  }

  private hear(pcm: Int16Array): void {
    const now = performance.now();
    if (this.began === undefined) this.seen.faults.push('audio before the start');
    this.seen.frames++;
    if (pcm.length !== this.rate / 50) this.seen.oddFrames++;
    if (this.lastFrameAt !== undefined) this.seen.maxGapMs = Math.max(this.seen.maxGapMs, Math.round(now - this.lastFrameAt));
    this.lastFrameAt = now;
    const tone = this.detector?.feed(pcm, this.now);
    if (tone !== undefined) this.emit('heard', tone);
    if (this.behaviour.source === 'echo') this.say(pcm);
  }

  private ended(): void {
    if (this.seen.endedBy === 'nobody') this.seen.endedBy = 'far';
    clearInterval(this.talking);
    for (const timer of this.timers) clearTimeout(timer);
    this.emit('ended');
  }
}

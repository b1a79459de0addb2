import { randomInt } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { Flow } from '../../sdp/index.js';
import type { RelayCommand, RelayCounters, RelayReport, SideId, SidePath } from './messages.js';
import type { StreamFormat } from './outStream.js';
import type { SecurityFault } from './wire/settings.js';

interface RelayHandleEvents {
  dtmf: [digit: string, durationMs: number, side: SideId];
  silent: [side: SideId, whole: boolean];
  length: [side: number, ms: number];
  knock: [side: number];
  stranger: [side: SideId, address: string];
  unsecured: [side: SideId, kind: SecurityFault, reason: string];
  lost: [reason: string];
}

/** Meta's side, always: its descriptions say so, and it is to have a packet every 20 ms (META-SIP §6.2). */
const BOTH_WAYS: Flow = { listens: true, sends: true };

type CallCommand = RelayCommand extends infer C ? C extends { readonly call: number } ? Omit<C, 'call'> : never : never;

/** What is said of a side beside its path and its format. */
export interface SideSettings {
  readonly flow?: Flow;
  /** SSRC and CNAME of Meta's side. Where there is a CNAME the relay does RTCP; on a port of its own it always does. */
  readonly source?: { readonly id: number; readonly cname: string } | null;
  /** What comes knocks first. */
  readonly shut?: boolean;
  /** Of a peer's: see the command. */
  readonly timeoutMs?: number;
}

/** What a handle needs of the thread that carries its call. */
export interface HandleThread {
  readonly port: number;
  readonly calls: Map<number, RelayHandle>;
  post(command: RelayCommand): void;
  ask(command: { readonly op: 'stats' | 'close'; readonly call: number }): Promise<RelayCounters>;
  open(command: Omit<Extract<RelayCommand, { op: 'open' }>, 'request'>): Promise<string | null>;
}

/** The service's hold on one call's packet path. */
export class RelayHandle extends EventEmitter<RelayHandleEvents> {
  readonly #id: number;
  readonly #worker: HandleThread;
  #closing: Promise<RelayCounters> | null = null;
  #plays = 0;
  #playing: (() => void) | null = null;

  constructor(id: number, worker: HandleThread) {
    super();
    this.#id = id;
    this.#worker = worker;
    worker.calls.set(id, this);
  }

  /** UDP port of the relay for this call's engine sessions. */
  get port(): number {
    return this.#worker.port;
  }

  post(command: CallCommand): void {
    if (this.#closing === null) this.#worker.post({ ...command, call: this.#id });
    else if (command.op === 'record') command.port.close();
  }

  /** Announces where a side's packets go and what the side does, or that it changed. */
  side(side: SideId, path: SidePath, format: StreamFormat, { flow = BOTH_WAYS, source = null, shut = false, timeoutMs = 0 }: SideSettings = {}): void {
    const ssrc = source?.id ?? randomInt(1, 0xffff_ffff);
    const cname = source?.cname ?? ('wire' in path ? `wab-${ssrc.toString(36)}` : null);
    this.post({ op: 'side', side, path, format, flow, shut, timeoutMs, ssrc, cname });
  }

  /** Opens a port of the side's own, and with `rtcp` the next one; null, or the system's code of why that cannot be. */
  open(side: SideId, address: string, port: number, rtcp: boolean): Promise<string | null> {
    return this.#closing === null ? this.#worker.open({ op: 'open', call: this.#id, side, address, port, rtcp }) : Promise.resolve('ECANCELED');
  }

  /** Resolves when the recording has ended or was replaced or stopped. `yields`: it is heard only while the connected peer sends nothing. */
  play(frames: readonly Uint8Array[] | null, loop: boolean, yields = false): Promise<void> {
    this.#playing?.();
    const play = (this.#plays += 1);
    if (this.#closing !== null || frames === null) {
      this.post({ op: 'play', side: 'meta', frames: null, loop: false, yields: false, play });
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#playing = resolve;
      this.post({ op: 'play', side: 'meta', frames, loop, yields, play });
    });
  }

  /** The same towards a peer's side, whose end nobody waits for. */
  playTo(side: number, frames: readonly Uint8Array[] | null, loop: boolean): void {
    this.post({ op: 'play', side, frames, loop, yields: false, play: 0 });
  }

  stats(): Promise<RelayCounters> {
    return this.#closing ?? this.#worker.ask({ op: 'stats', call: this.#id });
  }

  /** Frees the call in the worker and gives its last counters; may be called twice. */
  close(): Promise<RelayCounters> {
    if (this.#closing === null) {
      this.#closing = this.#worker.ask({ op: 'close', call: this.#id });
      this.#playing?.();
      this.#worker.calls.delete(this.#id);
    }
    return this.#closing;
  }

  /** For the worker's reports only. */
  take(report: Exclude<RelayReport, { op: 'ready' | 'stats' | 'opened' | 'fault' }>): void {
    if (report.op === 'dtmf') this.emit('dtmf', report.digit, report.durationMs, report.side);
    else if (report.op === 'silent') this.emit('silent', report.side, report.whole);
    else if (report.op === 'knock') this.emit('knock', report.side);
    else if (report.op === 'length') this.emit('length', report.side, report.ms);
    else if (report.op === 'stranger') this.emit('stranger', report.side, report.address);
    else if (report.op === 'unsecured') this.emit('unsecured', report.side, report.kind, report.reason);
    else if (report.play === this.#plays) this.#playing?.();
  }
}

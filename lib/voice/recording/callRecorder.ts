import type { Bridge } from '../../call/bridge.js';
import type { Ordered } from '../../call/control.js';
import type { DigitBy, RecordAction, RecordControl, RecordManner, RecordState } from '../../call/recording.js';
import { WabError } from '../../errors.js';

/** A recording that goes on, here or with a recorder of somebody else's. */
export interface Recordable {
  pause(): void;
  /** Nothing is recorded before the first. */
  resume(): void;
  stop(): void;
  /** Resolves when it has ended, whoever has ended it. Never rejects. */
  readonly over: Promise<void>;
}

/** What one call's recorder needs of whoever keeps what is recorded. */
export interface RecorderHost {
  /** Begins the call's recording of this number, the first being 1. Null: it is not `wanted` any more. @throws Error where it cannot be */
  begin(bridge: Bridge, index: number, wanted: () => boolean): Promise<Recordable | null>;
  /** A recording of this call did not begin, and why. */
  failed(bridge: Bridge, why: string): void;
}

const done: Ordered = { done: true };
const refused = (code: string, text: string): Ordered => ({ done: false, status: 409, code, text });

/** The same key within so many milliseconds, by the other way, is the same press: some telephones send both. */
const SAME_PRESS_MS = 500;

/** The recording of one call: when it begins, behind its announcement; pauses; and that it ends with the call. */
export class CallRecorder implements RecordControl {
  readonly #bridge: Bridge;
  readonly #manner: RecordManner;
  readonly #host: RecorderHost;
  #state: RecordState = 'off';
  /** The last press of pauseKey. */
  #key: { readonly by: DigitBy; readonly at: number } = { by: 'event', at: -Infinity };
  #recording: Recordable | null = null;
  /** Each start and stop is one: what began for an older one is given up. */
  #turn = 0;
  /** The turn that is beginning. */
  #beginning: number | null = null;
  #index = 0;
  #begun = false;

  constructor(bridge: Bridge, manner: RecordManner, host: RecorderHost) {
    this.#bridge = bridge;
    this.#manner = manner;
    this.#host = host;
  }

  get state(): RecordState {
    return this.#state;
  }

  up(): void {
    if (this.#manner.on !== 'answer' || this.#begun || this.#notUp) return;
    this.#begun = true;
    this.#start();
  }

  order(action: RecordAction): Ordered {
    if (this.#bridge.call.over) return refused('call.over', 'the call has ended');
    if (this.#notUp) return refused('call.notUp', 'the user does not talk with anybody yet');
    if (action === 'start') {
      this.#begun = true;
      this.#resume();
      if (this.#state === 'off') this.#start();
      return done;
    }
    if (this.#state === 'off') return action === 'stop' ? done : refused('recording.notOn', 'this call is not recorded now');
    if (action === 'stop') this.#stop();
    else if (action === 'pause') this.#pause();
    else this.#resume();
    return done;
  }

  peerDigit(digit: string, by: DigitBy): void {
    if (digit !== this.#manner.pauseKey || this.#state === 'off') return;
    const now = performance.now();
    if (this.#key.by !== by && now - this.#key.at < SAME_PRESS_MS) return;
    this.#key = { by, at: now };
    if (this.#state === 'paused') this.#resume();
    else this.#pause();
  }

  get #notUp(): boolean {
    const { call, current } = this.#bridge;
    return call.over || call.answeredAt === null || current === null;
  }

  #pause(): void {
    this.#state = 'paused';
    this.#recording?.pause();
  }

  #resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = this.#recording !== null ? 'on' : this.#beginning === null ? 'off' : 'announcing';
    this.#recording?.resume();
  }

  #stop(): void {
    this.#turn += 1;
    this.#beginning = null;
    this.#state = 'off';
    this.#recording?.stop();
    this.#recording = null;
  }

  /** It ended by itself, or did not begin. A pause is one of the call: it goes on until it is ended by order. */
  #lost(): void {
    this.#recording = null;
    if (this.#state !== 'paused') this.#state = 'off';
  }

  #start(): void {
    const turn = this.#beginning = (this.#turn += 1);
    this.#state = 'announcing';
    const { call } = this.#bridge;
    const mine = (): boolean => turn === this.#turn && !call.over;
    call.track(this.#begin(mine).catch((error: Error) => {
      if (!mine()) return;
      this.#lost();
      this.#host.failed(this.#bridge, error instanceof WabError ? error.message : (error as NodeJS.ErrnoException).code ?? error.message);
    }).finally(() => { if (this.#beginning === turn) this.#beginning = null; }));
  }

  async #begin(mine: () => boolean): Promise<void> {
    const { announce } = this.#manner;
    if (announce !== null) await this.#bridge.announcements.heard(announce);
    if (!mine()) return;
    const recording = await this.#host.begin(this.#bridge, (this.#index += 1), mine);
    if (recording === null) return;
    if (!mine()) return recording.stop();
    this.#recording = recording;
    void recording.over.then(() => {
      if (this.#recording === recording) this.#lost();
    });
    // Paused while it was announced: not a word of it is to be kept.
    if (this.#state === 'paused') return recording.pause();
    this.#state = 'on';
    recording.resume();
  }
}

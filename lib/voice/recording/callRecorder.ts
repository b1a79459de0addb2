import { setTimeout as sleep } from 'node:timers/promises';
import type { Bridge } from '../../call/bridge.js';
import type { Ordered } from '../../call/control.js';
import type { DigitBy, RecordAction, RecordControl, RecordManner, RecordState } from '../../call/recording.js';
import { WabError } from '../../errors.js';
import type { CallRecording } from '../../media/types.js';
import type { Kept } from './service.js';

/** What one call's recorder needs of the service. */
export interface RecorderHost {
  /** Makes a place for a recording, with what is known of its call. @throws Error where there is none */
  keep(bridge: Bridge, index: number): Promise<Kept>;
  /** It goes on; `kept` follows it to its end. */
  follow(kept: Kept, recording: CallRecording): void;
  /** Nothing is recorded of this call, or no more, and why. */
  failed(bridge: Bridge, kept: Kept | null, why: string): void;
}

const done: Ordered = { done: true };
const refused = (code: string, text: string): Ordered => ({ done: false, status: 409, code, text });

/** How long the user's side may take to be there to hear, in tries of 50 ms: on a dtls number keys are agreed after the answer. */
const triesToHear = 30;
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
  #recording: CallRecording | null = null;
  /** Each start and stop is one: what began for an older one is given up. */
  #turn = 0;
  #index = 0;
  #begun = false;
  #announced = false;

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
      if (this.#state === 'off') this.#start();
      else if (this.#state === 'paused') this.#resume();
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
    this.#state = this.#recording === null ? 'announcing' : 'on';
    this.#recording?.resume();
  }

  #stop(): void {
    this.#turn += 1;
    this.#state = 'off';
    void this.#recording?.stop();
    this.#recording = null;
  }

  #start(): void {
    const turn = (this.#turn += 1);
    this.#state = 'announcing';
    const { call } = this.#bridge;
    const mine = (): boolean => turn === this.#turn && !call.over;
    call.track(this.#begin(mine).catch((error: Error) => {
      if (!mine()) return;
      this.#state = 'off';
      this.#host.failed(this.#bridge, null, error instanceof WabError ? error.message : (error as NodeJS.ErrnoException).code ?? error.message);
    }));
  }

  async #begin(mine: () => boolean): Promise<void> {
    if (!await this.#announce(mine)) return;
    const kept = await this.#host.keep(this.#bridge, (this.#index += 1));
    if (!mine()) return kept.abandon();
    let recording: CallRecording;
    try {
      recording = this.#bridge.media.record({ file: kept.stem, format: kept.format, channels: 'both', maxSeconds: null, silenceSeconds: null });
    } catch (error) {
      await kept.abandon();
      throw error;
    }
    this.#recording = recording;
    this.#host.follow(kept, recording);
    recording.once('ended', (why, detail) => {
      if (this.#recording !== recording) return;
      this.#recording = null;
      this.#state = 'off';
      if (why === 'failed') this.#host.failed(this.#bridge, kept, detail ?? 'unknown');
    });
    // Paused while it was announced: not a word of it is to be on the disk.
    if (this.#state === 'paused') recording.pause();
    else this.#state = 'on';
  }

  /** Both hear it, to its end: it is said once in a call. False: it is not to be recorded, or not any more. @throws Error where it cannot be said */
  async #announce(mine: () => boolean): Promise<boolean> {
    const { announce } = this.#manner;
    const { call, media, comfort, current } = this.#bridge;
    if (announce === null || this.#announced) return true;
    for (let tries = 0; tries < triesToHear && mine() && (await media.stats()).meta.packetsIn === 0; tries += 1) await sleep(50);
    if (!mine()) return false;
    current?.leg.play({ file: announce, loop: false }).catch((error: Error) => call.log.warn({ file: announce, err: error.message }, 'the peer does not hear that the call is recorded'));
    const heard = await comfort.announced(announce);
    if (!mine()) return false;
    if (!heard) throw new Error('the announcement was not heard to its end');
    return this.#announced = true;
  }
}

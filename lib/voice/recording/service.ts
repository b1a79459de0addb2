import type { Bridge } from '../../call/bridge.js';
import type { Call } from '../../call/call.js';
import type { CallRecordings, RecordControl, RecordManner } from '../../call/recording.js';
import type { ConfigFile } from '../../config/types.js';
import type { CallRecording, RecordingEnd, RecordingResult, Span } from '../../media/types.js';
import type { Logger } from '../../observe/logger.js';
import { Serial } from '../../util/serial.js';
import { CallRecorder, type Recordable, type RecorderHost } from './callRecorder.js';
import { recordToFile, type Keeper, type Kept } from './fileRecording.js';
import { finished, type OpenSidecar, type Sidecar } from './sidecar.js';
import { RecordingStore } from './store.js';
import { Uploader } from './uploader.js';

type RecordingConfig = NonNullable<ConfigFile['recording']>;

/** What there was since the start, for metrics. */
export interface RecordingFigures {
  readonly active: number;
  /** For their upload. */
  readonly waiting: number;
  readonly outcomes: Readonly<Record<'recorded' | 'recovered' | 'failed', number>>;
  readonly seconds: number;
  /** Packets that the recorder was too late for. */
  readonly lost: number;
  readonly uploads: Readonly<Record<'uploaded' | 'failed', number>>;
}

/** Where nothing is recorded. */
export const nothingRecorded: RecordingFigures = { active: 0, waiting: 0, outcomes: { recorded: 0, recovered: 0, failed: 0 }, seconds: 0, lost: 0, uploads: { uploaded: 0, failed: 0 } };

export interface RecordingNews {
  /** `call` null: of a process before. */
  recorded(call: Call | null, sidecar: Sidecar): void;
  failed(call: Call, file: string | null, why: string): void;
}

export interface RecordingServiceOptions {
  /** As it was when the service was started: the folder, and that there is one, are fixed. */
  readonly config: RecordingConfig;
  /** In force now. */
  readonly current: () => RecordingConfig | null;
  readonly log: Logger;
  readonly news: RecordingNews;
}

interface Active extends Kept {
  open: OpenSidecar;
  recording: CallRecording | null;
  /** Why it was stopped, where that was not for the call's or somebody's sake. */
  stopped: string | null;
  /** What is written beside it, in order: what is known while it goes on must not come back behind its sidecar. */
  readonly writes: Serial;
}

/** Milliseconds: what a crash left is looked for soon, for a process that still writes shows by then; folders that are over, hourly. */
const firstLookMs = 15_000;
const lookMs = 3_600_000;
/** How often the room on the disk is looked at while anything is recorded. */
const roomMs = 10_000;
const MEGABYTE = 1_048_576;
/** A wall clock that went so much further than the other, in milliseconds, is not believed about what is old. */
const jumpMs = 3_600_000;

/** Recordings of calls: files and what stands beside them, retention, upload. Trouble with the disk is told, and touches no call. */
export class RecordingService implements CallRecordings, RecorderHost, Keeper {
  readonly #options: RecordingServiceOptions;
  readonly #store: RecordingStore;
  readonly #uploader: Uploader;
  readonly #active = new Map<string, Active>();
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #began = { wall: Date.now(), steady: performance.now() };
  readonly #outcomes = { recorded: 0, recovered: 0, failed: 0 };
  readonly #uploads = { uploaded: 0, failed: 0 };
  #seconds = 0;
  #lost = 0;
  #work: Promise<void> = Promise.resolve();
  readonly #underWay = new Set<Promise<void>>();

  constructor(options: RecordingServiceOptions) {
    this.#options = options;
    this.#store = new RecordingStore(options.config.directory);
    this.#uploader = new Uploader({ store: this.#store, config: () => options.current()?.upload ?? null, log: options.log, onOutcome: (outcome) => { this.#uploads[outcome] += 1; } });
  }

  get figures(): RecordingFigures {
    return { active: this.#active.size, waiting: this.#uploader.waiting, outcomes: this.#outcomes, seconds: this.#seconds, lost: this.#lost, uploads: this.#uploads };
  }

  /** Never rejects: a folder that cannot be used is told. */
  async start(): Promise<void> {
    const { directory } = this.#store;
    await this.#store.make().catch((error: Error) => this.#options.log.error({ directory, err: error.message }, 'recording.directory cannot be used: nothing is recorded until it can'));
    await this.#look();
    await this.#uploader.resume();
    const look = (): void => { this.#inTurn(); };
    this.#timers.push(setTimeout(look, firstLookMs), setInterval(look, lookMs), setInterval(() => { void this.#watchRoom(); }, roomMs));
    for (const timer of this.#timers) timer.unref();
  }

  of(bridge: Bridge, manner: RecordManner | null): RecordControl | null {
    return manner === null ? null : new CallRecorder(bridge, manner, this);
  }

  begin(bridge: Bridge, index: number, wanted: () => boolean): Promise<Recordable | null> {
    return recordToFile(this, bridge, index, wanted);
  }

  async keep(bridge: Bridge, index: number): Promise<Kept> {
    const { call } = bridge;
    const { format, keepFree } = this.#options.current() ?? this.#options.config;
    await this.#store.make();
    if (await this.#store.free() < keepFree * MEGABYTE) throw new Error(`less than ${keepFree} MB are free (recording.keepFree)`);
    const now = Date.now();
    const file = this.#store.place(call.id, index, format, now);
    const { direction, facts: { wacid, number, route, peer, reference } } = call;
    const open: OpenSidecar = {
      call: call.id, direction, wacid, number, user: call.shownUser, route, peer, peerUser: bridge.current?.party.user ?? null, reference,
      file, began: new Date(now).toISOString(), channels: ['user', 'business'], pauses: [], holds: [],
    };
    const active: Active = {
      file, format, call, open, stem: this.#store.path(file).slice(0, -format.length - 1), recording: null, stopped: null, writes: new Serial(),
      abandon: async () => {
        this.#active.delete(file);
        await this.#store.abandon(file);
      },
    };
    // Known before it is written: what looks for files that were left behind leaves it alone.
    this.#active.set(file, active);
    try {
      await this.#store.keepOpen(open);
    } catch (error) {
      this.#active.delete(file);
      throw error;
    }
    return active;
  }

  follow({ file }: Kept, recording: CallRecording): void {
    const active = this.#active.get(file);
    if (active === undefined) return;
    active.recording = recording;
    const { call } = active;
    const entry: { file: string; seconds: number | null; sha256: string | null } = { file, seconds: null, sha256: null };
    call.facts.recordings.push(entry);
    const begun: Partial<Record<'pauses' | 'holds', number>> = {};
    recording.on('changed', (what, seconds) => {
      const kind = what === 'pause' || what === 'resume' ? 'pauses' : 'holds';
      const from = begun[kind];
      if (what === 'pause' || what === 'hold') begun[kind] = seconds;
      else if (from !== undefined) this.#span(active, kind, { from, to: seconds });
    });
    recording.once('ended', (why, detail, result) => {
      if (result.seconds === 0) call.facts.recordings.splice(call.facts.recordings.indexOf(entry), 1);
      Object.assign(entry, { seconds: result.seconds, sha256: result.sha256 });
      recording.follow(this.#do(active.writes.run(() => this.#end(active, why, detail, result))));
    });
  }

  /** Kept at once, in case that this process does not get further. */
  #span(active: Active, kind: 'pauses' | 'holds', span: Span): void {
    const open = active.open = { ...active.open, [kind]: [...active.open[kind], span] };
    void this.#do(active.writes.run(() => this.#store.keepOpen(open)).catch(() => undefined));
  }

  /** Never rejects. */
  async #end(active: Active, why: RecordingEnd, detail: string | null, result: RecordingResult): Promise<void> {
    const { log, news } = this.#options;
    const { call, file, open, stopped } = active;
    this.#active.delete(file);
    // Begun and ended in one breath: there is nothing in it.
    if (result.seconds === 0 && result.bytes < 5000) {
      if (why === 'failed') this.#outcomes.failed += 1;
      return this.#store.abandon(file);
    }
    const sidecar = finished({ ...open, wacid: call.facts.wacid ?? open.wacid }, result, stopped === null ? why : 'failed', stopped ?? detail);
    this.#outcomes[sidecar.why === 'failed' ? 'failed' : 'recorded'] += 1;
    this.#seconds += result.seconds;
    this.#lost += result.lost;
    try {
      await this.#store.finish(sidecar);
    } catch (error) {
      log.error({ call: call.id, file, err: (error as Error).message }, 'the sidecar of a recording could not be written');
      return news.recorded(call, sidecar);
    }
    news.recorded(call, sidecar);
    log.info({ call: call.id, file, seconds: result.seconds, lost: result.lost, why }, 'a call was recorded');
    await this.#uploader.add(file);
  }

  failed({ call }: Bridge, why: string): void {
    const { log, news } = this.#options;
    log.error({ call: call.id, file: null, why }, 'a call that is to be recorded is not');
    this.#outcomes.failed += 1;
    news.failed(call, null, why);
  }

  broken({ call }: Bridge, { file }: Kept, why: string): void {
    const { log, news } = this.#options;
    log.error({ call: call.id, file, why }, 'a call is no longer recorded');
    news.failed(call, file, why);
  }

  /** One look after the other. */
  #inTurn(): void {
    this.#work = this.#work.then(() => this.#look());
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const { log, news, current, config } = this.#options;
    const now = Date.now();
    const active = new Set(this.#active.keys());
    const left = await this.#store.recover(active, now, (file, error) => log.error({ file, err: error.message }, 'a recording that a process left behind could not be made whole'));
    for (const sidecar of left) {
      log.warn({ call: sidecar.call, file: sidecar.file, seconds: sidecar.seconds }, 'a recording whose process had died was made whole');
      this.#outcomes.recovered += 1;
      this.#seconds += sidecar.seconds;
      news.recorded(null, sidecar);
      await this.#uploader.add(sidecar.file);
    }
    const { keepDays } = current() ?? config;
    if (keepDays === 0) return;
    if (Math.abs(now - this.#began.wall - (performance.now() - this.#began.steady)) > jumpMs) {
      log.warn({}, 'the clock of this machine has jumped: no recordings are removed for their age until the next start');
      return;
    }
    const removed = await this.#store.sweep(keepDays, now, (error) => log.error({ err: error.message }, 'a recording that is over recording.keepDays could not be removed'));
    if (removed > 0) log.info({ removed, keepDays }, 'recordings were removed for their age');
  }

  /** What else is written on this disk needs its room: recordings end before it is full. Never rejects. */
  async #watchRoom(): Promise<void> {
    const { keepFree } = this.#options.current() ?? this.#options.config;
    if (this.#active.size === 0 || keepFree === 0) return;
    const free = await this.#store.free().catch(() => Infinity);
    if (free >= keepFree * MEGABYTE) return;
    for (const active of this.#active.values()) {
      if (active.recording === null || active.stopped !== null) continue;
      active.stopped = `less than ${keepFree} MB are free (recording.keepFree)`;
      this.#options.log.error({ call: active.call.id, file: active.file, why: active.stopped }, 'a call is no longer recorded');
      this.#options.news.failed(active.call, active.file, active.stopped);
      void active.recording.stop();
    }
  }

  #do(work: Promise<void>): Promise<void> {
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
    return work;
  }

  /** To be called when calls have ended. May be called twice. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#work;
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    this.#uploader.close();
  }
}

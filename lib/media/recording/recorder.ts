import { EventEmitter } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { deferred } from '../../util/deferred.js';
import { withTimeout } from '../../util/withTimeout.js';
import type { MediaLogger } from '../logger.js';
import type { RelayHandle } from '../relay/handle.js';
import type { RelayCodec } from '../relay/rtp.js';
import type { CallRecording, RecordingEnd, RecordingEvents, RecordingOptions, RecordingResult } from '../types.js';
import type { FromRecorder, ToRecorder } from './threadMain.js';

/** Patience with a thread that is to end, in milliseconds. */
const PARTING_MS = 3000;

/** Writes recordings of calls in a thread of its own, which begins with the first. One that dies is made anew for the next. */
export class Recorder {
  readonly #logger: MediaLogger;
  readonly #going = new Map<number, Going>();
  #worker: Worker | null = null;
  #count = 0;

  constructor(logger: MediaLogger) {
    this.#logger = logger;
  }

  /** Begins one of the call behind `relay`; `codec`: what is spoken there. */
  record(relay: RelayHandle, codec: RelayCodec, options: RecordingOptions): CallRecording {
    const id = (this.#count += 1);
    const file = `${options.file}.${options.format}`;
    const channel = new MessageChannel();
    const pending = new Int32Array(new SharedArrayBuffer(8));
    const going = new Going(id, file, options.channels, relay);
    this.#going.set(id, going);
    const rate = codec === 'opus' || codec === 'G722' ? 16_000 : 8000;
    this.#worker ??= this.#start();
    this.#worker.postMessage({ op: 'open', id, options: { ...options, file, rate }, port: channel.port2, pending } satisfies ToRecorder, [channel.port2]);
    relay.post({ op: 'record', recording: id, port: channel.port1, pending, both: options.channels === 'both' });
    return going;
  }

  /** Closes what goes on. May be called twice. */
  async close(): Promise<void> {
    const worker = this.#worker;
    if (worker === null) return;
    const gone = new Promise<void>((resolve) => { worker.once('exit', () => resolve()); });
    worker.ref();
    worker.postMessage({ op: 'close' } satisfies ToRecorder);
    await withTimeout(gone, PARTING_MS, () => undefined);
    await worker.terminate();
  }

  #start(): Worker {
    // Under a TypeScript loader (tests) this module is a .ts file, and so is the thread's.
    const file = import.meta.url.endsWith('.ts') ? './threadMain.ts' : './threadMain.js';
    const worker = new Worker(new URL(file, import.meta.url));
    let why = 'the recorder has ended';
    worker.on('message', (message: FromRecorder) => this.#hear(message));
    worker.on('error', (error) => {
      why = error.message;
      this.#logger.error({ err: error }, 'the recorder failed: recordings under way have ended');
    });
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = null;
      for (const id of this.#going.keys()) this.#end(id, 'failed', why, null);
    });
    // Calls keep the service up, not what is recorded of them.
    worker.unref();
    return worker;
  }

  #hear(message: FromRecorder): void {
    if (message.op === 'ended') this.#end(message.id, message.why, message.detail, message.result);
    else if (message.mark !== 'stopped' && message.mark !== 'closed') this.#going.get(message.id)?.emit('changed', message.mark, message.seconds);
  }

  #end(id: number, why: RecordingEnd, detail: string | null, result: RecordingResult | null): void {
    const going = this.#going.get(id);
    this.#going.delete(id);
    going?.end(why, detail, result);
  }
}

/** A recording that goes on. */
class Going extends EventEmitter<RecordingEvents> implements CallRecording {
  readonly file: string;
  readonly #id: number;
  readonly #channels: 1 | 2;
  readonly #relay: RelayHandle;
  readonly #ended = deferred<RecordingResult>();
  followed: Promise<void> = Promise.resolve();
  #over = false;

  constructor(id: number, file: string, channels: 'user' | 'both', relay: RelayHandle) {
    super();
    this.#id = id;
    this.file = file;
    this.#channels = channels === 'both' ? 2 : 1;
    this.#relay = relay;
  }

  get result(): Promise<RecordingResult> {
    return this.#ended.promise;
  }

  follow(work: Promise<void>): void {
    this.followed = work;
  }

  pause(): void {
    this.#act('pause');
  }

  resume(): void {
    this.#act('resume');
  }

  stop(): Promise<RecordingResult> {
    this.#act('stop');
    return this.result;
  }

  #act(action: 'pause' | 'resume' | 'stop'): void {
    if (!this.#over) this.#relay.post({ op: 'recording', recording: this.#id, action });
  }

  end(why: RecordingEnd, detail: string | null, result: RecordingResult | null): void {
    if (this.#over) return;
    // Where the recorder ended it the call still hands over.
    if (why !== 'stopped' && why !== 'closed') this.#act('stop');
    this.#over = true;
    const told = result ?? { file: this.file, channels: this.#channels, seconds: 0, bytes: 0, sha256: null, whole: false, lost: 0, pauses: [], holds: [], gaps: [] };
    this.#ended.resolve(told);
    this.emit('ended', why, detail, told);
  }
}

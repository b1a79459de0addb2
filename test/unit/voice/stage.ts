// A call without SIP and media: what is played is noted, keys are pressed by the test.
import { EventEmitter } from 'node:events';
import { stringify } from 'yaml';
import { Call } from '../../../lib/call/call.js';
import { parseConfig } from '../../../lib/config/load.js';
import type { MediaCall, MediaCallEvents, RecordingEnd, RecordingEvents, RecordingOptions, RecordingResult } from '../../../lib/media/types.js';
import { createLogger } from '../../../lib/observe/logger.js';
import { deferred } from '../../../lib/util/deferred.js';
import { KeyPad } from '../../../lib/voice/keyPad.js';
import type { Line } from '../../../lib/voice/line.js';
import type { Message } from '../../../lib/voice/voicemail.js';

export const number = '+447700900001';

export class FakeMedia extends EventEmitter<MediaCallEvents> {
  /** What was played; null: it was stopped. */
  readonly played: (string | null)[] = [];
  #over: (() => void) | null = null;
  missing = new Set<string>();

  play(source: { file: string; loop: boolean } | null): Promise<void> {
    this.#over?.();
    this.#over = null;
    this.played.push(source?.file ?? null);
    if (source === null) return Promise.resolve();
    if (this.missing.has(source.file)) return Promise.reject(new Error('ENOENT'));
    return new Promise((resolve) => { this.#over = resolve; });
  }

  recording: FakeRecording | null = null;

  record(options: RecordingOptions): FakeRecording {
    return (this.recording = new FakeRecording(options));
  }

  /** What plays is at its end. */
  end(): void {
    this.#over?.();
    this.#over = null;
  }

  press(digits: string): void {
    for (const digit of digits) this.emit('dtmf', digit, 100);
  }
}

/** What is recorded, as the recorder tells it. */
export class FakeRecording extends EventEmitter<RecordingEvents> {
  readonly file: string;
  readonly result: Promise<RecordingResult>;
  readonly #ended = deferred<RecordingResult>();

  constructor(readonly options: RecordingOptions) {
    super();
    this.file = `${options.file}.ogg`;
    this.result = this.#ended.promise;
  }

  end(why: RecordingEnd, seconds: number, detail: string | null = null): void {
    const result: RecordingResult = { file: this.file, channels: 1, seconds, bytes: 1000, sha256: why === 'failed' ? null : 'ab'.repeat(32), whole: why !== 'failed', lost: 0, pauses: [], holds: [], gaps: [] };
    this.emit('ended', why, detail, result);
    this.#ended.resolve(result);
  }

  stop(): Promise<RecordingResult> {
    this.end('stopped', 4);
    return this.result;
  }

  pause(): void { /* not used */ }
  resume(): void { /* not used */ }
}

/** A line of a call by `routes[0]` of this configuration. */
export function lineOf(tree: object): { line: Line; media: FakeMedia; call: Call; accepted: () => number; messages: Message[] } {
  const config = parseConfig(stringify({
    domain: 'sbc.example.net', sip: { tls: { cert: 'c', key: 'k' } }, numbers: { [number]: { password: 'x' } }, peers: { pbx: { uri: 'sip:10.0.0.7', pstn: 'none', users: ['6[0-9]{3}'] } },
    routes: [{ name: 'main', number, menu: 'main' }], ...tree,
  }), { env: {}, path: '/test.yaml' });
  const call = new Call({ direction: 'user-initiated', startedAt: 0, log: createLogger('silent'), showUser: (user) => user, onEnded: () => undefined });
  const media = new FakeMedia();
  let times = 0;
  const messages: Message[] = [];
  call.own(() => media.end());
  const line = {
    call, media: media as unknown as MediaCall, config, route: config.routes[0]!, keys: new KeyPad(media as unknown as MediaCall), ready: Promise.resolve(), context: { onMessage: (message: Message) => { messages.push(message); } } as unknown as Line['context'], bridge: {} as Line['bridge'],
    get accepted() { return times > 0; },
    accept: () => { times += 1; return Promise.resolve(!call.over); }, heard: () => Promise.resolve(), ring: () => undefined,
  };
  return { line, media, call, accepted: () => times, messages };
}

/** Lets what can go on without time go on. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

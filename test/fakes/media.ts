// Stands where a media engine stands and touches no packet: for tests of signalling alone, in large numbers.
import { EventEmitter } from 'node:events';
import { WabError } from '../../lib/errors.js';
import type {
  CallMediaStats, CallRecording, LegMediaStats, MediaCall, MediaCallEvents, MediaEngine, MediaEngineStatus, MediaFork, PeerLeg, RecordingEvents, RecordingOptions, RecordingResult,
} from '../../lib/media/types.js';

const silent: LegMediaStats = { codec: null, keying: null, packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0, lost: 0, silentMs: 0, jitterMs: null, roundTripMs: null, mos: null };
const figures: CallMediaStats = { meta: silent, peer: silent };
const sdp = (...lines: string[]): string => ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', ...lines, 'a=ptime:20', 'a=sendrecv', ''].join('\r\n');
const plain = sdp('m=audio 40000 RTP/AVP 0 101', 'a=rtpmap:0 PCMU/8000', 'a=rtpmap:101 telephone-event/8000');
const secure = sdp('m=audio 40002 RTP/SAVP 111 126', 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5', 'a=rtpmap:111 opus/48000/2', 'a=rtpmap:126 telephone-event/8000');

/** As strict as an engine about what it is given: a description without an audio line is refused. */
function read(description: string): void {
  if (!/^m=audio \d+ /m.test(description)) throw new WabError('SDP_UNACCEPTABLE', 'no audio');
}

/** A usable description of audio, as a peer gives it. */
export const PEER_SDP = plain;

export class FakeLeg implements PeerLeg {
  readonly events = true;
  /** Null until a description has been settled. */
  flow: { listens: boolean; sends: boolean } | null = null;
  closed = false;
  async offer(): Promise<string> { return Promise.resolve(plain); }
  async takeAnswer(answer: string): Promise<void> { return Promise.resolve(this.#settle(answer)); }
  async answer(offer: string): Promise<string> { this.#settle(offer); return Promise.resolve(plain); }
  async play(): Promise<void> { return Promise.resolve(); }
  sendDtmf(): boolean { return true; }
  async packets(): Promise<number | null> { return Promise.resolve(null); }
  async close(): Promise<void> { this.closed = true; return Promise.resolve(); }

  #settle(description: string): void {
    read(description);
    this.flow = { listens: !/^a=(?:sendonly|inactive)/m.test(description), sends: !/^a=(?:recvonly|inactive)/m.test(description) };
  }
}

/** Streams to a recorder that carry nothing; what it is told stands in `told`. */
export class FakeFork implements MediaFork {
  readonly told: string[] = [];
  readonly flow = null;
  async offer(): Promise<string> { return Promise.resolve(plain); }
  async takeAnswer(answer: string): Promise<void> { return Promise.resolve(read(answer)); }
  async answer(offer: string): Promise<string> { read(offer); return Promise.resolve(plain); }
  readonly missing = null;
  set(state: string): void { this.told.push(state); }
  close(): void { this.told.push('close'); }
}

/** A recording that hears nothing; what it is told stands in `told`. */
export class FakeRecording extends EventEmitter<RecordingEvents> implements CallRecording {
  readonly file: string;
  readonly result: Promise<RecordingResult>;
  readonly told: string[] = [];
  #end: (result: RecordingResult) => void = () => undefined;
  followed: Promise<void> = Promise.resolve();
  #over = false;
  constructor(readonly options: RecordingOptions) {
    super();
    this.file = `${options.file}.${options.format}`;
    this.result = new Promise((resolve) => { this.#end = resolve; });
  }

  follow(work: Promise<void>): void { this.followed = work; }
  pause(): void { this.told.push('pause'); }
  resume(): void { this.told.push('resume'); }
  async stop(): Promise<RecordingResult> { this.told.push('stop'); return this.end('stopped'); }

  /** It ends, `more` being what is told of it beside. */
  async end(why: RecordingEvents['ended'][0], more: Partial<RecordingResult> = {}, detail: string | null = null): Promise<RecordingResult> {
    const { file, options: { channels } } = this;
    const result: RecordingResult = {
      file, channels: channels === 'both' ? 2 : 1, seconds: 0, bytes: 0, sha256: null, whole: why !== 'failed', lost: 0, pauses: [], holds: [], gaps: [], ...more,
    };
    if (this.#over) return this.result;
    this.#over = true;
    this.#end(result);
    this.emit('ended', why, detail, result);
    return this.result;
  }
}

export class FakeCall extends EventEmitter<MediaCallEvents> implements MediaCall {
  async answerMeta(offer: string): Promise<string> { read(offer); return Promise.resolve(secure); }
  async offerMeta(): Promise<string> { return Promise.resolve(secure); }
  async takeMetaAnswer(answer: string): Promise<void> { return Promise.resolve(read(answer)); }
  start(): void { /* no packet is sent */ }
  readonly legs: FakeLeg[] = [];
  addPeerLeg(): PeerLeg {
    const leg = new FakeLeg();
    this.legs.push(leg);
    return leg;
  }

  addAgentLeg(): PeerLeg { return this.addPeerLeg(); }
  tee(): void { /* nobody listens */ }
  readonly forks: FakeFork[] = [];
  fork(): MediaFork {
    const fork = new FakeFork();
    this.forks.push(fork);
    return fork;
  }

  connect(): void { /* nobody hears anybody */ }
  /** What was played, in order; null: stopped. */
  readonly played: ({ readonly file: string; readonly loop: boolean; readonly yields?: boolean } | null)[] = [];
  async play(source: { readonly file: string; readonly loop: boolean; readonly yields?: boolean } | null): Promise<void> {
    this.played.push(source);
    return Promise.resolve();
  }

  sendDtmf(): void { /* no packet is sent */ }
  readonly recordings: FakeRecording[] = [];
  record(options: RecordingOptions): CallRecording {
    const recording = new FakeRecording(options);
    this.recordings.push(recording);
    return recording;
  }

  readonly privacy: boolean[] = [];
  keepPrivate(on: boolean): void { this.privacy.push(on); }
  async stats(): Promise<CallMediaStats> { return Promise.resolve(figures); }
  async close(): Promise<CallMediaStats> { return Promise.resolve(figures); }
}

export class FakeMedia extends EventEmitter<{ up: []; down: [reason: string] }> implements MediaEngine {
  readonly name = 'rtpengine';
  readonly healthy = true;
  readonly faults = 0;
  async start(): Promise<void> { return Promise.resolve(); }
  openCall(): MediaCall { return new FakeCall(); }
  status(): MediaEngineStatus { return { instances: [], workers: [] }; }
  async close(): Promise<void> { return Promise.resolve(); }
}

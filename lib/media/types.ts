import type { EventEmitter } from 'node:events';
import type { MessagePort } from 'node:worker_threads';
import type { Keying, MediaConfig, PeerCodec, PeerSrtp } from '../config/types.js';
import type { Flow } from '../sdp/index.js';

/**
 * A media engine, or a pool of them. Calls are written once against this interface.
 * The Meta leg is made once and never changes; peer legs come and go behind it.
 */
export interface MediaEngine extends EventEmitter<{ up: []; down: [reason: string] }> {
  readonly name: 'embedded' | 'rtpengine' | 'freeswitch';
  /** False while no instance can take a call: new calls get 503. */
  readonly healthy: boolean;
  /** Exceptions in media threads since the start. */
  readonly faults: number;
  start(): Promise<void>;
  /** Synchronous: allocation happens at the first leg. */
  openCall(options: MediaCallOptions): MediaCall;
  /** Takes what a running engine can take of a new configuration: which servers of a pool get new calls. Others of its keys wait for a restart. */
  reload?(config: MediaConfig): void;
  /** Live figures for metrics and doctor. */
  status(): MediaEngineStatus;
  /** Ends every call left and the engine itself if we started it. May be called twice. */
  close(): Promise<void>;
}

export interface MediaEngineStatus {
  readonly instances: readonly { readonly address: string; readonly healthy: boolean; readonly version: string | null; readonly calls: number }[];
  /** The threads that carry the packets: calls on each, and by how many milliseconds its timer is late on the average. */
  readonly workers: readonly { readonly calls: number; readonly lagMs: number }[];
}

export interface MediaCallOptions {
  /** Our own id of the call (never Meta's Call-ID); unique, safe in file names. */
  readonly id: string;
  /** Seconds without a packet from Meta's side before 'mediaTimeout'; 0: never. */
  readonly mediaTimeout: number;
}

export interface MediaCallEvents {
  /** Nothing came from Meta's side for the configured time. */
  mediaTimeout: [];
  /** Nothing came for the configured time from the peer that is connected, which is to send: no RTP, and no RTCP where the engine hears that. */
  peerSilent: [leg: PeerLeg, seconds: number];
  /** ICE and DTLS with the connected peer have come to nothing within 10 s, and why: nobody hears anybody. */
  peerUnsecured: [leg: PeerLeg, reason: string];
  /** The engine that held this call is gone; the call cannot be saved. */
  engineLost: [reason: string];
  /** On a side keyed with DTLS somebody has shown another certificate than the description names (RFC 8122): nothing of theirs was heard. */
  impostor: [reason: string];
  /** A digit from the WhatsApp user: '0'-'9', '*', '#', 'A'-'D'; duration in milliseconds. */
  dtmf: [digit: string, durationMs: number];
  /** The same of the peer that is connected, which goes to the user too. */
  peerDtmf: [digit: string];
}

export interface MediaCall extends EventEmitter<MediaCallEvents> {
  /**
   * User-initiated: takes Meta's offer, gives the complete answer for Meta.
   * No RTP leaves towards Meta before start().
   * @throws WabError 'SDP_UNACCEPTABLE' when the offer is malformed or has nothing we can speak; 'MEDIA_UNAVAILABLE' when no engine answers.
   */
  answerMeta(offer: string, options: { readonly keying: Keying }): Promise<string>;
  /** Business-initiated: the offer for Meta. */
  offerMeta(options: { readonly keying: Keying; readonly g711: boolean }): Promise<string>;
  /** Business-initiated: Meta's answer to offerMeta. */
  takeMetaAnswer(answer: string): Promise<void>;
  /** From now on Meta gets a packet every 20 ms: call it as the 200 is sent (user-initiated) or received (business-initiated). */
  start(): void;
  /** A leg towards a peer; several may exist (ring-all, transfer), one is connected. */
  addPeerLeg(profile: PeerMediaProfile): PeerLeg;
  /** The same for a voice agent, whose audio goes by a port instead of over RTP: there is nothing to negotiate. @throws WabError 'MEDIA_REFUSED', 'MEDIA_UNAVAILABLE'. */
  addAgentLeg(end: AgentEnd): PeerLeg;
  /** A copy of what both sides say, by a port, in frames of two channels: the user's, and what the user hears. Until the call is closed. It touches nothing of the call. */
  tee(end: AgentEnd): void;
  /**
   * Both again, as two streams to a recorder of whatever codec it takes, from when `set` says so until either ends. While nobody at the business listens
   * both are silent. It touches nothing of the call. @throws WabError 'MEDIA_REFUSED' when the call is closed, 'MEDIA_UNAVAILABLE'.
   */
  fork(profile: ForkProfile): MediaFork;
  /** Which peer leg hears and is heard by the WhatsApp user; null: none. The Meta leg does not notice. */
  connect(leg: PeerLeg | null): void;
  /**
   * Plays to the WhatsApp user on the Meta leg's own stream until stopped or at its end; null stops. `yields`: only while the connected peer
   * sends nothing.
   */
  play(source: { readonly file: string; readonly loop: boolean; readonly yields?: boolean } | null): Promise<void>;
  /** A digit towards the WhatsApp user (peer with dtmf: info). */
  sendDtmf(digit: string, durationMs: number): void;
  /**
   * Writes what is heard on Meta's leg to a file from now on, or from when that leg begins. Several at once may be. Meta's offer must have been taken,
   * or ours made. @throws WabError 'MEDIA_REFUSED' before, and when the call is closed.
   */
  record(options: RecordingOptions): CallRecording;
  /** Whether what is said is for nobody but the two who talk: no recording, tee or recorder, there or to come, hears any of it. */
  keepPrivate(on: boolean): void;
  stats(): Promise<CallMediaStats>;
  /** Frees everything, and waits a moment for recordings to be closed; may be called twice. Gives the final statistics. */
  close(): Promise<CallMediaStats>;
}

export interface RecordingOptions {
  /** Without its extension. The file must not be there; its folder is made where it is not. */
  readonly file: string;
  readonly format: 'ogg' | 'wav';
  /** user: one channel; both: the user on the left, silent while nobody listens to them, what they hear on the right. */
  readonly channels: 'user' | 'both';
  /** After so long it ends; null: it does not. */
  readonly maxSeconds: number | null;
  /** After so long without a word of the user's it ends; null: it does not. */
  readonly silenceSeconds: number | null;
}

export type RecordingEnd = 'stopped' | 'maxSeconds' | 'silence' | 'closed' | 'failed';

/** Seconds since the beginning of a recording. */
export interface Span { readonly from: number; readonly to: number }

/** How a recording came out. */
export interface RecordingResult {
  /** With its extension. */
  readonly file: string;
  readonly channels: 1 | 2;
  readonly seconds: number;
  readonly bytes: number;
  /** Hexadecimal; null: the file cannot be read. */
  readonly sha256: string | null;
  /** It was closed as it should be. False: it ends where the disk refused it. */
  readonly whole: boolean;
  /** Packets that the recorder was too late for. */
  readonly lost: number;
  readonly pauses: readonly Span[];
  /** When nobody at the business listened to the user. */
  readonly holds: readonly Span[];
  /** Where the lost packets were. */
  readonly gaps: readonly Span[];
}

/** `changed`: a pause or hold has begun or ended; seconds since the beginning. `ended`: once; `detail`: why it failed. */
export interface RecordingEvents {
  changed: [what: 'pause' | 'resume' | 'hold' | 'unhold', seconds: number];
  ended: [why: RecordingEnd, detail: string | null, result: RecordingResult];
}

export interface CallRecording extends EventEmitter<RecordingEvents> {
  /** With its extension. */
  readonly file: string;
  /** Resolves when it has ended, for whatever reason. */
  readonly result: Promise<RecordingResult>;
  /** What is to be done once it has ended: the end of the call waits a moment for that too. Given at once when 'ended' is told; never rejects. */
  follow(work: Promise<void>): void;
  readonly followed: Promise<void>;
  /** Nothing is recorded, and time goes on as silence. */
  pause(): void;
  resume(): void;
  /** May be called twice, and after it has ended. */
  stop(): Promise<RecordingResult>;
}

export interface PeerMediaProfile {
  readonly codecs: readonly PeerCodec[];
  readonly srtp: PeerSrtp;
  readonly dtmf: 'rfc4733' | 'info';
  /** ICE and DTLS-SRTP, nothing else; left out: as `srtp` says. */
  readonly webrtc?: boolean;
  /** Seconds without a packet from this peer before 'peerSilent'; 0, or left out: never. */
  readonly mediaTimeout?: number;
  /**
   * Its plain media may come from elsewhere than its description says, as behind NAT, but only from there or from the address its signalling
   * came from. Left out: from where its description says, nothing else.
   */
  readonly latch?: { readonly from: string | null };
  /** Why no media is sent to this address and port, in words; null, or left out: nothing speaks against it. */
  readonly refuses?: (address: string, port: number) => string | null;
}

/** What a recorder takes. */
export type ForkProfile = Pick<PeerMediaProfile, 'codecs' | 'srtp' | 'refuses'>;

/** Two streams to a recorder, as its one description has them: label 1 what the user says, label 2 what the user hears. */
export interface MediaFork extends Pick<PeerLeg, 'flow' | 'offer' | 'takeAnswer' | 'answer'> {
  /** shut: no packet leaves; open: what is said; paused: silence. */
  set(state: 'shut' | 'open' | 'paused'): void;
  /** Which of the two the recorder does not take, and why, for people; null: it takes both, or has not said. */
  readonly missing: string | null;
  /** May be called twice. */
  close(): void;
}

/** Where a voice agent's audio goes and comes from. */
export interface AgentEnd {
  /** What goes over it: lib/media/relay/agent/words.ts. It is given away. */
  readonly link: MessagePort;
  /** Samples a second, both ways. */
  readonly sampleRate: 8000 | 16_000 | 24_000;
  /** Counts the frames that the other end has taken, one Int32: what it leaves unread is lost. */
  readonly read: SharedArrayBuffer;
}

export interface PeerLeg {
  /** Whether telephone events are agreed on with the peer; null while nothing is. */
  readonly events: boolean | null;
  /** Whether the peer listens and sends, by its description that stands; null while there is none. */
  readonly flow: Flow | null;
  /** The offer for the peer; the same text each time it is asked. Where an answer of ours stands: that, as an offer, both ways. */
  offer(): Promise<string>;
  /** The peer's answer to our offer. @throws WabError 'SDP_UNACCEPTABLE'. */
  takeAnswer(answer: string): Promise<void>;
  /** Answers an offer of the peer: business-initiated INVITE, or a re-INVITE of an existing leg. @throws WabError 'SDP_UNACCEPTABLE'. */
  answer(offer: string): Promise<string>;
  /**
   * Plays to the peer instead of what the WhatsApp user says, once this leg is negotiated and connected; null stops. Resolves when it
   * has begun. @throws WabError 'FILE_UNREADABLE'.
   */
  play(source: { readonly file: string; readonly loop: boolean } | null): Promise<void>;
  /** A digit of ours towards the peer, as a telephone event; false: none can be sent, for the peer has agreed on none, or does not listen. */
  sendDtmf(digit: string, durationMs: number): boolean;
  /** Packets of the peer's that the engine has taken, RTCP too where it hears it; null: it does not say. Never rejects. */
  packets(): Promise<number | null>;
  close(): Promise<void>;
}

/** Figures of one leg, of what went over its own wire. */
export interface LegMediaStats {
  /** e.g. 'opus', 'PCMU'; null when never negotiated. */
  readonly codec: string | null;
  readonly keying: 'sdes' | 'dtls' | 'none' | null;
  /** RTP packets, and the octets of their payload, as sender reports count them (RFC 3550 §6.4.1). */
  readonly packetsIn: number;
  readonly packetsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Packets lost on the way to us, from sequence numbers or the engine. */
  readonly lost: number;
  /** Milliseconds in which nothing came though this side was to send: pauses of more than a second, not on hold. */
  readonly silentMs: number;
  /** Milliseconds; null when unknown. */
  readonly jitterMs: number | null;
  readonly roundTripMs: number | null;
  /** 1.0-4.5, estimated; null when unknown. */
  readonly mos: number | null;
}

export interface CallMediaStats {
  readonly meta: LegMediaStats;
  readonly peer: LegMediaStats;
}

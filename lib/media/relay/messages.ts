import type { MessagePort } from 'node:worker_threads';
import type { Flow } from '../../sdp/index.js';
import type { EndSettings } from './agent/words.js';
import type { TapAction } from '../recording/taps.js';
import type { StreamFormat } from './outStream.js';
import type { RelayCodec } from './rtp.js';
import type { SecurityFault, WireSettings } from './wire/settings.js';

/** The side of a call a remote port belongs to: 'meta', or a peer leg's number. */
export type SideId = 'meta' | number;

/** Which of the two who talk: the WhatsApp user, or what the user hears. */
export type Track = 'user' | 'other';
/** Of a stream to a recorder. shut: nothing leaves yet; open: what is said; paused: silence. */
export type ForkState = 'shut' | 'open' | 'paused';

/** Where an engine's port for one side is, as the relay reaches it. */
export interface Remote { readonly address: string; readonly port: number }

/** Where a side's packets go: to an engine's port by the relay's one socket, out by the side's own port, or, as linear audio, to a voice agent. */
export type SidePath = { readonly remote: Remote } | { readonly wire: WireSettings } | { readonly end: EndSettings };

/** From the service to the worker that carries the call. */
export type RelayCommand =
  /** Opens the side's own port, and the one after it for RTCP; answered by 'opened'. */
  | { readonly op: 'open'; readonly call: number; readonly side: SideId; readonly address: string; readonly port: number; readonly rtcp: boolean; readonly request: number }
  /** ICE and DTLS of a side's port may begin. */
  | { readonly op: 'secure'; readonly call: number; readonly side: SideId }
  | { readonly op: 'side'; readonly call: number; readonly side: SideId; readonly path: SidePath; readonly format: StreamFormat; readonly flow: Flow; readonly ssrc: number;
    /** What comes from there is nobody's until it is admitted, and reported as a knock. False: as it was. */
    readonly shut: boolean;
    /** After how long a silence of a peer's is reported, see `silent`; 0: never. Meta's comes with `start`. */
    readonly timeoutMs: number;
    /** Set where the relay does RTCP: on Meta's side, and on every port of ours. */
    readonly cname: string | null;
  }
  /** Whether what comes from a side that was shut is the peer's; if not, the next packet knocks again. */
  | { readonly op: 'admit'; readonly call: number; readonly side: number; readonly admitted: boolean }
  | { readonly op: 'drop'; readonly call: number; readonly side: number }
  | { readonly op: 'start'; readonly call: number; readonly mediaTimeoutMs: number }
  /** The silence of this side, which was reported, was none of whoever is behind it: it is counted anew. */
  | { readonly op: 'watch'; readonly call: number; readonly side: SideId }
  | { readonly op: 'connect'; readonly call: number; readonly side: number | null }
  | { readonly op: 'play'; readonly call: number; readonly side: SideId; readonly frames: readonly Uint8Array[] | null; readonly loop: boolean; readonly yields: boolean; readonly play: number }
  | { readonly op: 'digit'; readonly call: number; readonly side: SideId; readonly event: number; readonly durationMs: number }
  /** What both sides say goes to a port too, until the call ends. */
  | { readonly op: 'tee'; readonly call: number; readonly end: EndSettings; readonly codec: RelayCodec }
  /** What comes to this side, which nobody is connected to, is a copy of one of the two: see Forks. Again for another state. */
  | { readonly op: 'fork'; readonly call: number; readonly side: number; readonly track: Track; readonly state: ForkState }
  /** What is heard on Meta's leg goes to `port` from now on: see TapOptions. */
  | { readonly op: 'record'; readonly call: number; readonly recording: number; readonly port: MessagePort; readonly pending: Int32Array; readonly both: boolean }
  | { readonly op: 'recording'; readonly call: number; readonly recording: number; readonly action: TapAction }
  /** What is said is for nobody but the two who talk, whoever else listens or comes to: until it is said anew. */
  | { readonly op: 'private'; readonly call: number; readonly on: boolean }
  | { readonly op: 'stats'; readonly call: number; readonly request: number }
  | { readonly op: 'close'; readonly call: number; readonly request: number }
  | { readonly op: 'stop' };

/** Counters of one side, as the relay sees them. */
export interface SideCounters {
  readonly packetsIn: number;
  readonly bytesIn: number;
  readonly packetsOut: number;
  readonly bytesOut: number;
  /** Of packetsOut, silence of ours, and telephone events. */
  readonly silentOut: number;
  readonly eventsOut: number;
  readonly lost: number;
  readonly jitterMs: number;
  /** From RTCP; null where there is none. */
  readonly roundTripMs: number | null;
  /** Share of our packets the far end missed. */
  readonly remoteLoss: number | null;
  /** Milliseconds since anything came from its engine port, RTP or not; Infinity: nothing ever did. Stalls of the worker count little. */
  readonly silentMs: number;
  /** Milliseconds in which it was to send and no RTP of it came, in pauses of more than a second; RTCP counts as something on Meta's side. */
  readonly missedMs: number;
  /** Datagrams of the far end's that its own port has taken, RTCP among them; 0 where an engine has the port. */
  readonly taken: number;
}

export interface RelayCounters {
  readonly meta: SideCounters | null;
  readonly peers: Readonly<Record<number, SideCounters>>;
}

/** From the worker to the service. */
export type RelayReport =
  | { readonly op: 'ready'; readonly port: number }
  | { readonly op: 'dtmf'; readonly call: number; readonly side: SideId; readonly digit: string; readonly durationMs: number }
  /** No RTP has come from a side that is to send, for its time-out (`whole`) or for half of that. From Meta's no RTCP either: that of a peer's is the engine's own. */
  | { readonly op: 'silent'; readonly call: number; readonly side: SideId; readonly whole: boolean }
  /** Something came from a side that is shut. */
  | { readonly op: 'knock'; readonly call: number; readonly side: number }
  /** A peer keeps sending packets of another length than 20 ms. */
  | { readonly op: 'length'; readonly call: number; readonly side: number; readonly ms: number }
  | { readonly op: 'played'; readonly call: number; readonly play: number }
  /** `fault`: the system's code (EADDRINUSE); null: the port is open. */
  | { readonly op: 'opened'; readonly request: number; readonly fault: string | null }
  /** Packets come to a port that are not of its far end, once for each side. */
  | { readonly op: 'stranger'; readonly call: number; readonly side: SideId; readonly address: string }
  /** ICE, DTLS or a key of the far end has failed. */
  | { readonly op: 'unsecured'; readonly call: number; readonly side: SideId; readonly kind: SecurityFault; readonly reason: string }
  /** An exception, and where it was caught. */
  | { readonly op: 'fault'; readonly place: string; readonly text: string }
  | { readonly op: 'stats'; readonly request: number; readonly counters: RelayCounters };

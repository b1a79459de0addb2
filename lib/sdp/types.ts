/** A codec line of an audio section: rtpmap and fmtp together. */
export interface SdpCodec {
  readonly payloadType: number;
  /** As registered: 'opus', 'PCMU', 'PCMA', 'G722', 'telephone-event'; others as written. */
  readonly name: string;
  readonly clockRate: number;
  readonly channels: number;
  readonly fmtp: string | null;
}

/** One usable `a=crypto` line (RFC 4568): master key and salt in base64. */
export interface SdesKey {
  readonly tag: number;
  readonly suite: string;
  readonly key: string;
  /** Master key identifier that its sender's packets carry, as "value:length" (RFC 4568 §6.1); left out: none. */
  readonly mki?: string;
}

export interface IceCandidate {
  readonly foundation: string;
  readonly component: number;
  readonly transport: string;
  readonly priority: number;
  readonly address: string;
  readonly port: number;
  readonly type: string;
}

export interface IceDescription {
  readonly ufrag: string;
  readonly pwd: string;
  readonly lite: boolean;
  readonly candidates: readonly IceCandidate[];
}

export type DtlsSetup = 'active' | 'passive' | 'actpass';

export interface DtlsDescription {
  readonly setup: DtlsSetup;
  /** Hash function in lower case, value in upper-case hex with colons. */
  readonly fingerprints: readonly { readonly hash: string; readonly value: string }[];
}

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

/** What one side of a stream does, by its own description (RFC 3264 §5.1, §6.1, §8.4). */
export interface Flow {
  /** It wants to receive: nothing may be sent to it otherwise. */
  readonly listens: boolean;
  /** It may send; what comes from it otherwise is not heard. */
  readonly sends: boolean;
}

export type MediaProtocol = 'RTP/AVP' | 'RTP/AVPF' | 'RTP/SAVP' | 'RTP/SAVPF' | 'UDP/TLS/RTP/SAVP' | 'UDP/TLS/RTP/SAVPF';

/** An audio section, as read or as it will be written. */
export interface AudioSection {
  /** IP literal of the connection line. */
  readonly address: string;
  /** 0: refused. */
  readonly port: number;
  readonly protocol: MediaProtocol;
  readonly direction: Direction;
  readonly rtcpMux: boolean;
  /** Where RTCP goes; left out: to the port after that of RTP (RFC 3605). */
  readonly rtcp?: { readonly address: string; readonly port: number } | undefined;
  readonly mid: string | null;
  readonly codecs: readonly SdpCodec[];
  /** Milliseconds; null when absent. */
  readonly ptime: number | null;
  readonly maxptime: number | null;
  readonly sdes: readonly SdesKey[];
  readonly ice: IceDescription | null;
  readonly dtls: DtlsDescription | null;
  /** Label of the stream (RFC 4574), to announce; never read. */
  readonly label?: string;
  /** Stream and track of ours, to announce (RFC 8830); never read. */
  readonly msid?: string;
  /** Our SSRC and cname, to announce (RFC 5576); never read. */
  readonly ssrc?: { readonly id: number; readonly cname: string };
}

/** A section that is not our audio: kept only to be answered with port 0 (RFC 3264 §6). */
export interface OtherSection {
  readonly kind: string;
  readonly protocol: string;
  readonly formats: string;
  readonly mid: string | null;
}

export type Section = { readonly audio: AudioSection } | { readonly other: OtherSection };

export interface SessionDescription {
  /** Session id and version of the o= line, decimal digits. */
  readonly id: string;
  readonly version: number;
  /** The sections with a mid are one BUNDLE group (RFC 9143). */
  readonly bundle: boolean;
  readonly sections: readonly Section[];
}

import type { IceDescription } from '../../../sdp/index.js';
import type { Remote } from '../messages.js';

/** Master key and salt of one direction as an a=crypto line has them (RFC 4568 §6.1): base64, and "value:length" where packets carry an identifier. */
export interface SdesText { readonly suite: string; readonly inline: string; readonly mki?: string }

/**
 * What came to nothing; 'fingerprint': whoever is there is not whom the description names; 'key': what comes is not sealed with the key that was negotiated;
 * 'late': no keys have been agreed on in time, for whatever reason.
 */
export type SecurityFault = 'ice' | 'dtls' | 'fingerprint' | 'key' | 'late';

/** Which packets are the far end's. SRTP and ICE tell by themselves; this is for plain RTP, and for where SRTP is sent. */
export type SourceRule =
  /** Those from the address and port of its description (RFC 4961): another port there may be somebody else on its host. */
  | { readonly kind: 'described'; readonly address: string; readonly port: number }
  /** It is behind NAT: the first that come from its description's address, or from that of its signalling, say where it is; nothing else is taken then. */
  | { readonly kind: 'latch'; readonly addresses: readonly string[] };

/** What a port speaks with its far end, once that is negotiated. */
export interface WireSettings {
  /** Where RTP goes to, until `sources` or ICE say better. */
  readonly remote: Remote;
  /** RTCP goes to the port of RTP (RFC 5761). */
  readonly rtcpMux: boolean;
  /** Else where it goes; left out: to the port after that of RTP (RFC 3550 §11); null: nowhere. */
  readonly rtcp?: Remote | null;
  readonly sources: SourceRule;
  /** SDES: keys of what we send and of what the far end sends. Null: plain RTP, or DTLS below. */
  readonly sdes: { readonly ours: SdesText; readonly theirs: SdesText } | null;
  /** ICE, then DTLS, which give address and keys; null: neither. */
  readonly dtls: DtlsSettings | null;
}

export interface DtlsSettings {
  readonly controlling: boolean;
  /** Ours as the far end was told it. */
  readonly own: Pick<IceDescription, 'ufrag' | 'pwd'> & { readonly local: Remote };
  readonly remote: IceDescription;
  readonly role: 'client' | 'server';
  /** Those of the far end's certificate (RFC 8122). */
  readonly fingerprints: readonly { readonly hash: string; readonly value: string }[];
}

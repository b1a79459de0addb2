import type { IceCandidate } from '../../sdp/index.js';
import type { IceAddress } from './address.js';

export interface IceCredentials {
  readonly ufrag: string;
  readonly pwd: string;
}

/** The other side as its description has it. */
export interface IceRemote extends IceCredentials {
  /** It answers checks and sends none (RFC 8445 §2.5). */
  readonly lite: boolean;
  readonly candidates: readonly IceCandidate[];
}

export interface IceEvents {
  send(bytes: Buffer, to: IceAddress): void;
  /** The pair that media and DTLS use from now on. */
  selected(remote: IceAddress): void;
  /** No pair works, or consent was lost (RFC 7675). Once for each session; an ICE restart begins another. */
  failed(reason: string): void;
}

export interface IceOptions {
  /** The role to begin with; towards a lite agent it is controlling in any case. */
  readonly controlling: boolean;
  /** Ours. */
  readonly ufrag: string;
  readonly pwd: string;
  /** Our addresses as they are told, one of each family that there is a socket of. */
  readonly local: readonly IceAddress[];
  readonly events: IceEvents;
  /** 32 bits of chance or more, from 0 to below 1. Left out: the system's. */
  readonly random?: () => number;
}

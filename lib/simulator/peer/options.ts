// What a PBX user, and each call it places, can be told.
import type { CodecName } from '../media/codec.js';
import type { SourceKind } from '../media/endpoint.js';
import type { Credentials } from '../sip/digest.js';
import type { Direction } from '../sip/sdp.js';
import type { SipTimers } from '../sip/transactions.js';
import type { PeerBehaviour } from './behaviour.js';
import type { PeerSrtp, Renumbering } from './sdp.js';

export interface PeerOptions {
  /** `udp:HOST:PORT`, `tcp:…`, `tls:…`, one or several; port 0 takes a free one. Default `udp:127.0.0.1:0`. */
  listen?: string | string[] | undefined;
  /** Certificate for a `tls:` listener, and the CA and name a TLS server that we call is verified by. */
  tls?: { cert?: string; key?: string; ca?: string; serverName?: string; outboundName?: string } | undefined;
  /** Where requests inside a dialog go, `tls:HOST:PORT` and the like, whatever its Routes say: an outbound proxy (verified as `tls.outboundName`). */
  outbound?: string | undefined;
  /** URI of our Contact, instead of the listener's address. */
  contact?: string | undefined;
  /** Words of `parseBehaviour`, or the parts of a behaviour; a function decides for each call by its INVITE's R-URI user. */
  answer?: string | Partial<PeerBehaviour> | ((user: string) => string | Partial<PeerBehaviour>) | undefined;
  codecs?: CodecName[] | undefined;
  srtp?: PeerSrtp | undefined;
  /** Payload type of telephone-event in offers of ours; null offers none. Default 101. */
  dtmf?: number | null | undefined;
  media?: 'full' | 'light' | 'none' | undefined;
  tones?: [number, number] | undefined;
  /** Tones that count as heard; any when empty (the default). */
  expect?: number[] | undefined;
  /** Address media is sent from; default: that of the first listener. */
  mediaAddress?: string | undefined;
  /** User part of our Contact, and of From in calls of ours. */
  user?: string | undefined;
  /** Credentials when the far end challenges us. */
  auth?: Credentials | undefined;
  timers?: Partial<SipTimers> | undefined;
}

export interface CallOptions {
  /** `udp:HOST:PORT` etc. to send to, instead of what the URI names. */
  via?: string | undefined;
  /** From value without tag. Default `<sip:USER@HOST>`. */
  from?: string | undefined;
  to?: string | undefined;
  headers?: Record<string, string> | undefined;
  auth?: Credentials | undefined;
  codecs?: CodecName[] | undefined;
  source?: SourceKind | undefined;
  /** Direction of the first description of ours. */
  first?: Direction | undefined;
  /** How answers of ours are numbered; see Renumbering. */
  renumber?: Renumbering | undefined;
  delayedOffer?: boolean | undefined;
  hangUpMs?: number | undefined;
}

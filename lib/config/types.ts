import type { Shape } from './schemaForm.js';
import type { schema } from './schema.js';

/** The file as it stands, with its defaults: every key has its type, its meaning and its default in the schema, and nowhere else. */
export type ConfigFile = Shape<typeof schema>;

/**
 * The configuration as the rest of the program sees it: defaults filled in, secrets read, frozen, and the few forms that only the file has worked out.
 * Keys are those of the YAML file (docs/reference/configuration.md); times are in seconds unless named otherwise.
 */
export interface Config extends Omit<ConfigFile, 'media' | 'peers' | 'numbers'> {
  readonly media: MediaConfig;
  readonly peers: Readonly<Record<string, PeerConfig>>;
  readonly numbers: Readonly<Record<string, NumberConfig>>;
  /** SHA-256 (hex) of the canonical configuration, secrets left out. */
  readonly hash: string;
}

export interface MediaConfig extends Omit<ConfigFile['media'], 'rtpengine' | keyof MediaPlaces>, MediaPlaces {
  readonly rtpengine: RtpengineConfig;
}

export interface RtpengineConfig extends Omit<ConfigFile['media']['rtpengine'], keyof MediaPlaces>, MediaPlaces {}

/** Where an engine's media is. */
export interface MediaPlaces {
  /** Addresses, each optionally local!public. */
  readonly interface: { readonly meta: string; readonly peers: string };
  /** First and last UDP port, inclusive. */
  readonly ports: { readonly first: number; readonly last: number };
}

/** A peer as it stands in the file. */
export type PeerInFile = ConfigFile['peers'][string];

export interface PeerConfig extends Omit<PeerInFile, 'uri' | 'transports' | 'sampleRate'> {
  /** Samples a second towards and from a voice agent. */
  readonly sampleRate: AgentRate;
  /** sip:host:port;transport=… where calls to this peer are sent; of a peer whose users register, or of a voice agent, a name that resolves nowhere. */
  readonly uri: string;
  /** Transports on which `sources` make it known. */
  readonly transports: readonly Transport[];
}

/** A number as it stands in the file. */
export type NumberInFile = ConfigFile['numbers'][string];

export interface NumberConfig extends Omit<NumberInFile, 'password'> {
  /** From the file, or from its passwordFile; '' where that file does not exist yet: then the service does not start. */
  readonly password: string;
}

/** What provision keeps true at Meta. */
export type SettingsConfig = NonNullable<NumberInFile['settings']>;
export type HoursConfig = ConfigFile['hours'][string];
export type MenuConfig = ConfigFile['menus'][string];
export type QueueConfig = ConfigFile['queues'][string];
export type VoicemailConfig = ConfigFile['voicemail'][string];
export type RouteConfig = ConfigFile['routes'][number];
export type AccountConfig = PeerInFile['accounts'][string];
export type HealthConfig = PeerInFile['health'];
export type SipLimitsConfig = ConfigFile['sip']['limits'];

export type AgentDialect = PeerInFile['dialect'];
export type AgentRate = NonNullable<PeerInFile['sampleRate']>;

export type LogLevel = ConfigFile['log']['level'];
export type Keying = NumberConfig['keying'];
export type DigestAlgorithm = ConfigFile['sip']['challenge'][number];
/** none: plain RTP; sdes: SRTP keyed with SDES, nothing else; optional: SRTP where the other side takes or offers a key (RFC 8643). */
export type PeerSrtp = PeerInFile['srtp'];
export type PeerCodec = PeerInFile['codecs'][number];

/** What peers and Meta are reached by, from the one that proves least of who sends to the one that proves most. */
export const transports = ['udp', 'tcp', 'tls'] as const;

export type Transport = (typeof transports)[number];

/** What phones register by: the same, and WebSocket (RFC 7118). */
export const phoneTransports = [...transports, 'ws', 'wss'] as const;

/** What a token is good for: read: every page; the others are for the API. */
export const apiScopes = ['read', 'calls', 'numbers', 'users', 'admin'] as const;

/** Meta's limit of connected business-initiated calls per business/user pair and 24 h, by the date it began. META-SIP.md §9. */
export const pairLimits: Readonly<Record<NumberConfig['pairLimit'], number>> = Object.freeze({ launch: 5, october2025: 10, december2025: 100 });

/** Meta's limits of calls in a row that a user did not take, by the environment of the number. META-SIP.md §9. */
export const unansweredLimits: Readonly<Record<NumberConfig['environment'], { readonly asks: number; readonly revokes: number }>> = Object.freeze({
  production: { asks: 2, revokes: 4 }, sandbox: { asks: 5, revokes: 10 },
});

/** Meta's limits of requests for permission to call one user, by the environment of the number; both are set back by a connected call. META-SIP.md §9. */
export const requestLimits: Readonly<Record<NumberConfig['environment'], { readonly day: number; readonly week: number }>> = Object.freeze({
  production: { day: 1, week: 2 }, sandbox: { day: 25, week: 100 },
});

/** Answers of a person that may end a hunt: busy (486, 600), declined (603). */
export const stopOns = ['busy', 'declined'] as const;

export type StopOn = (typeof stopOns)[number];

/** Signs, seen on the peer leg after hand-over, that the peer went out to the PSTN. */
export const leakSigns = ['forwarded181', 'divertedToNumber', 'contactAtGateway', 'q850Provisional', 'isupBody', 'carrierMedia', 'connectedNumber'] as const;

export type LeakSign = (typeof leakSigns)[number];

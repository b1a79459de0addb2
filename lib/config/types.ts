/**
 * The configuration as the rest of the program sees it: defaults filled in, secrets read, frozen.
 * Keys are those of the YAML file (see config/default.yaml); times are in seconds unless named otherwise.
 */
export interface Config {
  /** FQDN registered with Meta: certificate SAN, From host and Contact host. */
  readonly domain: string;
  readonly sip: SipConfig;
  readonly meta: MetaConfig;
  readonly media: MediaConfig;
  /** Business numbers in E.164 with '+'. */
  readonly numbers: Readonly<Record<string, NumberConfig>>;
  readonly peers: Readonly<Record<string, PeerConfig>>;
  readonly routes: readonly RouteConfig[];
  readonly policy: PolicyConfig;
  readonly http: HttpConfig;
  readonly api: { readonly tokens: readonly ApiToken[] };
  readonly cdr: { readonly file: string | null; /** Write users' numbers in full. */ readonly fullNumbers: boolean };
  /** memory or file:PATH. */
  readonly state: string;
  readonly log: { readonly level: LogLevel; /** Show users' numbers in full. */ readonly fullNumbers: boolean };
  readonly limits: LimitsConfig;
  /** SHA-256 (hex) of the canonical configuration, secrets left out. */
  readonly hash: string;
}

export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
export type Keying = 'sdes' | 'dtls';
/** What peers and Meta are reached by, from the one that proves least of who sends to the one that proves most. */
export const transports = ['udp', 'tcp', 'tls'] as const;

export type Transport = (typeof transports)[number];
export type DigestAlgorithm = 'MD5' | 'SHA-256';

export interface HttpConfig {
  /** address:port of the pages; null: none. */
  readonly listen: string | null;
  /** Host names by which they are reached, besides localhost and addresses. */
  readonly hosts: readonly string[];
}

/** What a token is good for: read: every page; the others are for the API. */
export const apiScopes = ['read', 'calls', 'numbers', 'users'] as const;

export interface ApiToken {
  readonly name: string;
  readonly token: string;
  readonly scopes: readonly (typeof apiScopes)[number][];
}

export interface SipConfig {
  readonly server: 'embedded' | 'drachtio';
  /** transport:host:port, embedded only. */
  readonly listen: readonly string[];
  /** Public host in Via and Contact when behind NAT; null: domain towards Meta, the socket's address towards peers. */
  readonly advertise: { readonly meta: string | null; readonly peers: string | null };
  readonly tls: { readonly cert: string | null; readonly key: string | null };
  readonly drachtio: readonly { readonly host: string; readonly port: number; readonly secret: string }[];
  /** Digest algorithms offered to peers and phones that must show who they are, in this order. */
  readonly challenge: readonly DigestAlgorithm[];
  /** The embedded server runs in a thread of its own. */
  readonly thread: boolean;
  /** Parts of User-Agent values that get no answer, embedded only; 'default' alone: the known scanners. */
  readonly scanners: readonly string[];
  readonly limits: SipLimitsConfig;
}

/** What those may have of the embedded server whom neither their address nor credentials make known, all of them together unless it says otherwise. */
export interface StrangerLimitsConfig {
  readonly messageBytes: number;
  /** From one address, an IPv6 /64 counting as one. */
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly allMessagesPerSecond: number;
  readonly allBytesPerSecond: number;
  readonly requestsPerSecond: number;
  readonly transactions: number;
  readonly connections: number;
  readonly connectionsPerAddress: number;
  readonly connectionsPerSecond: number;
  readonly handshakes: number;
  /** Seconds. */
  readonly idleTimeout: number;
}

/** Limits of the embedded SIP server; times in seconds. */
export interface SipLimitsConfig {
  readonly messageBytes: number;
  readonly headers: number;
  /** From one address; more are dropped. */
  readonly messagesPerSecond: number;
  readonly connections: number;
  readonly connectionsPerAddress: number;
  /** TLS handshakes in progress. */
  readonly handshakes: number;
  readonly handshakeTimeout: number;
  readonly connectTimeout: number;
  readonly firstMessageTimeout: number;
  readonly messageTimeout: number;
  readonly idleTimeout: number;
  readonly unsentBytes: number;
  readonly transactions: number;
  readonly dialogs: number;
  readonly strangers: StrangerLimitsConfig;
}

export interface MetaConfig {
  readonly host: string;
  readonly port: number;
  /** Path of an extra CA file (PEM), for a private stand-in. */
  readonly ca: string | null;
  /** Connect here instead of resolving host. */
  readonly address: string | null;
  /** CIDRs; 'default' in the file is replaced by Meta's published prefixes here. */
  readonly sources: readonly string[];
  /** Digest algorithms offered to Meta, in order; empty: the source address alone is trusted. */
  readonly challenge: readonly DigestAlgorithm[];
  /** Seconds a WhatsApp user may ring in a business-initiated call. */
  readonly ringTimeout: number;
  /** Seconds without a packet from Meta's side after which the call is ended; 0: never. */
  readonly mediaTimeout: number;
}

/** none: plain RTP; sdes: SRTP keyed with SDES, nothing else; optional: SRTP where the other side takes or offers a key (RFC 8643). */
export type PeerSrtp = 'none' | 'sdes' | 'optional';

export interface MediaConfig {
  readonly engine: 'rtpengine' | 'freeswitch';
  readonly rtpengine: RtpengineConfig;
  readonly freeswitch: readonly { readonly host: string; readonly port: number; readonly secret: string }[];
  readonly webrtc: 'rtpengine' | 'nudge';
  /** Sound file for hold and queues; null: the shipped one. */
  readonly music: string | null;
}

export interface RtpengineConfig {
  /** Start our own rtpengine (true) or use those in `control`. */
  readonly spawn: boolean;
  /** Path or name of the program when spawned. */
  readonly program: string;
  /** ng control sockets host:port, when not spawned. */
  readonly control: readonly string[];
  /** Address media is on, optionally local!public; one for both sides, or one each. */
  readonly interface: { readonly meta: string; readonly peers: string };
  /** First and last UDP port, inclusive. */
  readonly ports: { readonly first: number; readonly last: number };
  /** Address of our own media anchor, as rtpengine reaches it. */
  readonly anchor: string;
}

export interface NumberConfig {
  /** Meta's sip_user_password. */
  readonly password: string;
  readonly keying: Keying;
  /** Which of Meta's limits of calls that are not taken hold: see unansweredLimits. */
  readonly environment: 'production' | 'sandbox';
  readonly maxConcurrentCalls: number;
  /** PCMA/PCMU enabled on the number at Meta. */
  readonly g711: boolean;
  /** Which of Meta's programmes limits connected calls per user and 24 h: see pairLimits. */
  readonly pairLimit: PairLimit;
  /** New business-initiated calls per 24 h. */
  readonly newCallsPerDay: number;
  /** Business-initiated calls per second; 0: no limit. */
  readonly callsPerSecond: number;
}

/** Meta's limit of connected business-initiated calls per business/user pair and 24 h, by the date it began. META-SIP.md §9. */
export type PairLimit = 'launch' | 'october2025' | 'december2025';

export const pairLimits: Readonly<Record<PairLimit, number>> = Object.freeze({ launch: 5, october2025: 10, december2025: 100 });

/** Meta's limits of calls in a row that a user did not take, by the environment of the number. META-SIP.md §9. */
export const unansweredLimits: Readonly<Record<NumberConfig['environment'], { readonly asks: number; readonly revokes: number }>> = Object.freeze({
  production: { asks: 2, revokes: 4 }, sandbox: { asks: 5, revokes: 10 },
});

export interface PeerConfig {
  /** sip:host:port;transport=… where calls to this peer are sent; of a peer whose users register, a name that resolves nowhere. */
  readonly uri: string;
  /** Further names and addresses that mean this peer in URIs. */
  readonly hosts: readonly string[];
  /** Its users register with us and are called where they registered from. */
  readonly register: boolean;
  /** Who may register, by user; they are the peer's on-net users. */
  readonly accounts: Readonly<Record<string, AccountConfig>>;
  readonly registration: RegistrationConfig;
  readonly health: HealthConfig;
  /** CIDRs this peer calls from. */
  readonly sources: readonly string[];
  /** Transports on which `sources` make it known. */
  readonly transports: readonly Transport[];
  /** Digest credentials this peer presents when it calls in. */
  readonly digest: { readonly username: string; readonly password: string } | null;
  /** The operator's statement; anything but 'none' makes the peer unroutable. */
  readonly pstn: string;
  /** On-net users: whole-string patterns of bounded length, or literals. */
  readonly users: readonly string[];
  /** The operator's statement that these are on-net extensions, such as 9000-9999. */
  readonly extensions: readonly string[];
  /** Credentials for when this peer challenges us. */
  readonly auth: { readonly username: string | null; readonly password: string | null };
  readonly maxConcurrentCalls: number;
  readonly codecs: readonly PeerCodec[];
  readonly srtp: PeerSrtp;
  readonly dtmf: 'rfc4733' | 'info';
  /** It is behind NAT: its plain media may come from elsewhere than its description says. Users who register may be, always. */
  readonly nat: boolean;
  /** Seconds without a packet from it, while it says that it sends and listens, after which the call is ended; 0: never. */
  readonly mediaTimeout: number;
  /** Networks (CIDR) that its media may be in; empty: any. */
  readonly media: readonly string[];
  /** Business numbers this peer may use for business-initiated calls; the first is meant where the caller id names none. */
  readonly mayCall: readonly string[];
  /** Telephone numbers of its own that may stand as caller id of its calls and name no business number. */
  readonly callerIds: readonly string[];
  /** Other peers whose users this peer may transfer or redirect a call to; its own users always. */
  readonly mayTransferTo: readonly string[];
  /** ISO 3166 country for national numbers this peer dials; null: only international forms. */
  readonly country: string | null;
  /** Calls per second this peer may start; 0: no limit. */
  readonly callsPerSecond: number;
  /** Seconds of the session timer we ask this peer for; 0: none, though one it asks for is kept. */
  readonly sessionExpires: number;
  /** Sound file for hold in calls this peer places; 'none': nothing of ours; null: media.music. */
  readonly music: string | null;
  /** Business-initiated: ring with 183 and a tone of ours (true), or with 180. */
  readonly earlyMedia: boolean;
}

export interface AccountConfig {
  readonly password: string;
  /** Calls at once that it may place; null: as many as its peer. */
  readonly maxConcurrentCalls: number | null;
  /** New calls that it may place in 24 h; null: as many as the number. */
  readonly callsPerDay: number | null;
}

export interface RegistrationConfig {
  /** Seconds; a shorter wish is refused with 423. */
  readonly minExpires: number;
  /** Seconds; a longer wish is shortened. */
  readonly maxExpires: number;
  /** Devices of one user at once; the one silent for longest gives way to a new one. */
  readonly maxContacts: number;
  /** Seconds between OPTIONS to a UDP phone behind NAT; 0: none. */
  readonly keepAlive: number;
}

/** How it is found out that a peer is not there, and that it is back. */
export interface HealthConfig {
  /** Seconds between OPTIONS; 0: none, and the peer is never out. */
  readonly interval: number;
  /** Failures in a row, of OPTIONS or calls, after which it is out: it gets only calls that nobody else takes. */
  readonly outAfter: number;
  /** Answers in a row after which it gets calls as before. */
  readonly backAfter: number;
}

export type PeerCodec = 'opus' | 'PCMU' | 'PCMA' | 'G722';

/** Answers of a person that may end a hunt: busy (486, 600), declined (603). */
export const stopOns = ['busy', 'declined'] as const;

export type StopOn = (typeof stopOns)[number];

export interface RouteConfig {
  readonly name: string;
  readonly number: string;
  /** Pattern for the call-button or deep-link payload; null: any call. */
  readonly payload: string | null;
  readonly to: readonly { readonly peer: string; readonly user: string }[];
  readonly strategy: 'failover' | 'ring-all';
  /** Answers of a person after which no further target is tried. */
  readonly stopOn: readonly StopOn[];
  /** Seconds each target may ring. */
  readonly ringTimeout: number;
  /** Answer Meta at once and play music while the targets ring. */
  readonly answerFirst: boolean;
  /** Answer Meta when a target that rings sends media of its own, so that the user hears it. */
  readonly answerOnEarlyMedia: boolean;
  /** Sound file for hold and queue; 'none': nothing of ours; null: media.music. */
  readonly music: string | null;
  /** What the user hears during a transfer. */
  readonly transferSound: 'music' | 'ringback';
  /** Sound file that the user hears when every peer of the route is out; null: the call is refused with 480. */
  readonly downMessage: string | null;
}

export interface PolicyConfig {
  /** Countries (ISO 3166) whose business numbers may not place calls. */
  readonly businessInitiatedBlocked: readonly string[];
  /** Host names or CIDRs known as carriers: never a target. */
  readonly carriers: readonly string[];
  /** Path of the audit log; null: none. */
  readonly audit: string | null;
  /** Judge live calls again when the configuration is reloaded. */
  readonly recheckOnReload: boolean;
  /** Per sign of a PSTN leak: end the call, or only report it. Signs left out keep their default. */
  readonly leaks: Readonly<Partial<Record<LeakSign, 'enforce' | 'report'>>>;
}

/** Signs, seen on the peer leg after hand-over, that the peer went out to the PSTN. */
export const leakSigns = ['forwarded181', 'divertedToNumber', 'contactAtGateway', 'q850Provisional', 'isupBody', 'carrierMedia', 'connectedNumber'] as const;

export type LeakSign = (typeof leakSigns)[number];

export interface LimitsConfig {
  /** Calls in all; over it new ones get 503. */
  readonly maxCalls: number;
  /** Seconds that a drain waits for calls to end by themselves. */
  readonly drain: number;
  readonly ban: BanConfig;
}

/** Silence for those who guess passwords or knock where nobody knows them. */
export interface BanConfig {
  /** Faults in a row that lead to a ban; 0: nobody is ever banned. */
  readonly after: number;
  /** Seconds of the first ban; each further one is twice as long. */
  readonly first: number;
  /** Seconds of the longest. */
  readonly longest: number;
}

import type { SchemaObj } from 'convict';
import * as is from './checks.js';
import type { Check } from './checks.js';
import { apiScopes, leakSigns, stopOns } from './types.js';

/**
 * The schema of the file, in convict's form (doc, format, default) and with what convict lacks:
 * lists, tables of named entries, secrets by key and keys that must be there.
 */
export interface Leaf extends SchemaObj<unknown> {
  readonly check: Check;
  /** Never shown in an error, left out of the hash. */
  readonly secret?: boolean;
  readonly required?: boolean;
  /** The value is a list: `check` judges each item, or each item is a mapping of `children`. */
  readonly list?: boolean;
  /** The value is a table: each key is judged by this and each entry is a mapping of `children`, or a value of `check`. */
  readonly keys?: Check;
  readonly children?: Group;
  /** A single string is good for this list too (sources: default). */
  readonly word?: string;
  /** The value is null or a mapping of `children`. */
  readonly optional?: boolean;
}

export interface Group { readonly [key: string]: Group | Leaf }

export function isLeaf(node: Group | Leaf): node is Leaf {
  return 'check' in node && typeof node.check === 'function';
}

const passes: Check = () => null;

function leaf(doc: string, check: Check, fallback: unknown, extra: Partial<Leaf> = {}): Leaf {
  return { doc, check, default: fallback, format: '*', ...extra };
}

function required(doc: string, check: Check, extra: Partial<Leaf> = {}): Leaf {
  return leaf(doc, check, null, { required: true, ...extra });
}

function secret(doc: string, extra: Partial<Leaf> = {}): Leaf {
  return leaf(doc, is.nonEmpty, null, { secret: true, required: true, sensitive: true, ...extra });
}

function listOf(doc: string, check: Check, fallback: readonly string[] = [], extra: Partial<Leaf> = {}): Leaf {
  return leaf(doc, check, fallback, { list: true, format: Array, ...extra });
}

function rowsOf(doc: string, children: Group, extra: Partial<Leaf> = {}): Leaf {
  return leaf(doc, passes, [], { list: true, format: Array, children, ...extra });
}

function tableOf(doc: string, keys: Check, children: Group, extra: Partial<Leaf> = {}): Leaf {
  return leaf(doc, passes, {}, { keys, format: Object, children, ...extra });
}

const server: Group = {
  host: leaf('Name or address.', is.host, '127.0.0.1'),
  port: leaf('TCP port.', is.port, 9022),
  secret: secret('Password of its control socket.'),
};

/** What anybody may take from the embedded server; its own defaults are the same (lib/sipserver). */
const sipLimits: Group = {
  messageBytes: leaf('Bytes of one message.', is.integer(2000, 1_000_000), 65_535),
  headers: leaf('Header lines in one message.', is.integer(40, 10_000), 256),
  messagesPerSecond: leaf('Messages a second from one address; more are dropped.', is.integer(1, 1_000_000), 5000),
  connections: leaf('Accepted TCP and TLS connections.', is.integer(1, 100_000), 4000),
  connectionsPerAddress: leaf('Accepted connections from one address.', is.integer(1, 100_000), 600),
  handshakes: leaf('TLS handshakes in progress.', is.integer(1, 100_000), 600),
  handshakeTimeout: leaf('Seconds a TLS handshake may take.', is.integer(1, 600), 10),
  connectTimeout: leaf('Seconds until a connection of ours must be up.', is.integer(1, 600), 10),
  firstMessageTimeout: leaf('Seconds until an accepted connection must have brought a message.', is.integer(1, 3600), 30),
  messageTimeout: leaf('Seconds a message may take to arrive whole.', is.integer(1, 3600), 15),
  idleTimeout: leaf('Seconds without traffic after which a connection is closed.', is.integer(10, 86_400), 3600),
  unsentBytes: leaf('Bytes that wait for a peer that does not read; then its connection is closed.', is.integer(100_000, 100_000_000), 4_000_000),
  transactions: leaf('Transactions alive; over it requests get 503.', is.integer(10, 1_000_000), 60_000),
  dialogs: leaf('Dialogs alive; over it calls get 503.', is.integer(2, 1_000_000), 50_000),
  strangers: {
    messageBytes: leaf('Bytes of one message.', is.integer(1000, 65_535), 8192),
    messagesPerSecond: leaf('Messages a second from one address.', is.integer(1, 100_000), 200),
    bytesPerSecond: leaf('Bytes a second from one address; a packet counts as 256 at least.', is.integer(1000, 100_000_000), 400_000),
    allMessagesPerSecond: leaf('Messages a second from all of them.', is.integer(1, 100_000), 1000),
    allBytesPerSecond: leaf('Bytes a second from all of them.', is.integer(1000, 1_000_000_000), 2_000_000),
    requestsPerSecond: leaf('INVITEs and REGISTERs a second that are looked at, from all of them.', is.integer(1, 100_000), 200),
    transactions: leaf('Such requests waiting for their answer.', is.integer(1, 100_000), 500),
    connections: leaf('Accepted connections, never more than half of those of all; registered phones count here.', is.integer(1, 100_000), 2000),
    connectionsPerAddress: leaf('Accepted connections from one address that have shown no credentials.', is.integer(1, 100_000), 100),
    connectionsPerSecond: leaf('Connections a second that are taken in, a fifth of it from one address.', is.integer(1, 100_000), 100),
    handshakes: leaf('TLS handshakes in progress.', is.integer(1, 100_000), 100),
    idleTimeout: leaf('Seconds after which a connection that has shown no credentials is closed.', is.integer(1, 3600), 60),
  },
};

const credentials: Group = {
  username: required('User name.', is.nonEmpty),
  password: secret('Password.'),
};

/** Each entry of `numbers`. */
export const numberSchema: Group = {
  password: secret("Meta's sip_user_password of this number."),
  keying: leaf('SRTP keys by sdes or dtls, as set on the number at Meta.', is.oneOf('sdes', 'dtls'), 'sdes'),
  environment: leaf('production or sandbox (a test number of Meta): how many calls in a row may stay unanswered before Meta asks the user, and takes the permission back.', is.oneOf('production', 'sandbox'), 'production'),
  // META-SIP.md §9: 1000 concurrent calls per number.
  maxConcurrentCalls: leaf('Calls at once.', is.integer(1, 100_000), 1000),
  g711: leaf('PCMA and PCMU are enabled on the number at Meta.', is.bool, false),
  pairLimit: leaf('Connected calls per user and day: launch 5, october2025 10, december2025 100.', is.oneOf('launch', 'october2025', 'december2025'), 'december2025'),
  // META-SIP.md §9: 10 000 new business-initiated calls per number and 24 h.
  newCallsPerDay: leaf('New business-initiated calls in 24 h.', is.integer(1, 10_000_000), 10_000),
  callsPerSecond: leaf('Business-initiated calls per second; 0: no limit.', is.integer(0, 10_000), 0),
};

/** Each entry of `peers`. */
export const peerSchema: Group = {
  uri: leaf('Where calls to this peer are sent; required unless register is true.', is.orNull(is.peerUri), null),
  hosts: listOf('Further names and addresses that mean this peer in URIs, such as the target of a transfer.', is.host),
  register: leaf('Its users register with us (true), each with an account below.', is.bool, false),
  accounts: tableOf('Who may register, by user. They are the on-net users of this peer.', is.account, {
    password: secret('Password.'),
    maxConcurrentCalls: leaf('Calls at once that it may place; null: as many as its peer.', is.orNull(is.integer(0, 100_000)), null),
    callsPerDay: leaf('New calls that it may place in 24 h; null: as many as the number.', is.orNull(is.integer(0, 10_000_000)), null),
  }),
  registration: {
    minExpires: leaf('Seconds; a shorter registration is refused with 423.', is.integer(10, 3600), 60),
    maxExpires: leaf('Seconds; a longer registration is shortened.', is.integer(60, 86_400), 3600),
    maxContacts: leaf('Devices of one user at once.', is.integer(1, 20), 5),
    keepAlive: leaf('Seconds between OPTIONS to UDP phones behind NAT; 0: none.', is.integer(0, 600), 25),
  },
  health: {
    interval: leaf('Seconds between OPTIONS to this peer; 0: none, and it is never out.', is.integer(0, 3600), 30),
    outAfter: leaf('Failures in a row after which it is out: it gets only calls that nobody else takes.', is.integer(1, 100), 3),
    backAfter: leaf('Answers in a row after which it gets calls as before.', is.integer(1, 100), 1),
  },
  sources: listOf('Networks this peer calls from.', is.cidr),
  transports: listOf("Transports on which its sources make it known; default: that of its uri, and those that prove more (udp, tcp, tls in this order).", is.oneOf('udp', 'tcp', 'tls'), ['default'], { word: 'default', min: 1 }),
  digest: leaf('Credentials this peer must show when it calls in; null: its address is enough.', passes, null, { optional: true, children: credentials }),
  pstn: leaf("The operator's statement that this peer has no way to the PSTN: none. Anything else makes it unroutable.", is.nonEmpty, 'unknown'),
  users: listOf('On-net users: patterns of bounded length matched whole, or literals.', is.onNetUser),
  extensions: listOf('Ranges of extensions that you state to be on-net and never dialled out, though a pattern of them could match a telephone number.', is.extensionRange),
  auth: {
    username: leaf('User name for when this peer challenges us.', is.orNull(is.nonEmpty), null),
    password: leaf('Its password.', is.orNull(is.nonEmpty), null, { secret: true, sensitive: true }),
  },
  maxConcurrentCalls: leaf('Calls at once.', is.integer(1, 100_000), 100),
  codecs: listOf('Codecs in order of preference.', is.oneOf('opus', 'PCMU', 'PCMA', 'G722'), ['PCMU', 'PCMA'], { min: 1 }),
  srtp: leaf('none, sdes or optional (SRTP where the peer has a key, RFC 8643).', is.oneOf('none', 'sdes', 'optional'), 'none'),
  dtmf: leaf('rfc4733 or info.', is.oneOf('rfc4733', 'info'), 'rfc4733'),
  nat: leaf('It is behind NAT: its plain media may come from elsewhere than its SDP says, by the address that its SIP comes from. With register always so.', is.bool, false),
  media: listOf('Networks that its media may be in; none: any.', is.cidr),
  mayCall: listOf('Business numbers this peer may call from.', is.e164),
  mayTransferTo: listOf('Other peers whose users it may transfer or redirect a call to.', is.name),
  country: leaf('Country of national numbers it dials; null: international forms only.', is.orNull(is.country), null),
  callsPerSecond: leaf('Calls per second it may start; 0: no limit.', is.integer(0, 10_000), 0),
  // RFC 4028 §4: 1800 s is recommended; less than 90 s is no interval.
  sessionExpires: leaf('Seconds of the session timer we ask it for; 0: none.', is.orZero(is.integer(90, 86_400)), 1800),
  music: leaf('Sound file for hold in calls it places; none: nothing of ours; null: media.music.', is.orNull(is.nonEmpty), null),
  earlyMedia: leaf('Ring it with 183 and a tone (true) or with 180 (false).', is.bool, false),
};

/** Each entry of `routes`. */
export const routeSchema: Group = {
  name: required('Name in logs and CDRs.', is.name),
  number: required('Business number it is for.', is.e164),
  payload: leaf('Only for calls whose button or link payload matches this pattern; null: any call.', is.orNull(is.pattern), null),
  to: rowsOf('Targets, in order.', { peer: required('Name of a peer.', is.name), user: required('User there.', is.sipUser) }, { required: true, min: 1 }),
  strategy: leaf('failover or ring-all.', is.oneOf('failover', 'ring-all'), 'failover'),
  stopOn: listOf("Answers of a person that end the hunt: busy, declined; []: none does.", is.oneOf(...stopOns), ['declined']),
  ringTimeout: leaf('Seconds each target may ring.', is.integer(1, 600), 45),
  answerFirst: leaf('Answer Meta at once and play music while the targets ring.', is.bool, false),
  answerOnEarlyMedia: leaf('Answer Meta when a target that rings sends media of its own, so that the user hears it.', is.bool, false),
  music: leaf('Sound file for hold and queue; none: nothing of ours; null: media.music.', is.orNull(is.nonEmpty), null),
  transferSound: leaf('What the user hears during a transfer: music or ringback.', is.oneOf('music', 'ringback'), 'music'),
  downMessage: leaf('Sound file played to the user when every peer of the route is out; null: 480.', is.orNull(is.nonEmpty), null),
};

/** The whole file. */
export const schema: Group = {
  domain: required('FQDN registered with Meta: certificate SAN, From host and Contact.', is.fqdn),
  sip: {
    server: leaf('embedded or drachtio.', is.oneOf('embedded', 'drachtio'), 'embedded'),
    listen: listOf('Sockets of the embedded server.', is.listenAddress, ['tls:0.0.0.0:5061', 'udp:0.0.0.0:5060', 'tcp:0.0.0.0:5060'], { min: 1 }),
    advertise: {
      meta: leaf('Public host[:port] towards Meta; null: domain.', is.orNull(is.publicHost), null),
      peers: leaf("Public host[:port] towards peers; null: the socket's address.", is.orNull(is.publicHost), null),
    },
    tls: {
      cert: leaf('PEM file of the certificate chain.', is.orNull(is.nonEmpty), null),
      key: leaf('PEM file of its key.', is.orNull(is.nonEmpty), null),
    },
    drachtio: rowsOf('drachtio-servers.', server),
    // RFC 8760 §2.4 lets a server offer several; phones before it (libre 1) give up at a second challenge.
    challenge: listOf('Digest algorithms offered to peers and phones, in this order.', is.oneOf('MD5', 'SHA-256'), ['MD5'], { min: 1 }),
    thread: leaf('Run the embedded server in a thread of its own (true) or in that of the calls.', is.bool, false),
    scanners: listOf('Parts of User-Agent values that get no answer; default: the known scanners.', is.agentPart, ['default'], { word: 'default' }),
    limits: sipLimits,
  },
  meta: {
    host: leaf("Meta's host.", is.host, 'wa.meta.vc'),
    port: leaf("Meta's port.", is.port, 5061),
    ca: leaf('Extra CA file (PEM), for a private stand-in.', is.orNull(is.nonEmpty), null),
    address: leaf('Connect here instead of resolving host.', is.orNull(is.address), null),
    sources: listOf("default (Meta's published prefixes) or a list of networks.", is.cidr, ['default'], { word: 'default', min: 1 }),
    challenge: listOf('Digest algorithms offered to Meta, in order; []: trust the source address alone.', is.oneOf('MD5', 'SHA-256'), ['MD5', 'SHA-256']),
    // META-SIP.md §6.2: the WhatsApp client gives up after 30 s without media mid-call; a dead client is noticed as soon.
    ringTimeout: leaf('Seconds a WhatsApp user may ring in a business-initiated call.', is.integer(5, 600), 90),
    mediaTimeout: leaf("Seconds without a packet from Meta's side before the call is ended; 0: never.", is.integer(0, 3600), 30),
  },
  media: {
    engine: leaf('rtpengine or freeswitch.', is.oneOf('rtpengine', 'freeswitch'), 'rtpengine'),
    rtpengine: {
      spawn: leaf('Start our own (true) or use those in control.', is.bool, true),
      program: leaf('Program to start.', is.nonEmpty, 'rtpengine'),
      control: listOf('ng control sockets, when not started by us.', is.remoteHostPort),
      interface: {
        meta: leaf('Address of media towards Meta, or local!public.', is.mediaInterface, '127.0.0.1'),
        peers: leaf('Address of media towards peers, or local!public.', is.mediaInterface, '127.0.0.1'),
      },
      ports: leaf('UDP ports of media.', is.portRange, '40000-49999'),
      anchor: leaf('Address of our own media anchor, as rtpengine reaches it.', is.address, '127.0.0.1'),
    },
    freeswitch: rowsOf('FreeSWITCH event sockets.', { ...server, port: leaf('TCP port.', is.port, 8021) }),
    webrtc: leaf('How a dtls number is met with engine freeswitch: rtpengine in front, or nudge.', is.oneOf('rtpengine', 'nudge'), 'rtpengine'),
    music: leaf('Sound file for hold and queues; null: the shipped one.', is.orNull(is.nonEmpty), null),
  },
  numbers: tableOf('Business numbers.', is.e164, numberSchema, { required: true, min: 1 }),
  peers: tableOf('SIP systems of the business.', is.name, peerSchema),
  routes: rowsOf('Where calls go, first match first.', routeSchema),
  policy: {
    // META-SIP.md §2.1: countries whose business numbers may not place calls.
    businessInitiatedBlocked: listOf('Countries whose business numbers may not place calls.', is.country, ['US', 'CA', 'EG', 'VN', 'NG']),
    carriers: listOf('Hosts and networks known as carriers: never a target, never a source of media.', is.carrier),
    audit: leaf('File of the audit log; null: none.', is.orNull(is.nonEmpty), null),
    recheckOnReload: leaf('Judge live calls again when the configuration is reloaded.', is.bool, true),
    leaks: leaf('Per sign of a leak: enforce or report.', is.oneOf('enforce', 'report'), {}, { format: Object, keys: is.oneOf(...leakSigns) }),
  },
  http: {
    listen: leaf('address:port of health, metrics and the pages; null: none. Beyond loopback it needs api.tokens.', is.orNull(is.hostPort), '127.0.0.1:8080'),
    hosts: listOf('Host names by which the pages are reached, besides localhost and addresses.', is.host),
  },
  api: {
    tokens: rowsOf('Who may read the pages beyond loopback, each with a token of its own.', {
      name: required('Who has it.', is.name),
      token: secret('The token.', { check: is.bearerToken }),
      scopes: listOf('What it is good for.', is.oneOf(...apiScopes), ['read'], { min: 1 }),
    }),
  },
  cdr: {
    file: leaf('File of the call records, one JSON line each; null: none.', is.orNull(is.nonEmpty), './cdr.jsonl'),
    fullNumbers: leaf("Write users' numbers in full.", is.bool, false),
  },
  state: leaf('Where counts outlive the process: memory (they do not) or file:PATH.', is.stateStore, 'memory'),
  log: {
    level: leaf('fatal, error, warn, info, debug, trace or silent.', is.oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'), 'info'),
    fullNumbers: leaf("Show users' numbers in full.", is.bool, false),
  },
  limits: {
    maxCalls: leaf('Calls in all; over it new ones get 503.', is.integer(1, 1_000_000), 2000),
    drain: leaf('Seconds a drain waits for calls to end.', is.integer(0, 86_400), 30),
    ban: {
      after: leaf('Wrong passwords, or unknown callers over TCP and TLS, in a row that lead to a ban; 0: no bans.', is.integer(0, 1000), 10),
      first: leaf('Seconds of the first ban; each further one is twice as long.', is.integer(1, 86_400), 60),
      longest: leaf('Seconds of the longest ban.', is.integer(1, 2_592_000), 86_400),
    },
  },
};

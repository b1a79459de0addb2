// What a peer may take from us, and how often we had to say no.

/** Limits of the server. Times in milliseconds. */
export interface SipLimits {
  messageBytes: number;            // one message, headers and body
  headers: number;                 // header lines in one message
  connections: number;             // accepted connections in all
  connectionsPerAddress: number;   // accepted connections from one IP address
  handshakes: number;              // TLS handshakes of accepted connections in progress
  handshakeTime: number;           // a TLS handshake must be done by then, and the opening of a WebSocket within the same time after it
  connectTime: number;             // a connection of ours must be up by then
  firstMessageTime: number;        // an accepted connection must have brought one whole message by then
  messageTime: number;             // a message that has begun to arrive must be whole by then
  idleTime: number;                // a connection without traffic for so long is closed
  reuseTime: number;               // a connection of ours that was silent for so long is not trusted with a new request
  unsentBytes: number;             // bytes waiting in us for a peer that does not read
  messagesPerSecond: number;       // from one address; more is dropped
  addresses: number;               // source addresses remembered for the rate
  transactions: number;            // server and client transactions alive
  dialogs: number;                 // dialogs alive; a request that would begin one more is answered 503
  strangers: StrangerLimits;       // those that neither their address nor credentials make known
}

/** What all of those nobody knows may have together; `PerAddress` and the first two rates: what one address (IPv6: one /64) may. */
export interface StrangerLimits {
  messageBytes: number;            // one message of theirs
  messagesPerSecond: number;       // from one address
  bytesPerSecond: number;          // from one address; a packet counts as 256 at least
  allMessagesPerSecond: number;    // from all of them
  allBytesPerSecond: number;       // from all of them
  requestsPerSecond: number;       // INVITEs and REGISTERs that the application is asked about
  transactions: number;            // such requests waiting for their answer
  connections: number;             // accepted connections; never more than half of all places
  connectionsPerAddress: number;   // from one address
  connectionsPerSecond: number;    // taken in
  handshakes: number;              // TLS handshakes in progress
  idleTime: number;                // a connection by which nothing was proved for so long is closed, ms
}

/** Limits of which some are given. */
export type GivenLimits = Partial<Omit<SipLimits, 'strangers'>> & { strangers?: Partial<StrangerLimits> };

export const DEFAULT_LIMITS: Readonly<SipLimits> = {
  messageBytes: 65_535,
  headers: 256,
  connections: 4_000,
  connectionsPerAddress: 600,
  handshakes: 600,
  handshakeTime: 10_000,
  connectTime: 10_000,
  firstMessageTime: 30_000,
  messageTime: 15_000,
  idleTime: 3_600_000,
  reuseTime: 120_000,
  unsentBytes: 4_000_000,
  messagesPerSecond: 5_000,
  addresses: 20_000,
  transactions: 60_000,
  dialogs: 50_000,
  strangers: {
    messageBytes: 8_192,
    messagesPerSecond: 200,
    bytesPerSecond: 400_000,
    allMessagesPerSecond: 1_000,
    allBytesPerSecond: 2_000_000,
    requestsPerSecond: 200,
    transactions: 500,
    connections: 2_000,
    connectionsPerAddress: 100,
    connectionsPerSecond: 100,
    handshakes: 100,
    idleTime: 60_000,
  },
};

export function withDefaults(given: GivenLimits): SipLimits {
  return { ...DEFAULT_LIMITS, ...given, strangers: { ...DEFAULT_LIMITS.strangers, ...given.strangers } };
}

/** How often each limit (and each transport fault) was met since the start. */
export interface TransportCounters {
  received: number;
  sent: number;
  tooLarge: number;
  unframable: number;
  /** WebSockets that were not opened: no WebSocket, no subprotocol "sip", or a page of another origin. */
  refusedUpgrades: number;
  refusedConnections: number;
  refusedPerAddress: number;
  refusedHandshakes: number;
  /** Handshakes and silent connections that gave way to new ones. */
  droppedHandshakes: number;
  droppedConnections: number;
  failedHandshakes: number;
  handshakeTimeouts: number;
  firstMessageTimeouts: number;
  slowMessages: number;
  idleClosed: number;
  unsentOverflows: number;
  rateDropped: number;
  connectTimeouts: number;
  /** Datagrams of addresses that are not let in; their connections count as refused. */
  silencedAddresses: number;
  /** Messages of strangers that concern nothing of ours and got no answer, those beyond what strangers may send, and keep-alives beyond that. */
  strangersSilenced: number;
  strangersRateDropped: number;
  /** Connections and handshakes of strangers that found no place, and those that gave way. */
  strangersRefusedConnections: number;
  strangersDroppedConnections: number;
  strangersRefusedHandshakes: number;
  strangersDroppedHandshakes: number;
  /** Connections of theirs by which nothing was proved in time. */
  strangersIdleClosed: number;
  /** Callbacks that threw: always 0 unless there is a bug. */
  faults: number;
}

export function newCounters(): TransportCounters {
  return {
    received: 0, sent: 0, tooLarge: 0, unframable: 0, refusedUpgrades: 0, refusedConnections: 0, refusedPerAddress: 0, refusedHandshakes: 0,
    droppedHandshakes: 0, droppedConnections: 0, failedHandshakes: 0,
    handshakeTimeouts: 0, firstMessageTimeouts: 0, slowMessages: 0, idleClosed: 0, unsentOverflows: 0, rateDropped: 0, connectTimeouts: 0,
    silencedAddresses: 0, strangersSilenced: 0, strangersRateDropped: 0, strangersRefusedConnections: 0, strangersDroppedConnections: 0, strangersRefusedHandshakes: 0,
    strangersDroppedHandshakes: 0, strangersIdleClosed: 0, faults: 0,
  };
}

// What a peer may take from us, and how often we had to say no.

/** Limits of the server. Times in milliseconds. */
export interface SipLimits {
  messageBytes: number;            // one message, headers and body
  headers: number;                 // header lines in one message
  connections: number;             // accepted connections in all
  connectionsPerAddress: number;   // accepted connections from one IP address
  handshakes: number;              // TLS handshakes of accepted connections in progress
  handshakeTime: number;           // a TLS handshake must be done by then
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
}

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
};

/** How often each limit (and each transport fault) was met since the start. */
export interface TransportCounters {
  received: number;
  sent: number;
  tooLarge: number;
  unframable: number;
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
  /** Messages whose handling threw: always 0 unless there is a bug. */
  faults: number;
}

export function newCounters(): TransportCounters {
  return {
    received: 0, sent: 0, tooLarge: 0, unframable: 0, refusedConnections: 0, refusedPerAddress: 0, refusedHandshakes: 0, droppedHandshakes: 0, droppedConnections: 0, failedHandshakes: 0,
    handshakeTimeouts: 0, firstMessageTimeouts: 0, slowMessages: 0, idleClosed: 0, unsentOverflows: 0, rateDropped: 0, connectTimeouts: 0,
    silencedAddresses: 0, faults: 0,
  };
}

import * as is from './checks.js';
import { about, leaf, listOf, required, rowsOf, secret, type Group } from './schemaForm.js';

/** A server that is reached by a control socket. */
export const controlServer = {
  host: leaf('Name or address.', is.host, '127.0.0.1'),
  port: leaf('TCP port.', is.port, 9022),
  secret: secret('Password of its control socket.'),
} satisfies Group;

/** Each entry of `domains`. */
export const domainSchema = {
  tls: {
    cert: required('PEM file of the certificate chain, read again when it changes; a relative path is below the folder of this file.', is.nonEmpty, { file: true }),
    key: required('PEM file of its key; likewise.', is.nonEmpty, { file: true }),
  },
} satisfies Group;

/** `meta.proxy`. */
export const proxySchema = {
  uri: required('Where requests to Meta are sent: sip:HOST:PORT;transport=tls. HOST is a name of its certificate, whoever opens the connection (RFC 5922).', is.tlsUri),
  ca: required('CA file (PEM) that has issued its certificate; a relative path is below the folder of this file.', is.nonEmpty, { file: true }),
  clientCert: leaf('Certificate of ours that it is shown (PEM); likewise; null: none.', is.orNull(is.nonEmpty), null, { file: true }),
  clientKey: leaf('Its key (PEM); likewise.', is.orNull(is.nonEmpty), null, { file: true }),
} satisfies Group;

/** What anybody may take from the embedded server; its own defaults are the same (lib/sipserver). */
const sipLimits = {
  [about]: { doc: 'Embedded only. /metrics shows how often each was met.' },
  messageBytes: leaf('Bytes of one message.', is.integer(2000, 1_000_000), 65_535),
  headers: leaf('Header lines in one message.', is.integer(40, 10_000), 256),
  messagesPerSecond: leaf('Messages a second from one address; more are dropped.', is.integer(1, 1_000_000), 5000),
  connections: leaf('Accepted TCP and TLS connections, WebSockets among them.', is.integer(1, 100_000), 4000),
  connectionsPerAddress: leaf('Accepted connections from one address.', is.integer(1, 100_000), 600),
  handshakes: leaf('TLS handshakes in progress.', is.integer(1, 100_000), 600),
  handshakeTimeout: leaf('Seconds a TLS handshake may take, and from the start of a connection the opening of its WebSocket.', is.integer(1, 600), 10),
  connectTimeout: leaf('Seconds until a connection of ours must be up.', is.integer(1, 600), 10),
  firstMessageTimeout: leaf('Seconds until an accepted connection must have brought a message.', is.integer(1, 3600), 30),
  messageTimeout: leaf('Seconds a message may take to arrive whole.', is.integer(1, 3600), 15),
  idleTimeout: leaf('Seconds without traffic after which a connection is closed.', is.integer(10, 86_400), 3600),
  unsentBytes: leaf('Bytes that wait for a peer that does not read; then its connection is closed.', is.integer(100_000, 100_000_000), 4_000_000),
  transactions: leaf('Transactions alive; over it requests get 503.', is.integer(10, 1_000_000), 60_000),
  dialogs: leaf('Dialogs alive, a call of ours has two; over it calls get 503.', is.integer(2, 1_000_000), 50_000),
  strangers: {
    [about]: {
      doc: 'Strangers are those whom neither their address (meta.sources, peers.*.sources) nor a password makes known. What they have is theirs alone: whatever they '
        + 'do, Meta, peers and registered phones find their places free. Where nobody registers, and no trunk is known by a password alone, they are answered nothing. '
        + 'Where an account has shown its password within a week there is as much again of each rate, so that known phones are asked whatever others send. '
        + 'A tenth of a second\'s worth may come at once, of connections half a second\'s; where a password was shown, a whole one\'s.',
    },
    messageBytes: leaf('Bytes of one message.', is.integer(1000, 65_535), 8192),
    messagesPerSecond: leaf('Messages a second from one address (IPv6: one /64).', is.integer(1, 100_000), 200),
    bytesPerSecond: leaf('Bytes a second from one address (IPv6: one /64); a packet counts as 256 at least.', is.integer(1000, 100_000_000), 400_000),
    allMessagesPerSecond: leaf('Messages a second from all of them.', is.integer(1, 100_000), 1000),
    allBytesPerSecond: leaf('Bytes a second from all of them.', is.integer(1000, 1_000_000_000), 2_000_000),
    requestsPerSecond: leaf('INVITEs and REGISTERs a second that are looked at and asked for a password, from all of them; a fifth of it from one address.', is.integer(1, 100_000), 200),
    transactions: leaf('Such requests waiting for their answer.', is.integer(1, 100_000), 500),
    connections: leaf('Accepted connections, never more than half of those of all; registered phones count here.', is.integer(1, 100_000), 2000),
    connectionsPerAddress: leaf('Accepted connections from one address that have shown no password.', is.integer(1, 100_000), 100),
    connectionsPerSecond: leaf('Connections a second that are taken in, a fifth of it from one address.', is.integer(1, 100_000), 100),
    handshakes: leaf('TLS handshakes in progress.', is.integer(1, 100_000), 100),
    idleTimeout: leaf('Seconds after which a connection that has shown no password is closed.', is.integer(1, 3600), 60),
  },
} satisfies Group;

export const sipSchema = {
  server: leaf('embedded: the SIP server in this process; drachtio: the drachtio-servers listed below.', is.oneOf('embedded', 'drachtio'), 'embedded'),
  listen: listOf(
    'Embedded only: its sockets. Meta comes to the one with tls, peers to any; wss:HOST:PORT is for phones in a browser (RFC 7118), ws the same without TLS, for behind a proxy that has it.', is.listenAddress,
    ['tls:0.0.0.0:5061', 'udp:0.0.0.0:5060', 'tcp:0.0.0.0:5060'], { min: 1 },
  ),
  advertise: {
    [about]: { doc: 'What stands in Via and Contact, for when we are behind NAT.' },
    meta: leaf('Public host or host:port towards Meta; null: domain.', is.orNull(is.publicHost), null),
    peers: leaf("Public host or host:port towards peers; null: the socket's address.", is.orNull(is.publicHost), null),
  },
  tls: {
    [about]: { doc: 'Required with a tls or wss socket. The files are read again when they change.' },
    cert: leaf('PEM file of the certificate chain; a relative path is below the folder of this file.', is.orNull(is.nonEmpty), null, { file: true, example: '/etc/wa-b2bua/fullchain.pem' }),
    key: leaf('PEM file of its key; likewise.', is.orNull(is.nonEmpty), null, { file: true, example: '/etc/wa-b2bua/key.pem' }),
  },
  origins: listOf(
    'Embedded only: origins of the web pages that may connect by wss and ws, such as https://crm.example.net; default: pages of the host that they connect to, at any port; "*": any. '
    + 'Programs that are no browsers name none and are let in: what counts is the password.', is.origin, ['default'], { word: 'default', min: 1 },
  ),
  drachtio: rowsOf('The drachtio-servers, e.g. - { host: 127.0.0.1, port: 9022, secret: "${DRACHTIO_SECRET}" }', controlServer),
  // RFC 8760 §2.4 lets a server offer several; phones before it (libre 1) give up at a second challenge.
  challenge: listOf(
    'Digest algorithms offered to peers and phones, in this order. Use [SHA-256, MD5] where all of them know RFC 8760; older phones give up at the second challenge.',
    is.oneOf('MD5', 'SHA-256'), ['MD5'], { min: 1 },
  ),
  thread: leaf('Embedded only: run it in a thread of its own (true), which costs more in all (docs/engines/sip-server.md), or in that of the calls.', is.bool, false),
  scanners: listOf('Embedded only: parts of User-Agent values that get no answer; default: the known scanners.', is.agentPart, ['default'], { word: 'default' }),
  limits: sipLimits,
} satisfies Group;

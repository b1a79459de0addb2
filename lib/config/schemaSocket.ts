import * as is from './checks.js';
import { about, leaf, required, valuesOf, type Group } from './schemaForm.js';

/** What a peer and a tee say of their socket. */
const shared = {
  dialect: leaf('What is spoken there: twilio (Media Streams), jambonz (listen) or raw (16-bit samples).', is.oneOf('twilio', 'jambonz', 'raw'), 'twilio'),
  sampleRate: leaf('Samples a second of its audio, both ways: 8000, 16000 or 24000, with twilio 8000; null: 8000 with twilio, else 16000.', is.orNull(is.sampleRate), null),
  headers: valuesOf(
    'Header fields of the request that opens the socket, e.g. { Authorization: "Bearer ${AGENT_TOKEN}" }.', is.headerName, is.headerValue, { secret: true, sensitive: true },
  ),
  tls: {
    [about]: { doc: 'How the certificate behind wss://, or of a SIP peer over TLS, is judged, and what it is shown; changed files are taken with the next connection.' },
    verify: leaf('false: any certificate is taken, and anybody on the way can listen and speak.', is.bool, true),
    ca: leaf('CA file (PEM) that its certificate must lead to; a relative path is below the folder of this file; null: the well-known ones. Of a SIP peer: these and the well-known ones; and whoever '
      + 'calls by TLS with a certificate of this CA for the host of uri or one of hosts is this peer, from whatever address.', is.orNull(is.nonEmpty), null, { file: true }),
    clientCert: leaf('Certificate of ours that it is shown (PEM); likewise; null: none.', is.orNull(is.nonEmpty), null, { file: true }),
    clientKey: leaf('Its key (PEM); likewise.', is.orNull(is.nonEmpty), null, { file: true }),
  },
} satisfies Group;

/** Keys of a peer that is a voice agent behind a WebSocket. */
export const socketSchema = {
  websocket: leaf(
    'Instead of uri: where a voice agent takes the audio of calls, as wss://agent.example.net/call (docs/guides/agents.md). Of the keys of a SIP peer it has pstn, users, auth (HTTP Basic), mayCall, mayTransferTo, '
    + 'maxConcurrentCalls, music and health; null: a SIP peer.', is.orNull(is.socketAddress), null,
  ),
  ...shared,
} satisfies Group;

/** `routes[].tee`. */
export const teeSchema = {
  websocket: required('Where the program takes it.', is.socketAddress),
  ...shared,
} satisfies Group;

import * as is from './checks.js';
import { numberSchema, peerSchema, routeSchema } from './schemaCalls.js';
import { about, leaf, listOf, required, rowsOf, secret, tableOf, valuesOf, type Group } from './schemaForm.js';
import { controlServer, sipSchema } from './schemaSip.js';
import { apiScopes, leakSigns } from './types.js';

export { about, isLeaf, type Group, type Leaf } from './schemaForm.js';

/** The whole file: the one source of what keys there are, of config/default.yaml and of docs/reference/configuration.md (scripts/reference). */
export const schema = {
  domain: required(
    'Host name registered with Meta for your numbers. It must be in the certificate, and is the From host and the Contact of our calls.', is.fqdn, { example: 'sbc.example.net' },
  ),
  sip: sipSchema,
  meta: {
    host: leaf("Meta's host.", is.host, 'wa.meta.vc'),
    port: leaf("Meta's port.", is.port, 5061),
    ca: leaf('Extra CA file (PEM), for a private stand-in.', is.orNull(is.nonEmpty), null),
    address: leaf('Connect to this address instead of resolving host.', is.orNull(is.address), null),
    sources: listOf("Networks Meta calls from; default: Meta's published prefixes.", is.cidr, ['default'], { word: 'default', min: 1 }),
    challenge: listOf('Digest algorithms offered to Meta, in order; []: trust the source address alone.', is.oneOf('MD5', 'SHA-256'), ['MD5', 'SHA-256']),
    // META-SIP.md §6.2: the WhatsApp client gives up after 30 s without media mid-call; a dead client is noticed as soon.
    ringTimeout: leaf('Seconds a WhatsApp user may ring in a business-initiated call.', is.integer(5, 600), 90),
    mediaTimeout: leaf("Seconds without a packet from Meta's side before the call is ended; 0: never.", is.integer(0, 3600), 30),
  },
  media: {
    engine: leaf('Which media engine takes the calls: embedded (our own, nothing to install), rtpengine or freeswitch.', is.oneOf('embedded', 'rtpengine', 'freeswitch'), 'embedded'),
    interface: {
      [about]: {
        doc: 'Address of media of the embedded engine, or local!public (10.0.0.4!203.0.113.4); or one for each side: { meta: 10.0.0.4!203.0.113.4, peers: 10.0.0.4 }', shorthand: true,
      },
      meta: leaf('Address of media towards Meta, or local!public; null: that of rtpengine.interface, else 127.0.0.1.', is.orNull(is.mediaInterface), null),
      peers: leaf('Address of media towards peers, or local!public; null: that of rtpengine.interface, else 127.0.0.1.', is.orNull(is.mediaInterface), null),
    },
    ports: leaf('UDP ports of media of the embedded engine, two a leg; null: those of rtpengine.ports, else 40000-49999.', is.orNull(is.portRange), null),
    workers: leaf('Threads of the embedded engine; auto: one a core.', is.workers, 'auto'),
    rtpengine: {
      spawn: leaf('Start our own (true) or use those in control (false).', is.bool, true),
      program: leaf('Program to start.', is.nonEmpty, 'rtpengine'),
      control: listOf('ng control sockets, when not started by us, e.g. ["10.0.0.5:22222"]', is.remoteHostPort),
      interface: {
        [about]: {
          doc: 'The same of rtpengine.', shorthand: true,
        },
        meta: leaf('Address of media towards Meta, or local!public; null: that of media.interface.', is.orNull(is.mediaInterface), null),
        peers: leaf('Address of media towards peers, or local!public; null: that of media.interface.', is.orNull(is.mediaInterface), null),
      },
      ports: leaf('UDP ports of media; null: those of media.ports.', is.orNull(is.portRange), null),
      anchor: leaf('Address of our own media anchor, as rtpengine reaches it.', is.address, '127.0.0.1'),
    },
    freeswitch: rowsOf('The event sockets of FreeSWITCH, e.g. - { host: 10.0.0.6, port: 8021, secret: "${ESL_SECRET}" }', { ...controlServer, port: leaf('TCP port.', is.port, 8021) }),
    webrtc: leaf(
      "With engine freeswitch, how a dtls number is met: our own engine or rtpengine in front, or nudge (which does not verify Meta's fingerprint).",
      is.oneOf('embedded', 'rtpengine', 'nudge'), 'embedded',
    ),
    music: leaf('Sound file for hold and queues; null: the shipped one.', is.orNull(is.nonEmpty), null),
  },
  numbers: tableOf('Your business numbers, in quotes.', is.e164, numberSchema, { required: true, min: 1, example: '"+447700900001"' }),
  peers: tableOf('The SIP systems of your business.', is.name, peerSchema, { example: 'pbx' }),
  routes: rowsOf('Where calls of WhatsApp users go: the first that fits the number and the payload.', routeSchema, { example: '-' }),
  policy: {
    // META-SIP.md §2.1: countries whose business numbers may not place calls.
    businessInitiatedBlocked: listOf('Countries whose business numbers Meta lets place no calls.', is.country, ['US', 'CA', 'EG', 'VN', 'NG']),
    carriers: listOf('Hosts and networks of carriers: never a target, never a source of media.', is.carrier),
    audit: leaf('File of the audit log, a line for every verdict on a call, chained by hash; null: none.', is.orNull(is.nonEmpty), null),
    recheckOnReload: leaf('Judge live calls again when this file is reloaded.', is.bool, true),
    leaks: valuesOf(
      'Per sign that a peer went out to the PSTN: enforce (end the call) or report. Defaults: divertedToNumber, contactAtGateway, isupBody, carrierMedia and connectedNumber '
      + 'enforce; forwarded181 and q850Provisional report.', is.oneOf(...leakSigns), is.oneOf('enforce', 'report'),
    ),
  },
  http: {
    listen: leaf('address:port of health, metrics and pages; null: none. Beyond loopback every page but /health and /ready wants a token of api.tokens.', is.orNull(is.hostPort), '127.0.0.1:8080'),
    hosts: listOf('Host names by which the pages are reached, besides localhost and addresses; others are refused.', is.host),
  },
  api: {
    tokens: rowsOf('Who may read the pages; required where http.listen is beyond loopback, e.g. - { name: prometheus, token: "${METRICS_TOKEN}", scopes: [read] }', {
      name: required('Who has it.', is.name),
      token: secret('The token.', { check: is.bearerToken }),
      scopes: listOf('What it is good for: read (every page); calls, numbers, users are set aside for the API.', is.oneOf(...apiScopes), ['read'], { min: 1 }),
    }),
  },
  cdr: {
    file: leaf('File of the call records, one JSON line for every call attempt; null: none.', is.orNull(is.nonEmpty), './cdr.jsonl'),
    fullNumbers: leaf("Write users' numbers in full.", is.bool, false),
  },
  state: leaf('Where daily counts are kept: memory, or file:PATH, which outlives the process (one process a file).', is.stateStore, 'memory'),
  log: {
    level: leaf('Least level that is written.', is.oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'), 'info'),
    fullNumbers: leaf("Show users' numbers in full; else each log line has them masked (the middle hidden).", is.bool, false),
  },
  limits: {
    maxCalls: leaf('Calls in all; over it new ones get 503.', is.integer(1, 1_000_000), 2000),
    drain: leaf('Seconds a drain waits for calls to end by themselves.', is.integer(0, 86_400), 30),
    ban: {
      [about]: { doc: 'Wrong passwords, and unknown callers over TCP and TLS, are slowed, then met with silence.' },
      after: leaf('Faults in a row that lead to a ban; 0: no bans.', is.integer(0, 1000), 10),
      first: leaf('Seconds of the first ban; each further one is twice as long.', is.integer(1, 86_400), 60),
      longest: leaf('Seconds of the longest ban.', is.integer(1, 2_592_000), 86_400),
    },
  },
} satisfies Group;

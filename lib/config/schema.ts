import * as is from './checks.js';
import { numberSchema, peerSchema, routeSchema } from './schemaCalls.js';
import { apiSchema, eventsSchema } from './schemaApi.js';
import { cdrSchema } from './schemaCdr.js';
import { recordingSchema, siprecSchema } from './schemaRecording.js';
import { hepSchema } from './schemaHep.js';
import { nodeSchema } from './schemaNode.js';
import { graphSchema, hoursSchema, webhookSchema } from './schemaGraph.js';
import { about, leaf, listOf, optional, required, rowsOf, tableOf, valuesOf, type Group } from './schemaForm.js';
import { controlServer, domainSchema, proxySchema, sipSchema } from './schemaSip.js';
import { tracesSchema } from './schemaTraces.js';
import { menuSchema, queueSchema, voicemailSchema } from './schemaVoice.js';
import { leakSigns } from './types.js';

export { about, isLeaf, type Group, type Leaf } from './schemaForm.js';

/** The whole file: the one source of what keys there are, of config/default.yaml and of docs/reference/configuration.md (scripts/reference). */
export const schema = {
  domain: required(
    'Host name registered with Meta for your numbers. It must be in the certificate, and is the From host and the Contact of our calls.', is.fqdn, { example: 'sbc.example.net' },
  ),
  domains: tableOf(
    'Embedded only. Further host names registered with Meta, or called by peers over TLS, each with a certificate of its own: on the same sockets, chosen by the name that is asked for (SNI), '
    + 'e.g. { sbc.example.org: { tls: { cert: FILE, key: FILE } } }', is.fqdn, domainSchema,
  ),
  sip: sipSchema,
  meta: {
    host: leaf("Meta's host.", is.host, 'wa.meta.vc'),
    port: leaf("Meta's port.", is.port, 5061),
    ca: leaf('Extra CA file (PEM), for a private stand-in; a relative path is below the folder of this file.', is.orNull(is.nonEmpty), null, { file: true }),
    address: leaf('Connect to this address instead of resolving host.', is.orNull(is.address), null),
    proxy: optional(
      'A proxy or SBC of yours between Meta and us (docs/peers/sbc-in-front.md), e.g. { uri: "sip:10.0.0.5:5061;transport=tls", ca: /etc/sip-ca/ca.pem }: what goes to Meta is sent there, and whoever shows its certificate '
      + 'is believed to bring what Meta sends, for which Meta\'s digest is asked all the same; null: Meta is reached by itself.', proxySchema,
    ),
    sources: listOf("Networks Meta calls from; default: Meta's published prefixes.", is.cidr, ['default'], { word: 'default', min: 1 }),
    sourcesFile: leaf("File of Meta's prefixes that sources update writes: default in sources means those in it, where it is there; a relative path is below the folder of this file; null: the published ones that are built in.", is.orNull(is.nonEmpty), null, { file: true }),
    challenge: listOf('Digest algorithms offered to Meta, in order; []: trust the source address alone.', is.oneOf('MD5', 'SHA-256'), ['MD5', 'SHA-256']),
    // META-SIP.md §6.2: the WhatsApp client gives up after 30 s without media mid-call; a dead client is noticed as soon.
    ringTimeout: leaf('Seconds a WhatsApp user may ring in a business-initiated call.', is.integer(5, 600), 90),
    mediaTimeout: leaf("Seconds without a packet from Meta's side before the call is ended; 0: never.", is.integer(0, 3600), 30),
  },
  media: {
    engine: leaf('Which media engine takes the calls: embedded (our own, nothing to install), rtpengine or freeswitch.', is.oneOf('embedded', 'rtpengine', 'freeswitch'), 'embedded'),
    interface: {
      [about]: {
        doc: "Address of media of our own engine, and, with media.webrtc: embedded, of Meta's DTLS in front of FreeSWITCH: one, or local!public (10.0.0.4!203.0.113.4), or one for each side: "
          + '{ meta: 10.0.0.4!203.0.113.4, peers: 10.0.0.4 }', shorthand: true,
      },
      meta: leaf('Address of media towards Meta, or local!public; null: that of media.rtpengine.interface, else 127.0.0.1.', is.orNull(is.mediaInterface), null),
      peers: leaf('Address of media towards peers, or local!public; null: that of media.rtpengine.interface, else 127.0.0.1. Not used in front of FreeSWITCH.', is.orNull(is.mediaInterface), null),
    },
    ports: leaf(
      "UDP ports of media of our own engine, two a leg, and of Meta's DTLS in front of FreeSWITCH, two a call; null: those of media.rtpengine.ports, else 40000-49999.", is.orNull(is.portRange), null,
    ),
    workers: leaf('Threads of media with engine embedded; auto: one a core. With rtpengine and FreeSWITCH there are half as many as cores, one at least, whatever stands here.', is.workers, 'auto'),
    rtpengine: {
      spawn: leaf('Start an rtpengine of ours (true) or use those in media.rtpengine.control (false).', is.bool, true),
      program: leaf('Program to start.', is.nonEmpty, 'rtpengine'),
      control: listOf('ng control sockets of rtpengines that we do not start, e.g. ["10.0.0.5:22222"]', is.remoteHostPort),
      interface: {
        [about]: { doc: 'As media.interface, of the rtpengine that we start.', shorthand: true },
        meta: leaf('Address of media towards Meta, or local!public; null: that of media.interface, else 127.0.0.1.', is.orNull(is.mediaInterface), null),
        peers: leaf('Address of media towards peers, or local!public; null: that of media.interface, else 127.0.0.1.', is.orNull(is.mediaInterface), null),
      },
      ports: leaf('UDP ports of media of the rtpengine that we start; null: those of media.ports, else 40000-49999.', is.orNull(is.portRange), null),
      anchor: leaf(
        'Address of our relay between the legs of rtpengine or FreeSWITCH, as they reach it; with media.webrtc: nudge that of the socket which nudges FreeSWITCH too. '
        + 'Not used with engine embedded.', is.address, '127.0.0.1',
      ),
    },
    freeswitch: rowsOf('The event sockets of FreeSWITCH, e.g. - { host: 10.0.0.6, port: 8021, secret: "${ESL_SECRET}" }', { ...controlServer, port: leaf('TCP port.', is.port, 8021) }),
    webrtc: leaf(
      'With engine freeswitch, how numbers with keying: dtls are met: embedded (our own engine in front, on media.interface and media.ports), rtpengine (in front, as media.rtpengine says), or nudge '
      + "(FreeSWITCH alone, which does not verify Meta's fingerprint).",
      is.oneOf('embedded', 'rtpengine', 'nudge'), 'embedded',
    ),
    music: leaf('Sound file (WAV or Ogg Opus) for hold and queues; a relative path is below the folder of this file; null: the shipped one.', is.orNull(is.nonEmpty), null, { file: true }),
  },
  graph: optional('Meta\'s Graph API, which is asked for what SIP does not say, e.g. { token: "${WA_TOKEN}" }; null: nothing is asked of it.', graphSchema),
  hours: tableOf('Opening hours by name.', is.name, hoursSchema, { example: 'office' }),
  numbers: tableOf('Your business numbers, in quotes.', is.e164, numberSchema, { required: true, min: 1, example: '"+447700900001"' }),
  peers: tableOf('The SIP systems of your business.', is.name, peerSchema, { example: 'pbx' }),
  routes: rowsOf('Where calls of WhatsApp users go: the first that fits the number and the payload.', routeSchema, { example: '-' }),
  menus: tableOf('Menus by name, e.g. { main: { prompt: menu.wav, keys: { "1": { to: [{ peer: pbx, user: "6001" }] }, "9": { voicemail: sales } } } }', is.name, menuSchema),
  queues: tableOf('Queues by name, e.g. { support: { to: [{ peer: pbx, user: "6001" }], maxWait: 300, otherwise: { voicemail: sales } } }', is.name, queueSchema),
  voicemail: tableOf('Boxes for messages by name, e.g. { sales: { greeting: sales.wav, directory: /var/spool/wa-b2bua/voicemail } }', is.name, voicemailSchema),
  policy: {
    // META-SIP.md §2.1: countries whose business numbers may not place calls.
    businessInitiatedBlocked: listOf('Countries whose business numbers Meta lets place no calls.', is.country, ['US', 'CA', 'EG', 'VN', 'NG']),
    carriers: listOf('Hosts and networks of carriers: never a target, never a source of media.', is.carrier),
    audit: leaf('File of the audit log, a line for every verdict on a call, chained by hash; a relative path is below the folder of this file; null: none.', is.orNull(is.nonEmpty), null, { file: true }),
    recheckOnReload: leaf('Judge live calls again when this file is reloaded.', is.bool, true),
    leaks: valuesOf(
      'Per sign that a peer went out to the PSTN: enforce (end the call) or report. Defaults: divertedToNumber, contactAtGateway, isupBody, carrierMedia and connectedNumber '
      + 'enforce; forwarded181 and q850Provisional report.', is.oneOf(...leakSigns), is.oneOf('enforce', 'report'),
    ),
  },
  webhooks: optional('Meta\'s webhooks to us, e.g. { listen: "0.0.0.0:8443", appSecret: "${WA_APP_SECRET}", verifyToken: "${WA_VERIFY}" }; null: none are taken.', webhookSchema),
  http: {
    listen: leaf('address:port of health, metrics and pages; null: none. Beyond loopback every page but /health and /ready wants a token of api.tokens.', is.orNull(is.hostPort), '127.0.0.1:8080'),
    phone: leaf('A softphone for agents at /phone, which wants no token: they sign in with an account of peers.*.accounts.', is.bool, false),
    phoneServer: leaf('Where it registers, such as wss://sbc.example.net:7443; null: the wss socket of sip.listen by the name domain, else its ws socket.', is.orNull(is.webSocketServer), null),
    hosts: listOf('Host names by which the pages are reached, besides localhost and addresses; others are refused.', is.host),
  },
  api: apiSchema,
  events: eventsSchema,
  hep: optional('A HEP server (Homer) that is told of every SIP message and of the media of each call, e.g. { server: "udp:10.0.0.9:9060", id: 2001 }; null: none is.', hepSchema),
  traces: optional('An OpenTelemetry collector that gets each call as a trace, e.g. { otlp: "http://127.0.0.1:4318/v1/traces" }; null: none does.', tracesSchema),
  recording: optional('Recordings of calls, of routes and peers that have record, e.g. { directory: /var/spool/wa-b2bua/recordings }; null: no call is recorded.', recordingSchema),
  siprec: tableOf('Recorders of others (SIPREC, RFC 7866) by name, for routes and peers that have siprec, e.g. { archive: { to: [{ peer: recorder, user: rec }] } }', is.name, siprecSchema),
  cdr: cdrSchema,
  state: {
    [about]: { doc: 'Where what outlives a call is kept, and what several nodes share (docs/guides/cluster.md). A single value stands for url.', itemKey: 'url' },
    url: leaf(
      'memory; file:PATH, which outlives the process (one process a file; a relative PATH is below the folder of this file); or a Redis, by which several nodes keep the limits together: redis://USER:PASSWORD@HOST:PORT/DB, rediss:// with TLS, '
      + 'redis+sentinel://HOST:PORT,HOST:PORT/MASTER/DB, redis+cluster://HOST:PORT,HOST:PORT.', is.stateStore, 'memory', { secret: true, file: { behind: 'file:' } },
    ),
    gone: leaf('What becomes of new calls while Redis is gone: share (each node takes its part of each limit: the limit divided by the nodes seen last) or refuse (503).', is.oneOf('share', 'refuse'), 'share'),
  },
  node: nodeSchema,
  log: {
    level: leaf('Least level that is written.', is.oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'), 'info'),
    fullNumbers: leaf("Show users' numbers in full; else each log line has them masked (the middle hidden).", is.bool, false),
  },
  limits: {
    maxCalls: leaf('Calls in all; over it new ones get 503.', is.integer(1, 1_000_000), 2000),
    drain: leaf('Seconds a drain waits for calls to end by themselves, once it takes no new ones.', is.integer(0, 86_400), 30),
    drainDelay: leaf('Seconds at the beginning of a drain in which new calls are still taken, while balancers and peers learn from /ready and OPTIONS to send them elsewhere.', is.integer(0, 3600), 0),
    ban: {
      [about]: { doc: 'Wrong passwords, and unknown callers over TCP and TLS, are slowed, then met with silence.' },
      after: leaf('Faults in a row that lead to a ban; 0: no bans.', is.integer(0, 1000), 10),
      first: leaf('Seconds of the first ban; each further one is twice as long.', is.integer(1, 86_400), 60),
      longest: leaf('Seconds of the longest ban.', is.integer(1, 2_592_000), 86_400),
    },
  },
} satisfies Group;

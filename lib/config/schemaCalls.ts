import * as is from './checks.js';
import { requestSchema, settingsSchema } from './schemaGraph.js';
import { recordSchema, siprecUseSchema } from './schemaRecording.js';
import { about, leaf, listOf, optional, required, secret, tableOf, type Group } from './schemaForm.js';
import { socketSchema, teeSchema } from './schemaSocket.js';
import { destinationSchema, insteadKeys, lookupSchema, ringKeys } from './schemaVoice.js';
import { stopOns } from './types.js';

const digestCredentials = {
  username: required('User name.', is.nonEmpty),
  password: secret('Password.'),
} satisfies Group;

/** Each entry of `numbers`. */
export const numberSchema = {
  password: leaf("Meta's sip_user_password of this number; required unless passwordFile has it.", is.orNull(is.nonEmpty), null, { secret: true, sensitive: true, example: '"${WA_PASSWORD}"' }),
  passwordFile: leaf('Instead: file with the password and nothing else, which provision apply writes and run reads again when it changes; a relative path is below the folder of this file; null: none.', is.orNull(is.nonEmpty), null, { file: true }),
  domain: leaf('Host name at which it is registered with Meta: the From host and the Contact of its calls; domain, or one of domains; null: domain.', is.orNull(is.fqdn), null),
  keying: leaf('How SRTP keys are agreed on, as set on the number at Meta.', is.oneOf('sdes', 'dtls'), 'sdes'),
  environment: leaf(
    'sandbox: a test number of Meta. After so many calls in a row that a user did not take Meta asks whether they are wanted (2; sandbox 5) and takes the permission back '
    + '(4; sandbox 10): the log warns of both.', is.oneOf('production', 'sandbox'), 'production',
  ),
  id: leaf('Phone number id at Meta, such as "100000000000001"; null: nothing is asked of Meta about this number.', is.orNull(is.metaId), null),
  permission: leaf(
    'Before a business-initiated call. off: Meta judges by SIP. check: without the permission of the user the call gets 403 and nothing is sent to Meta. request: the user is asked for it, and the call gets 480. '
    + 'What is not known is asked of Meta, which needs graph and id.', is.oneOf('off', 'check', 'request'), 'off',
  ),
  settings: optional('What provision keeps true at Meta, beside calling by SIP to domain with keying, e.g. { callback: true, hours: office }; null: nothing.', settingsSchema),
  permissionRequest: { [about]: { doc: 'With permission: request: how a user is asked.' }, ...requestSchema },
  // META-SIP.md §9: 1000 concurrent calls per number.
  maxConcurrentCalls: leaf('Calls at once.', is.integer(1, 100_000), 1000),
  g711: leaf('PCMA and PCMU are enabled on the number at Meta.', is.bool, false),
  pairLimit: leaf('How many connected calls to one user Meta allows in 24 h: launch 5, october2025 10, december2025 100.', is.oneOf('launch', 'october2025', 'december2025'), 'december2025'),
  // META-SIP.md §9: 10 000 new business-initiated calls per number and 24 h.
  newCallsPerDay: leaf('New business-initiated calls in 24 h.', is.integer(1, 10_000_000), 10_000),
  callsPerSecond: leaf('Business-initiated calls per second; 0: no limit.', is.integer(0, 10_000), 0),
} satisfies Group;

/** Each entry of `peers`. */
export const peerSchema = {
  uri: leaf('Where calls to this peer are sent; required unless register is true or there is a websocket.', is.orNull(is.peerUri), null, { example: '"sip:10.0.0.7:5060;transport=udp"' }),
  hosts: listOf('Further names and addresses that mean this peer in URIs, such as the target of a transfer, e.g. ["pbx.example.net"]; with its port, 5060 or 5061. That of uri is meant with its port alone unless it stands here too.', is.host),
  sources: listOf('Networks this peer calls from.', is.cidr, [], { example: '["10.0.0.7/32"]' }),
  transports: listOf(
    'Transports on which its sources make it known; default: that of its uri and those that prove more (udp < tcp < tls). So nobody becomes this peer by writing its address '
    + 'into a datagram when it speaks TCP or TLS.', is.oneOf('udp', 'tcp', 'tls'), ['default'], { word: 'default', min: 1 },
  ),
  digest: optional('Credentials this peer must show when it calls in, e.g. { username: pbx, password: "${PBX_PASSWORD}" }; null: its address is enough.', digestCredentials),
  pstn: leaf('Your statement that this peer has no way to the PSTN: none. Anything else makes it unroutable.', is.nonEmpty, 'unknown', { example: 'none' }),
  users: listOf(
    'On-net users: patterns of bounded length, matched whole. A pattern that could match a telephone number is refused; a number can only be listed literally.',
    is.onNetUser, [], { example: '["6[0-9]{3}", "support"]' },
  ),
  extensions: listOf(
    'Ranges of extensions that you state to be on-net and never dialled out, e.g. ["9000-9999"], where a pattern of them is refused because it could match a telephone number '
    + '(9112, 100). Emergency codes stay refused.', is.extensionRange,
  ),
  auth: {
    [about]: { doc: 'Credentials for when this peer challenges us, in any request and in any realm.' },
    username: leaf('User name.', is.orNull(is.nonEmpty), null),
    password: leaf('Password.', is.orNull(is.nonEmpty), null, { secret: true, sensitive: true }),
  },
  maxConcurrentCalls: leaf('Calls at once.', is.integer(1, 100_000), 100),
  callsPerSecond: leaf('Calls per second it may start; 0: no limit.', is.integer(0, 10_000), 0),
  codecs: listOf('Codecs in order of preference.', is.oneOf('opus', 'PCMU', 'PCMA', 'G722'), ['PCMU', 'PCMA'], { min: 1 }),
  srtp: leaf('none: plain RTP; sdes: RTP/SAVP, nothing else; optional: SRTP where the peer offers or takes a key, else plain RTP (RFC 8643).', is.oneOf('none', 'sdes', 'optional'), 'none'),
  webrtc: leaf('true: ICE and DTLS-SRTP, as browsers speak it; with register for the phones that came by WebSocket, the others as srtp says. Needs media.engine: embedded.', is.bool, false),
  bsuid: leaf('How users without a number are shown to it as callers. keep: by their id (GB.1349…); digits: by an alias of 14 digits, 999…, which it may call to reach them.', is.oneOf('keep', 'digits'), 'keep'),
  userToUser: leaf('true: Meta\'s id of the call and the payload of the button or link stand in User-to-User too (RFC 7433), as JSON in hex, for PBXs that hand no X-WA headers on.', is.bool, false),
  historyInfo: leaf('true: the number that was called, and those who did not take the call or had it before, stand in History-Info (RFC 7044), for its statistics.', is.bool, false),
  dtmf: leaf('Digits as telephone events (RFC 4733) or by INFO.', is.oneOf('rfc4733', 'info'), 'rfc4733'),
  nat: leaf(
    'It is behind NAT: its plain media may come from any port of the address that its SDP says or that its SIP comes from. With register always so. Else what comes from elsewhere '
    + 'than its SDP says is dropped.', is.bool, false,
  ),
  media: listOf('Networks that its media may be in, e.g. ["10.0.0.0/24"]; []: any but multicast, loopback, ourselves and the like.', is.cidr),
  mediaTimeout: leaf(
    'Seconds without a packet from it, RTP or RTCP (with media.engine: freeswitch RTP alone), before the call is ended; 0: never. While either side is on hold it may be silent. '
    + 'Longer where it records or waits without sending anything.', is.integer(0, 3600), 300,
  ),
  mayCall: listOf('Business numbers it may call WhatsApp users from; the first one where its caller id is none of them but an extension or one of callerIds.', is.e164, [], { example: '["+447700900001"]' }),
  callerIds: listOf(
    'Telephone numbers of its own that may stand as caller id of its calls, such as the company\'s number on the telephone network. Your statement that a call with one is a person\'s at this peer: '
    + 'any other number there is refused, as a call that came from the telephone network would have it.', is.e164,
  ),
  mayTransferTo: listOf('Other peers whose users it may transfer or redirect a call to; its own users always.', is.name),
  country: leaf('Country of national numbers it dials (GB); null: international forms only.', is.orNull(is.country), null),
  // RFC 4028 §4: 1800 s is recommended; less than 90 s is no interval.
  sessionExpires: leaf('Seconds of the session timer we ask it for (RFC 4028); 0: none, though one it asks for is kept.', is.orZero(is.integer(90, 86_400)), 1800),
  music: leaf('Sound file (WAV or Ogg Opus) for hold in calls it places; a relative path is below the folder of this file; none: nothing of ours; null: media.music.', is.orNull(is.nonEmpty), null, { file: { but: 'none' } }),
  record: optional('Its business-initiated calls are recorded in recording.directory, e.g. { announce: recorded.wav }; null: they are not.', recordSchema),
  siprec: optional('Its business-initiated calls are recorded by a recorder, e.g. { recorder: archive, announce: recorded.wav }; null: they are not.', siprecUseSchema),
  earlyMedia: leaf('Ring it with 183 and a tone (true) or with 180 (false).', is.bool, false),
  health: {
    [about]: { doc: 'Is it there? OPTIONS are sent to it, and calls that found nobody count too.' },
    interval: leaf('Seconds between OPTIONS; 0: none, and it is never out. One that has just gone out is asked every 2 s for a minute.', is.integer(0, 3600), 30),
    outAfter: leaf('Failures in a row after which it is out: it gets only calls that nobody else takes.', is.integer(1, 100), 3),
    backAfter: leaf('Answers in a row after which it gets calls as before.', is.integer(1, 100), 1),
  },
  ...socketSchema,
  register: leaf('true: its users are softphones that register here, each with an account below; no uri, users, digest or auth then.', is.bool, false),
  accounts: tableOf('With register: who may register, by user, e.g. { "6001": { password: "${PHONE_6001}" } }. They are the on-net users of this peer.', is.account, {
    password: secret('Password.'),
    maxConcurrentCalls: leaf('Calls at once that it may place, so that a stolen password costs little; null: as many as its peer.', is.orNull(is.integer(0, 100_000)), null),
    srtp: leaf('As srtp of its peer, for the phones of this account alone; null: as there.', is.orNull(is.oneOf('none', 'sdes', 'optional')), null),
    callsPerDay: leaf('New calls that it may place in 24 h; null: as many as the number.', is.orNull(is.integer(0, 10_000_000)), null),
  }),
  registration: {
    [about]: { doc: 'With register.' },
    minExpires: leaf('Seconds; a shorter registration is refused with 423.', is.integer(10, 3600), 60),
    maxExpires: leaf('Seconds; a longer registration is shortened.', is.integer(60, 86_400), 3600),
    maxContacts: leaf('Devices of one user at once; the one silent for longest gives way.', is.integer(1, 20), 5),
    push: listOf(
      'Providers of push notifications by which sleeping apps are woken (RFC 8599), as they name them, e.g. [apns, fcm]; whoever gets the event phone.push sends it. An app with another one is refused with 555; []: '
      + 'nobody is woken, and what phones say of it is passed over.', is.pushProvider,
    ),
    pushWait: leaf('Seconds that a call waits for an app that is being woken.', is.integer(1, 30), 10),
    keepAlive: leaf('Seconds between OPTIONS to UDP phones behind NAT; 0: none.', is.integer(0, 600), 25),
  },
} satisfies Group;

/** Each entry of `routes`. */
export const routeSchema = {
  name: required('Name in logs and CDRs.', is.name, { example: 'support' }),
  number: required('Business number it is for.', is.e164, { example: '"+447700900001"' }),
  payload: leaf('Only for calls whose button or link payload matches this pattern, e.g. "^order-"; null: any call.', is.orNull(is.pattern), null),
  hours: leaf('Name of one of hours: outside them calls go to closed; null: always open.', is.orNull(is.name), null),
  closed: optional('Where calls go outside the hours, e.g. { play: closed.wav }, { voicemail: sales } or { status: 486 }; null: 480.', destinationSchema),
  to: ringKeys.to,
  ...insteadKeys,
  unanswered: optional('Where a call goes that nobody took, neither of to nor of a key of a menu, once: e.g. { voicemail: sales }; null: it ends.', destinationSchema),
  lookup: optional('Asks a program by HTTP whom of to each call rings, and in which order, e.g. { url: "https://crm.example.net/route" }; null: all of to, as it stands.', lookupSchema),
  strategy: ringKeys.strategy,
  stopOn: listOf(
    "A person's answers that stand, so that no further target is tried: busy (486, 600), declined (603); []: none. A 603 that no person sent (Reason: Q.850 cause 0, 16, 19, 102, "
    + "as Asterisk's after Dial) is no answer, and the next one rings.", is.oneOf(...stopOns), ['declined'],
  ),
  ringTimeout: ringKeys.ringTimeout,
  answerFirst: leaf('Answer Meta at once and play music while the targets ring (a queue).', is.bool, false),
  answerOnEarlyMedia: leaf('Answer Meta when a target that rings sends media of its own (an announcement), which is not heard otherwise.', is.bool, false),
  music: leaf('Sound file (WAV or Ogg Opus) for hold and queue; a relative path is below the folder of this file; none: nothing of ours, so what the peer sends; null: media.music.', is.orNull(is.nonEmpty), null, { file: { but: 'none' } }),
  transferSound: leaf('What the user hears during a transfer.', is.oneOf('music', 'ringback'), 'music'),
  record: optional('Calls of this route are recorded in recording.directory, e.g. { announce: recorded.wav }; null: they are not.', recordSchema),
  siprec: optional('Calls of this route are recorded by a recorder (SIPREC, RFC 7866), e.g. { recorder: archive, announce: recorded.wav }; null: they are not.', siprecUseSchema),
  downMessage: leaf('Sound file (WAV or Ogg Opus) for the user when every peer of the route is out; a relative path is below the folder of this file; null: 480. Not with unanswered.', is.orNull(is.nonEmpty), null, { file: true }),
  tee: optional('A copy of what both sides say, from the answer on, for a program that only listens, e.g. { websocket: "wss://listen.example.net/call", dialect: raw }; null: none.', teeSchema),
} satisfies Group;

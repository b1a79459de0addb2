import * as is from './checks.js';
import { about, leaf, listOf, optional, required, rowsOf, tableOf, type Group } from './schemaForm.js';

const target = { peer: required('Name of a peer.', is.name), user: required('User there.', is.sipUser) } satisfies Group;

/** `routes[].lookup`. */
export const lookupSchema = {
  url: required('Where the call is POSTed as JSON; the answer {"targets":[{"peer","user"}]} is rung in its order.', is.webAddress, { example: 'https://crm.example.net/route' }),
  authorization: leaf('Authorization header of the request, e.g. "Bearer ${LOOKUP_TOKEN}"; null: none.', is.orNull(is.headerValue), null, { secret: true, sensitive: true }),
  timeout: leaf('Seconds that it may take. Then, and after any other failure, to is rung as it stands; where the server is late, cannot be reached or answers 5xx or 429, nothing more is asked for 5 s.', is.integer(1, 10), 2),
  cache: leaf('Seconds for which an answer counts for the same user, number and payload; 0: each call asks.', is.integer(0, 86_400), 0),
} satisfies Group;

/** Who is rung. */
export const ringKeys = {
  to: rowsOf('Targets, in order.', target, { example: '[{ peer: pbx, user: "6001" }]' }),
  strategy: leaf('failover: one target after the other; ring-all: all at once.', is.oneOf('failover', 'ring-all'), 'failover'),
  ringTimeout: leaf('Seconds each target may ring.', is.integer(1, 600), 45),
} satisfies Group;

/** Where a call goes instead. */
export const insteadKeys = {
  menu: leaf('Instead of to: name of one of menus.', is.orNull(is.name), null),
  queue: leaf('Instead: name of one of queues.', is.orNull(is.name), null),
  voicemail: leaf('Instead: name of one of voicemail.', is.orNull(is.name), null),
  play: leaf('Instead: sound file (WAV or Ogg Opus) that is played before we hang up; a relative path is below the folder of this file.', is.orNull(is.nonEmpty), null, { file: true }),
  status: leaf('Instead: status with which Meta is refused, such as 480 or 486; a user who has been answered is hung up on.', is.orNull(is.refusal), null),
} satisfies Group;

/** A place that a user's call can be sent to: one of to, menu, queue, voicemail, play and refuse. */
export const destinationSchema = { ...ringKeys, ...insteadKeys } satisfies Group;

/** Each entry of `menus`. */
export const menuSchema = {
  prompt: required('Sound file (WAV or Ogg Opus) that says what to press; any key stops it. A relative path is below the folder of this file.', is.nonEmpty, { file: true }),
  timeout: leaf('Seconds to wait for a key behind the prompt.', is.integer(1, 120), 5),
  tries: leaf('How often the prompt is played before otherwise: a wrong key and a time-out each use one; the seconds of a prompt that is repeated by key do not count.', is.integer(1, 10), 3),
  wrong: leaf('Sound file for a key that leads nowhere; null: the prompt again at once. A relative path likewise.', is.orNull(is.nonEmpty), null, { file: true }),
  repeat: leaf('Key that plays the prompt again without using a try, such as "*"; null: none.', is.orNull(is.key), null),
  keys: tableOf('Where each key leads, e.g. { "1": { to: [{ peer: pbx, user: "6001" }] }, "2": { menu: support }, "9": { voicemail: sales } }', is.key, destinationSchema, { required: true, min: 1 }),
  otherwise: optional('Where a call goes whose user has made no choice, e.g. { to: [{ peer: pbx, user: "6000" }] }; null: we hang up.', destinationSchema),
} satisfies Group;

/** Each entry of `queues`. */
export const queueSchema = {
  to: rowsOf('Who takes the calls, e.g. [{ peer: pbx, user: "6001" }, { peer: pbx, user: "6002" }]; each has one call of ours at a time.', target, { required: true, min: 1 }),
  strategy: leaf('Who of those who are free is rung first: order: as they stand; longest-idle: who has had no call of ours for longest.', is.oneOf('order', 'longest-idle'), 'longest-idle'),
  ringTimeout: leaf('Seconds that each may ring before the next one does.', is.integer(1, 600), 20),
  rest: leaf('Seconds in which somebody who did not take a call is not rung again.', is.integer(1, 3600), 15),
  music: leaf('Sound file for those who wait; a relative path is below the folder of this file; none: silence; null: that of the route.', is.orNull(is.nonEmpty), null, { file: { but: 'none' } }),
  announce: {
    [about]: { doc: 'What those who wait hear now and then.' },
    every: leaf('Seconds between announcements; 0: none.', is.orZero(is.integer(5, 3600)), 0),
    places: listOf('Sound files for the place in line: the first for who is next, the second for who is behind, and so on; who is further back hears none.', is.nonEmpty, [], { file: true }),
    file: leaf('Sound file behind that; null: none. Relative paths are below the folder of this file.', is.orNull(is.nonEmpty), null, { file: true }),
  },
  callBack: optional('A key by which users leave the queue and are called back, by those who take its calls, when it is their turn, e.g. { key: "5", confirm: callback.wav }; null: none.', {
    key: required('The key.', is.key),
    confirm: leaf('Sound file that says so, before we hang up; a relative path is below the folder of this file; null: none.', is.orNull(is.nonEmpty), null, { file: true }),
    refused: leaf('Sound file for a user who has not permitted calls (numbers.*.permission), and waits on; a relative path likewise; null: none.', is.orNull(is.nonEmpty), null, { file: true }),
    tries: leaf('Calls to the user that are tried, at most.', is.integer(1, 10), 3),
    pause: leaf('Seconds before the next try, and before somebody else is rung where nobody of the queue answers; within hours of the route only.', is.integer(10, 86_400), 300),
    keepFor: leaf('Seconds after which it is given up.', is.integer(600, 604_800), 86_400),
  }),
  keys: tableOf('Keys by which a user leaves the queue, and where they lead, e.g. { "1": { voicemail: sales } }', is.key, destinationSchema),
  maxWait: leaf('Seconds that a user waits before otherwise; 0: without end.', is.integer(0, 86_400), 600),
  otherwise: optional('Where a call goes that has waited so long, e.g. { voicemail: sales }; null: we hang up.', destinationSchema),
  maxLength: leaf('Calls that may wait at once.', is.integer(1, 10_000), 100),
  full: optional('Where a call goes that finds so many there; null: as otherwise says.', destinationSchema),
} satisfies Group;

/** Each entry of `voicemail`. */
export const voicemailSchema = {
  greeting: leaf('Sound file before the tone; any key ends it. null: the tone alone. A relative path is below the folder of this file.', is.orNull(is.nonEmpty), null, { file: true }),
  directory: required('Folder for the messages, Ogg Opus and a JSON beside each, for the user of the service alone; a relative path likewise.', is.nonEmpty, { file: true }),
  maxSeconds: leaf('Seconds of the longest message.', is.integer(1, 3600), 120),
  silence: leaf('Seconds of silence that end a message; 0: none do.', is.orZero(is.integer(1, 60)), 6),
} satisfies Group;

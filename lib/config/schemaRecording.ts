import * as is from './checks.js';
import { leaf, optional, required, rowsOf, type Group } from './schemaForm.js';

/** `recording`: where recordings of calls go. */
export const recordingSchema = {
  directory: required('Folder of the recordings: one a day in it, readable by the user of the service alone; a relative path is below the folder of this file.', is.nonEmpty, { file: true }),
  format: leaf('ogg: Ogg Opus, what is spoken in Opus as it is; wav: linear audio of 16 bits, some 4 MB a minute.', is.oneOf('ogg', 'wav'), 'ogg'),
  keepDays: leaf('Days after which a recording is removed, uploaded or not; 0: never.', is.integer(0, 36_500), 90),
  keepFree: leaf('Megabytes that stay free on the disk for whatever else is written there: with less no recording begins, and those under way end; 0: a disk is filled.', is.integer(0, 10_000_000), 200),
  upload: optional('Recordings are sent away too, each and then its sidecar, by HTTP PUT, e.g. { url: "https://store.example.net/calls/{date}/{name}" }; null: they are not.', {
    url: leaf('Where to, with {name}, {date} and {call} in it; https, or http on loopback; null: presign says it.', is.orNull(is.webTemplate), null),
    presign: leaf(
      'Instead: URL that is asked for each file, by POST of { name, date, call, contentType }, and answers { url, headers }, as presigned URLs of S3 are made; null: none is.', is.orNull(is.webAddress), null,
    ),
    authorization: leaf('Value of the Authorization header, of presign where that is set, else of url, e.g. "Bearer ${STORE_TOKEN}"; null: none is sent.', is.orNull(is.headerValue), null, { secret: true, sensitive: true }),
    keepLocal: leaf('Keep them here too, for keepDays.', is.bool, true),
  }),
} satisfies Group;

/** `record` of a route and of a peer. */
export const recordSchema = {
  announce: leaf('Sound file (WAV or Ogg Opus) that says so: both hear it to its end, and only then is anything recorded; null: it is said elsewhere.', is.orNull(is.nonEmpty), null, { file: true }),
  on: leaf('answer: every call, from its answer on; order: where POST /v1/calls/{id}/record says so.', is.oneOf('answer', 'order'), 'answer'),
  pauseKey: leaf('Key of the telephone at the peer that pauses the recording, and lets it go on; the user hears it too; null: none does.', is.orNull(is.dtmfKey), null),
} satisfies Group;

/** Each entry of `siprec`. */
export const siprecSchema = {
  to: rowsOf('Recorders (SRS), the next where one does not answer or is lost, e.g. [{ peer: recorder, user: rec }]: peers with a uri and pstn: none; each call takes a place of maxConcurrentCalls.', {
    peer: required('Name of a peer.', is.name), user: required('User there.', is.sipUser),
  }, { required: true, min: 1 }),
  answerWithin: leaf('Seconds that each may take to answer, an update of the metadata too: who does not is passed over, or lost.', is.integer(1, 60), 10),
} satisfies Group;

/** `siprec` of a route and of a peer. */
export const siprecUseSchema = { recorder: required('Name of one of siprec.', is.name), ...recordSchema } satisfies Group;

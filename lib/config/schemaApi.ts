import * as is from './checks.js';
import { leaf, listOf, optional, required, rowsOf, secret, type Group } from './schemaForm.js';
import { apiScopes } from './types.js';

/** `events`: what happens, told to others as it happens. */
export const eventsSchema = {
  webhooks: rowsOf('Who is told by webhook, e.g. - { url: "https://crm.example.net/wa", secret: "${EVENT_SECRET}" }', {
    url: required('Where events are posted to; http:// on loopback only.', is.webAddress),
    secret: secret('By which they are signed: X-WAB-Signature-256.'),
    types: listOf("Which: '*' (all), 'call.*', or types such as call.ended.", is.eventFilter, ['*'], { min: 1 }),
    users: leaf("Users' numbers in full, and their digits; false: the middle of the numbers is hidden.", is.bool, false),
  }),
} satisfies Group;

/** `api`: how others see and steer calls. */
export const apiSchema = {
  listen: leaf('address:port of the API; null: there is none. Beyond loopback it wants api.tls.', is.orNull(is.hostPort), null),
  tls: optional('Certificate of this address, PEM files that are read again when they change: { cert: FILE, key: FILE }; null: plain HTTP, on loopback only.', {
    cert: required('File of the chain; a relative path is below the folder of this file.', is.nonEmpty, { file: true }), key: required('File of the key; likewise.', is.nonEmpty, { file: true }),
  }),
  sounds: leaf('Folder of the sound files (WAV or Ogg Opus) that a call can be made to play by the API; a relative path is below that of this file; null: none are played.', is.orNull(is.nonEmpty), null, { file: true }),
  tokens: rowsOf('Who may use the API, and read the pages where http.listen is beyond loopback, e.g. - { name: crm, token: "${API_TOKEN}", scopes: [read, calls] }', {
    name: required('Who has it.', is.name),
    token: secret('The token.', { check: is.bearerToken }),
    scopes: listOf(
      "What it is good for: read (the pages; everything that the API shows, with users' numbers masked), calls (place, steer and end calls), numbers (ask users for permission), users (users' numbers in full), admin (take the service out of use).",
      is.oneOf(...apiScopes), ['read'], { min: 1 },
    ),
  }),
} satisfies Group;

import * as is from './checks.js';
import { leaf, listOf, listsOf, optional, required, rowsOf, secret, secrets, valuesOf, type Group } from './schemaForm.js';

/** `graph`: Meta's Graph API. */
export const graphSchema = {
  url: leaf('Where it is; http:// on loopback only, for a stand-in.', is.webAddress, 'https://graph.facebook.com'),
  waba: leaf('Id of the WhatsApp account of your numbers, whose subscription provision looks at; null: it does not.', is.orNull(is.metaId), null),
  appId: leaf("Id of the token's app: its SIP server is ours; null: as Meta's health of the number tells.", is.orNull(is.metaId), null),
  verifyEvery: leaf('Seconds between looks at the settings of each number at Meta (numbers.*.settings): what differs is in the log and in wab_number_drift; 0: none.', is.orZero(is.integer(60, 604_800)), 3600),
  version: leaf('Its version.', is.graphVersion, 'v25.0'),
  token: secret("A system user's token with whatsapp_business_messaging and whatsapp_business_management.", { check: is.graphToken, example: '"${WA_TOKEN}"' }),
  timeout: leaf('Seconds that a question before a call may take.', is.integer(1, 30), 2),
  whenDown: leaf(
    'What becomes of a call of a number with permission: check or request when Meta cannot be asked (no answer, a wrong token, asked too often): allow: it goes on, and Meta judges it by SIP; '
    + 'refuse: 503. What is known from webhooks stands either way.', is.oneOf('allow', 'refuse'), 'allow',
  ),
} satisfies Group;

/** `numbers.*.settings`. */
export const settingsSchema = {
  status: leaf('Calling.', is.oneOf('ENABLED', 'DISABLED'), 'ENABLED'),
  callback: leaf('A user who has called may be called back (a permission for seven days): true or false; null: as it is.', is.orNull(is.bool), null),
  hours: leaf('Name of one of hours: when users may call; null: as it is.', is.orNull(is.name), null),
  codecs: listOf('Codecs beside Opus, e.g. [PCMA, PCMU]; default: both where g711 is true, else none.', is.oneOf('PCMA', 'PCMU'), ['default'], { word: 'default' }),
  icon: leaf('The call button in chats: DEFAULT or DISABLE_ALL; null: as it is.', is.orNull(is.oneOf('DEFAULT', 'DISABLE_ALL')), null),
  countries: listOf('Countries of users who see it, e.g. [GB, BR]; []: all; keep: as it is.', is.country, ['keep'], { word: 'keep' }),
  userParams: valuesOf('Parameters that Meta puts into the user part of the Request-URI of its calls, e.g. { tgrp: wacall, trunk-context: byoc.example.net }; {}: as they are.', is.userParamName, is.userParamValue),
  voicemail: optional("Meta's voicemail for calls that nobody takes, e.g. { announcement: \"900000000000001\" }; Meta's page has hours off with it; null: as it is.", {
    status: leaf('Whether there is one.', is.oneOf('ENABLED', 'DISABLED'), 'ENABLED'),
    announcement: leaf('Id of what users hear first, as provision announcement gives it; required when ENABLED.', is.orNull(is.mediaId), null),
    triggers: listOf('When it takes the call: REJECT: it was refused; TIMEOUT: nobody answered.', is.oneOf('REJECT', 'TIMEOUT'), ['REJECT', 'TIMEOUT'], { min: 1 }),
    timeout: leaf('Seconds of ringing before TIMEOUT.', is.integer(0, 30), 20),
  }),
} satisfies Group;

/** Each entry of `hours`. */
export const hoursSchema = {
  timezone: required('Time zone, as Europe/London.', is.timezone, { example: 'Europe/London' }),
  week: listsOf('Spans of days, or of ranges of days; the end of a span is not in it, at most 24:00.', is.dayRange, is.clockSpan, { required: true, example: '{ mon-thu: ["09:00-12:30", "13:30-17:30"], fri: ["09:00-16:00"] }' }),
  holidays: rowsOf('Dates with hours of their own, e.g. ["2026-12-25", { date: "2026-12-24", spans: ["09:00-12:00"] }]; a date alone: nobody is there.', {
    date: required('Day, in the time zone above.', is.date), spans: listOf('Spans of that day instead of those of the week; []: nobody is there.', is.clockSpan),
  }, { itemKey: 'date' }),
} satisfies Group;

/** `numbers.*.permissionRequest`. */
export const requestSchema = {
  text: leaf('Text above the question, within 24 hours of the last message of the user, e.g. "May we call you about your order?"; null: none.', is.orNull(is.nonEmpty), null),
  template: leaf('Instead: name of an approved template with a call_permission_request, which may be sent at any time; null: none.', is.orNull(is.templateName), null),
  language: leaf('Language of the template.', is.language, 'en'),
} satisfies Group;

/** `webhooks`: Meta's to us. */
export const webhookSchema = {
  listen: leaf("address:port for Meta's webhooks.", is.hostPort, '127.0.0.1:8443'),
  path: leaf('Path of the callback URL that is set at Meta.', is.urlPath, '/meta'),
  appSecret: secrets("The app's secret, by which Meta signs; a list while one replaces another.", { example: '"${WA_APP_SECRET}"' }),
  verifyToken: secret('The verify token that is set at Meta beside the callback URL.', { example: '"${WA_VERIFY}"' }),
  tls: optional('Certificate of this address, PEM files that are read again when they change: { cert: FILE, key: FILE }; null: plain HTTP, for a proxy that ends TLS, as Meta wants HTTPS.', {
    cert: required('File of the chain; a relative path is below the folder of this file.', is.nonEmpty, { file: true }), key: required('File of the key; likewise.', is.nonEmpty, { file: true }),
  }),
  forward: listOf('URLs to which every webhook goes on unchanged, with its signature, e.g. ["https://crm.example.net/meta"]; http:// on loopback only.', is.webAddress),
  voicemail: leaf('Folder for the messages that users leave at Meta; they are fetched by graph. a relative path is below that of this file; null: they are only told of.', is.orNull(is.nonEmpty), null, { file: true }),
} satisfies Group;

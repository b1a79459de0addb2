import * as is from './checks.js';
import { leaf, rowsOf, type Group } from './schemaForm.js';

/** `cdr`: the call records. */
export const cdrSchema = {
  file: leaf('File of the call records, one JSON line for every call attempt; another relative path than the default, which is below the folder that the service is started in, is below that of this file; null: none.', is.orNull(is.nonEmpty), './cdr.jsonl', { file: true }),
  fullNumbers: leaf("Write users' numbers in full.", is.bool, false),
  index: leaf('Folder of the index by which records are searched and added up; it can be thrown away; null: the name of cdr.file with .index behind it.', is.orNull(is.nonEmpty), null, { file: true }),
  rates: leaf('Rate card (YAML or JSON) by which the price of business-initiated calls is estimated; null: it is not.', is.orNull(is.nonEmpty), null, { file: true }),
  pickUp: {
    warnBelow: leaf("Per cent of users' calls to a number that are to be answered: below, the log warns once a day; 0: it does not. Meta's own threshold is not published.", is.integer(0, 100), 70),
    days: leaf('Days, up to now, whose calls count.', is.integer(1, 90), 7),
    calls: leaf('Calls of users that there must have been: a few say nothing.', is.integer(1, 1_000_000), 20),
  },
  sinks: rowsOf('Where each record goes besides, e.g. - { http: "https://crm.example.net/cdr" }, or - { syslog: "udp:10.0.0.9:514" }', {
    http: leaf('URL that records are POSTed to, one JSON text a line; https, or http on loopback; null: none.', is.orNull(is.webAddress), null),
    authorization: leaf('With http: value of the Authorization header, e.g. "Bearer ${CDR_TOKEN}"; null: none is sent.', is.orNull(is.headerValue), null, { secret: true, sensitive: true }),
    syslog: leaf('Syslog server (RFC 5424), udp:host:port or tcp:host:port; null: none.', is.orNull(is.syslogServer), null),
  }),
} satisfies Group;

// Calling settings of a number as Meta tells them (Meta's page "Call settings").
import { isRecord, list, record, text, time, whole, type Json } from './json.js';

/** A SIP server that is registered for a number, by the app that registered it. */
export interface RemoteServer {
  readonly appId: string | null;
  readonly hostname: string | null;
  readonly port: number | null;
  readonly userParams: Readonly<Record<string, string>>;
}

/** Something that Meta has forbidden the number for a time. */
export interface Restriction {
  readonly type: string;
  readonly reason: string | null;
  /** Milliseconds since 1970; null: not said. */
  readonly until: number | null;
}

/** Spans of a day as "0900-1730". */
export interface RemoteHours {
  readonly status: string | null;
  readonly timezone: string | null;
  /** Of MONDAY to SUNDAY, those that have spans, in order. */
  readonly week: Readonly<Record<string, readonly string[]>>;
  /** Date → spans in which it is open instead of those of the week, in order. */
  readonly holidays: Readonly<Record<string, readonly string[]>>;
}

/**
 * The span of a date on which nobody is there. Meta's page has opening and closing times for a holiday as for a day of the week, the one before the other, and no
 * word for "closed": one minute at midnight is the least (META-SIP §2.2).
 */
export const closedSpan = '0000-0001';

export interface RemoteVoicemail {
  readonly status: string | null;
  /** REJECT, TIMEOUT, in order. */
  readonly triggers: readonly string[];
  /** Id of the medium. */
  readonly announcement: string | null;
  /** Seconds of ringing before TIMEOUT. */
  readonly timeout: number | null;
}

/** What Meta tells of a number; null, or an empty list: it is not there in Meta's answer, which is so for what was never set. */
export interface RemoteSettings {
  readonly status: string | null;
  readonly icon: string | null;
  readonly countries: readonly string[];
  readonly callback: string | null;
  readonly hours: RemoteHours | null;
  readonly sip: string | null;
  readonly webhookDelivery: string | null;
  readonly servers: readonly RemoteServer[];
  readonly srtp: string | null;
  readonly codecs: readonly string[];
  readonly voicemail: RemoteVoicemail | null;
  readonly restrictions: readonly Restriction[];
}

/** Reads the answer of GET …/settings. A number that never had calling has no `calling` at all. Null when it is no answer. */
export function readSettings(body: unknown): RemoteSettings | null {
  if (!isRecord(body)) return null;
  const calling = record(body['calling']);
  const sip = record(calling['sip']);
  const restrictions = record(calling['restrictions']);
  return {
    status: word(calling['status']), icon: word(calling['call_icon_visibility']), callback: word(calling['callback_permission_status']),
    countries: texts(record(calling['call_icons'])['restrict_to_user_countries']).map((country) => country.toUpperCase()).sort(),
    hours: isRecord(calling['call_hours']) ? readHours(calling['call_hours']) : null,
    sip: word(sip['status']), webhookDelivery: word(sip['webhook_delivery']), servers: list(sip['servers']).map(record).map(readServer),
    srtp: word(calling['srtp_key_exchange_protocol']), codecs: texts(record(calling['audio'])['additional_codecs']).map((codec) => codec.toUpperCase()).sort(),
    voicemail: isRecord(calling['voicemail']) ? readVoicemail(calling['voicemail']) : null,
    // The sample of Meta's page has restrictions_list, its table restriction_list.
    restrictions: [...list(restrictions['restrictions_list']), ...list(restrictions['restriction_list'])].map(record).map(readRestriction),
  };
}

/** The SIP password of an app's server in the answer with credentials; null: there is none. Meta's samples have `app_id` as a number. */
export function readPassword(body: unknown, appId: string | null): string | null {
  const servers = list(record(record(record(body)['calling'])['sip'])['servers']).map(record);
  const ours = appId === null ? servers : servers.filter((server) => text(server['app_id']) === appId);
  return ours.length === 1 ? text(ours[0]?.['sip_user_password']) : null;
}

function word(value: unknown): string | null {
  return text(value)?.toUpperCase() ?? null;
}

function texts(value: unknown): string[] {
  return list(value).flatMap((item) => text(item) ?? []);
}

function readServer(server: Json): RemoteServer {
  const params = Object.entries(record(server['request_uri_user_params'])).flatMap(([name, value]) => { const read = text(value); return read === null ? [] : [[name, read] as const]; });
  return { appId: text(server['app_id']), hostname: text(server['hostname'])?.toLowerCase() ?? null, port: whole(server['port']), userParams: Object.fromEntries(params) };
}

function readVoicemail(voicemail: Json): RemoteVoicemail {
  const audio = record(record(voicemail['audio'])['default']);
  return { status: word(voicemail['status']), triggers: texts(voicemail['triggers']).map((trigger) => trigger.toUpperCase()).sort(), announcement: text(audio['announcement_media_id']), timeout: whole(audio['timeout_seconds']) };
}

function readRestriction(restriction: Json): Restriction {
  return { type: word(restriction['type']) ?? 'UNKNOWN', reason: text(restriction['reason']), until: time(restriction['expiration']) };
}

/** Days as Meta names them, in the order of a week. */
export const weekdays = ['MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY', 'SUNDAY'] as const;

function readHours(hours: Json): RemoteHours {
  const week = together(list(hours['weekly_operating_hours']).map(record).map((entry) => [word(entry['day_of_week']) ?? '', span(entry['open_time'], entry['close_time'])]));
  const days = weekdays.flatMap((day) => { const spans = week.get(day); return spans === undefined ? [] : [[day, spans] as const]; });
  const holidays = together(list(hours['holiday_schedule']).map(record).map((entry) => {
    // start_time and end_time in every sample of Meta's, open_time and close_time in its table.
    return [text(entry['date']) ?? '', span(entry['start_time'] ?? entry['open_time'], entry['end_time'] ?? entry['close_time'])];
  }));
  return { status: word(hours['status']), timezone: text(hours['timezone_id']), week: Object.fromEntries(days), holidays: Object.fromEntries([...holidays].sort(([a], [b]) => (a < b ? -1 : 1))) };
}

/** Key → its spans in order. */
function together(entries: readonly (readonly [key: string, span: string])[]): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const [key, one] of entries) found.set(key, [...found.get(key) ?? [], one].sort());
  return found;
}

/** "0900-1730". Meta writes "0900" in its samples, calls it an integer in its table (then 400 is 04:00), and has "04:00" in one place. */
function span(from: unknown, to: unknown): string {
  return `${clock(from)}-${clock(to)}`;
}

function clock(value: unknown): string {
  const said = text(value) ?? '';
  const digits = said.replace(':', '').padStart(4, '0');
  return /^\d{4}$/.test(digits) ? digits : said;
}

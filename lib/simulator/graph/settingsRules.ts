// What Meta takes as calling settings of a number (Meta's page "Call settings"), and what it refuses.
import { fields, isFields, isOneOf, items, type Fields } from './reading.js';

const SWITCH = ['ENABLED', 'DISABLED'] as const;
const DAYS = ['MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY', 'SUNDAY'] as const;
const KEYS = ['status', 'call_icon_visibility', 'call_icons', 'call_hours', 'callback_permission_status', 'sip', 'srtp_key_exchange_protocol', 'audio', 'voicemail'] as const;
const MOST_HOLIDAYS = 20;
const MOST_SPANS_A_DAY = 2;
const MOST_PARAM_LENGTH = 128;

/** What is wrong with settings that are sent, null when nothing is. `today` is "2026-11-29". */
export function complaint(calling: Fields, today: string): string | null {
  const unknown = Object.keys(calling).find((key) => !KEYS.some((known) => known === key));
  if (unknown !== undefined) return `${unknown} cannot be set`;
  return switches(calling) ?? icons(calling['call_icons']) ?? hours(calling['call_hours'], today) ?? sip(calling['sip']) ?? codecs(calling['audio']) ?? voicemail(calling['voicemail']);
}

function switches(calling: Fields): string | null {
  const enums: Readonly<Record<string, readonly string[]>> = {
    status: SWITCH, callback_permission_status: SWITCH, call_icon_visibility: ['DEFAULT', 'DISABLE_ALL', 'HIDE_IN_CHAT'], srtp_key_exchange_protocol: ['DTLS', 'SDES'],
  };
  for (const [key, known] of Object.entries(enums)) if (key in calling && !isOneOf(calling[key], ...known)) return `Invalid ${key}: one of ${known.join(', ')}`;
  return null;
}

function icons(value: unknown): string | null {
  if (value === undefined) return null;
  const countries = fields(value)['restrict_to_user_countries'];
  return Array.isArray(countries) && countries.every((one) => typeof one === 'string' && /^[A-Z]{2}$/.test(one)) ? null : 'Invalid restrict_to_user_countries';
}

function hours(value: unknown, today: string): string | null {
  if (value === undefined) return null;
  const { status, timezone_id: zone, weekly_operating_hours: week, holiday_schedule: holidays } = fields(value);
  if (!isOneOf(status, ...SWITCH)) return 'Invalid call_hours status';
  if (typeof zone !== 'string' || !isZone(zone)) return 'Invalid timezone_id';
  if (!Array.isArray(week) || week.length === 0) return 'weekly_operating_hours must not be empty';
  return weekly(week) ?? (holidays === undefined ? null : holidayList(holidays, today));
}

function isZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

function weekly(week: readonly unknown[]): string | null {
  const days = new Map<string, Minutes[]>();
  for (const entry of week) {
    const { day_of_week: day, open_time: open, close_time: close } = fields(entry);
    if (typeof day !== 'string' || !isOneOf(day, ...DAYS)) return 'Invalid day_of_week';
    const [from, to] = [minutes(open), minutes(close)];
    if (from === null || to === null || from >= to) return `Invalid call_hours schedule: ${day} must open before it closes`;
    const crowded = crowd(days, day, { from, to });
    if (crowded !== null) return crowded;
  }
  return null;
}

interface Minutes { readonly from: number; readonly to: number }

/** Puts a span to those of its day. The page says the same of days of the week and of holidays. */
function crowd(days: Map<string, Minutes[]>, day: string, span: Minutes): string | null {
  const others = days.get(day) ?? [];
  // Spans may touch.
  if (others.some((other) => span.from < other.to && other.from < span.to)) return `Invalid call_hours schedule: spans of ${day} overlap`;
  if (others.length === MOST_SPANS_A_DAY) return `Invalid call_hours schedule: more than ${MOST_SPANS_A_DAY} entries for ${day}`;
  days.set(day, [...others, span]);
  return null;
}

/** Minutes since midnight of "0900" or "09:00". */
function minutes(value: unknown): number | null {
  const [, hour = '', minute = ''] = /^(\d\d):?(\d\d)$/.exec(typeof value === 'string' ? value : '') ?? [];
  return hour === '' || Number(hour) > 23 || Number(minute) > 59 ? null : Number(hour) * 60 + Number(minute);
}

function holidayList(value: unknown, today: string): string | null {
  if (!Array.isArray(value)) return 'Invalid holiday_schedule';
  if (value.length > MOST_HOLIDAYS) return `holiday_schedule has more than ${MOST_HOLIDAYS} entries`;
  const days = new Map<string, Minutes[]>();
  for (const entry of value) {
    const holiday = fields(entry);
    const { date } = holiday;
    if (typeof date !== 'string' || !/^\d{4}-\d\d-\d\d$/.test(date) || Number.isNaN(Date.parse(date))) return 'Invalid holiday date: it must be YYYY-MM-DD';
    if (date < today) return `Holiday ${date} is in the past`;
    // Meta's samples have start_time and end_time, its table open_time and close_time.
    const [from, to] = [minutes(holiday['start_time'] ?? holiday['open_time']), minutes(holiday['end_time'] ?? holiday['close_time'])];
    if (from === null || to === null || from >= to) return `Invalid times of holiday ${date}`;
    const crowded = crowd(days, date, { from, to });
    if (crowded !== null) return crowded;
  }
  return null;
}

function sip(value: unknown): string | null {
  if (value === undefined) return null;
  const { status, webhook_delivery: delivery, servers, ...rest } = fields(value);
  if (Object.keys(rest).length > 0) return `sip.${Object.keys(rest)[0]} cannot be set`;
  if (status !== undefined && !isOneOf(status, ...SWITCH)) return 'Invalid sip status';
  if (delivery !== undefined && !isOneOf(delivery, ...SWITCH)) return 'Invalid sip webhook_delivery';
  if (servers === undefined) return null;
  if (!Array.isArray(servers) || servers.length > 1) return 'sip servers: one at most';
  return servers.map(server).find((wrong) => wrong !== null) ?? null;
}

function server(value: unknown): string | null {
  const { hostname, port, request_uri_user_params: params, ...rest } = fields(value);
  if (Object.keys(rest).length > 0) return `${Object.keys(rest)[0]} of a SIP server cannot be set`;
  if (typeof hostname !== 'string' || !/^[a-z0-9.-]{1,253}$/i.test(hostname)) return 'hostname of a SIP server is required';
  if (port !== undefined && (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65535)) return 'Invalid port of a SIP server';
  if (params === undefined) return null;
  const fits = isFields(params) && Object.entries(params).every(([key, one]) => typeof one === 'string' && one.length <= MOST_PARAM_LENGTH && key.length <= MOST_PARAM_LENGTH);
  return fits ? null : 'Invalid request_uri_user_params';
}

function codecs(value: unknown): string | null {
  if (value === undefined) return null;
  const list = fields(value)['additional_codecs'];
  return Array.isArray(list) && list.every((one) => isOneOf(one, 'PCMA', 'PCMU')) ? null : 'Invalid additional_codecs: PCMA and PCMU';
}

function voicemail(value: unknown): string | null {
  if (value === undefined) return null;
  const { status, triggers, audio } = fields(value);
  if (!isOneOf(status, ...SWITCH)) return 'Invalid voicemail status';
  if (status === 'DISABLED') return null;
  if (items(triggers).length === 0 || !items(triggers).every((one) => isOneOf(one, 'REJECT', 'TIMEOUT'))) return 'voicemail needs a trigger: REJECT or TIMEOUT';
  const { announcement_media_id: id, timeout_seconds: timeout } = fields(fields(audio)['default']);
  if (typeof id !== 'number') return 'voicemail needs an announcement_media_id, as a number';
  return timeout === undefined || (typeof timeout === 'number' && Number.isInteger(timeout) && timeout >= 0 && timeout <= 30) ? null : 'timeout_seconds of voicemail is 0 to 30';
}

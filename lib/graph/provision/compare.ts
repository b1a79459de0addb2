import { dateIn } from '../../config/hours.js';
import type { Json } from '../json.js';
import { isRecord, record } from '../json.js';
import { closedSpan, type RemoteHours, type RemoteServer, type RemoteSettings, type RemoteVoicemail } from '../settings.js';
import type { Wanted } from './wanted.js';

/** One thing that is not at Meta as the configuration wants it. */
export interface Difference {
  /** calling, sip, server, webhooks, srtp, codecs, voicemail, hours, callback, icon, countries; password, subscription. */
  readonly key: string;
  /** As a person reads it. Never a password. */
  readonly is: string;
  readonly wanted: string;
  /** What of `calling` changes it; null: no change of settings does. */
  readonly change: Json | null;
}

/** What differs, in the order of Meta's page. `appId`: whose server is ours. `now` in milliseconds since 1970. */
export function differencesOf(wanted: Wanted, remote: RemoteSettings, appId: string | null, now: number): readonly Difference[] {
  const { hostname, port } = wanted.server;
  const ours = ownServer(remote.servers, appId);
  const userParams = Object.keys(wanted.server.userParams).length > 0 ? wanted.server.userParams : ours?.userParams ?? {};
  const server = { hostname, port, ...(Object.keys(userParams).length === 0 ? {} : { request_uri_user_params: userParams }) };
  const all = [
    // What was never set is as Meta has it for everybody.
    plain('calling', remote.status ?? 'DISABLED', wanted.status, { status: wanted.status }),
    plain('icon', remote.icon ?? 'DEFAULT', wanted.icon, { call_icon_visibility: wanted.icon }),
    plain('countries', names(remote.countries, 'all'), wanted.countries === null ? null : names(wanted.countries, 'all'), { call_icons: { restrict_to_user_countries: wanted.countries } }),
    hoursDifference(remote.hours, wanted.hours, now),
    plain('callback', remote.callback ?? 'DISABLED', wanted.callback, { callback_permission_status: wanted.callback }),
    plain('sip', remote.sip ?? 'DISABLED', 'ENABLED', { sip: { status: 'ENABLED' } }),
    plain('server', ours === undefined ? 'none' : serverText(ours.hostname ?? '?', ours.port ?? 5061, ours.userParams), serverText(hostname, port, userParams), { sip: { servers: [server] } }),
    // Meta's answer may not have it: that is no difference.
    plain('webhooks', remote.webhookDelivery ?? 'ENABLED', wanted.webhookDelivery, { sip: { webhook_delivery: 'ENABLED' } }),
    plain('srtp', remote.srtp ?? 'DTLS', wanted.srtp, { srtp_key_exchange_protocol: wanted.srtp }),
    plain('codecs', names(remote.codecs, 'Opus alone'), names(wanted.codecs, 'Opus alone'), { audio: { additional_codecs: wanted.codecs } }),
    wanted.voicemail === null ? null : plain('voicemail', voicemailText(remote.voicemail), voicemailText(wanted.voicemail), { voicemail: voicemailBody(wanted.voicemail) }),
  ];
  return all.filter((one) => one !== null);
}

/** Our server among those of all apps. */
export function ownServer(servers: readonly RemoteServer[], appId: string | null): RemoteServer | undefined {
  return appId === null ? undefined : servers.find((server) => server.appId === appId);
}

function plain(key: string, is: string, wanted: string | null, change: Json): Difference | null {
  return wanted === null || is === wanted ? null : { key, is, wanted, change };
}

function serverText(hostname: string, port: number, params: Readonly<Record<string, string>>): string {
  return `${hostname}:${port}${Object.entries(params).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `;${name}=${value}`).join('')}`;
}

function voicemailText(voicemail: RemoteVoicemail | null): string {
  if (voicemail === null || voicemail.status !== 'ENABLED') return 'off';
  const { triggers, announcement, timeout } = voicemail;
  return `on ${triggers.join(', ')}${triggers.includes('TIMEOUT') ? ` after ${timeout ?? '?'} s` : ''}, announcement ${announcement ?? '?'}`;
}

/** Meta's page: the seconds stand beside the announcement, and are for TIMEOUT alone. */
function voicemailBody({ status, triggers, announcement, timeout }: RemoteVoicemail): Json {
  if (status !== 'ENABLED') return { status };
  return { status, triggers, audio: { default: { announcement_media_id: Number(announcement), ...(triggers.includes('TIMEOUT') ? { timeout_seconds: timeout } : {}) } } };
}

function names(list: readonly string[], none: string): string {
  return list.length === 0 ? none : list.join(', ');
}

function hoursDifference(is: RemoteHours | null, wanted: RemoteHours | null, now: number): Difference | null {
  if (wanted === null) return null;
  const [there, here] = [is === null ? 'none' : shown(is, now), shown(wanted, now)];
  return there === here ? null : { key: 'hours', is: there, wanted: here, change: { call_hours: hoursBody(wanted) } };
}

/** Hours as a person reads them: equal where they mean the same, so without holidays that are past. */
function shown({ status, timezone, week, holidays }: RemoteHours, now: number): string {
  if (status !== 'ENABLED') return 'always';
  const today = dateIn(timezone !== null && isZone(timezone) ? timezone : 'UTC', now);
  const days = Object.entries(week).map(([day, spans]) => `${day.slice(0, 1)}${day.slice(1, 3).toLowerCase()} ${spans.map(colons).join(' ')}`);
  const dates = Object.entries(holidays).filter(([date]) => date >= today).map(([date, spans]) => `${date} ${spans.join() === closedSpan ? 'closed' : spans.map(colons).join(' ')}`);
  return `${[timezone ?? '?', ...days].join(', ')}${dates.length === 0 ? '' : `; ${dates.join(', ')}`}`;
}

function isZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

function colons(span: string): string {
  return span.replace(/^(\d\d)(\d\d)-(\d\d)(\d\d)$/, '$1:$2-$3:$4');
}

/** `call_hours`, whole: what is left out of it is deleted. */
function hoursBody({ timezone, week, holidays }: RemoteHours): Json {
  const clock = (span: string): [string, string] => { const [from = '', to = ''] = span.split('-'); return [from, to]; };
  return {
    status: 'ENABLED', timezone_id: timezone,
    weekly_operating_hours: Object.entries(week).flatMap(([day, spans]) => spans.map(clock).map(([open_time, close_time]) => ({ day_of_week: day, open_time, close_time }))),
    holiday_schedule: Object.entries(holidays).flatMap(([date, spans]) => spans.map(clock).map(([start_time, end_time]) => ({ date, start_time, end_time }))),
  };
}

/**
 * All changes in one request. Where the server changes, the keying goes with it, as Meta may set it back to DTLS (META-SIP §2.3), and where SIP changes,
 * `webhook_delivery` does, which Meta may not tell.
 */
export function changeOf(differences: readonly Difference[], wanted: Wanted): Json {
  const calling: Record<string, unknown> = {};
  const needsKeying = differences.some(({ key }) => key === 'server');
  for (const { change } of [...differences, ...(needsKeying ? [{ change: { srtp_key_exchange_protocol: wanted.srtp } }] : [])]) {
    for (const [key, value] of Object.entries(change ?? {})) calling[key] = isRecord(value) ? { ...record(calling[key]), ...value } : value;
  }
  if (wanted.webhookDelivery !== null && isRecord(calling['sip'])) calling['sip'] = { webhook_delivery: wanted.webhookDelivery, ...calling['sip'] };
  return calling;
}

import { domainOf } from '../../config/domains.js';
import { dateIn, readHolidays, readWeek, weekdays as shortDays, type Span } from '../../config/hours.js';
import type { Config, HoursConfig } from '../../config/types.js';
import { defaultSipPort, splitHostPort, splitListen } from '../../util/hostPort.js';
import { closedSpan, weekdays, type RemoteHours, type RemoteVoicemail } from '../settings.js';

/** Settings of a number as the configuration wants them; null: as they are. */
export interface Wanted {
  readonly status: string;
  readonly icon: string | null;
  readonly countries: readonly string[] | null;
  readonly callback: string | null;
  readonly hours: RemoteHours | null;
  /** `userParams` empty: as they are. */
  readonly server: { readonly hostname: string; readonly port: number; readonly userParams: Readonly<Record<string, string>> };
  /** ENABLED where `webhooks` is configured. */
  readonly webhookDelivery: string | null;
  readonly srtp: string;
  readonly codecs: readonly string[];
  readonly voicemail: RemoteVoicemail | null;
}

/** What the configuration wants of a number; null: it has no `settings`. `now` in milliseconds since 1970: Meta takes no holiday that is past. */
export function wantedOf(config: Config, number: string, now: number): Wanted | null {
  const own = config.numbers[number];
  if (own === undefined || own.settings === null) return null;
  const { settings: { status, callback, hours, codecs, icon, countries, userParams, voicemail }, keying, g711 } = own;
  const opening = hours === null ? undefined : config.hours[hours];
  return {
    status, icon, countries: countries[0] === 'keep' ? null : [...countries].sort(), callback: callback === null ? null : callback ? 'ENABLED' : 'DISABLED',
    hours: opening === undefined ? null : remoteHours(opening, now), server: { hostname: domainOf(config, number).toLowerCase(), port: portAtMeta(config), userParams: textsOf(userParams) },
    webhookDelivery: config.webhooks === null ? null : 'ENABLED', srtp: keying === 'sdes' ? 'SDES' : 'DTLS', codecs: codecs[0] === 'default' ? (g711 ? ['PCMA', 'PCMU'] : []) : [...codecs].sort(),
    voicemail: voicemail === null ? null : { ...voicemail, triggers: [...voicemail.triggers].sort() },
  };
}

function textsOf(values: Readonly<Partial<Record<string, string>>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

/** The port that Meta is to call: the public one, else that of the TLS socket. */
export function portAtMeta({ sip }: Pick<Config, 'sip'>): number {
  const told = splitHostPort(sip.advertise.meta ?? '')?.port ?? null;
  if (told !== null) return told;
  const listening = sip.server === 'embedded' ? sip.listen.map((listen) => splitListen(listen, ['tls'])).find((point) => point !== null) : undefined;
  return listening === undefined || listening === null || listening.port === 0 ? defaultSipPort(true) : listening.port;
}

function remoteHours(hours: HoursConfig, now: number): RemoteHours {
  const week = readWeek(hours);
  const days = shortDays.flatMap((day, i) => (week[day].length === 0 ? [] : [[weekdays[i] ?? '', week[day].map(spanAtMeta)] as const]));
  const today = dateIn(hours.timezone, now);
  const holidays = readHolidays(hours).filter(({ date }) => date >= today).map(({ date, spans }) => [date, spans.length === 0 ? [closedSpan] : spans.map(spanAtMeta)] as const);
  return { status: 'ENABLED', timezone: hours.timezone, week: Object.fromEntries(days), holidays: Object.fromEntries(holidays) };
}

/** "0900-1230"; Meta's clock ends at 2359. */
function spanAtMeta({ from, to }: Span): string {
  const clock = (minutes: number): string => `${String(Math.floor(minutes / 60)).padStart(2, '0')}${String(minutes % 60).padStart(2, '0')}`;
  return `${clock(from)}-${clock(Math.min(to, 24 * 60 - 1))}`;
}

// What is at Meta beside the settings: shown, and no difference, as no request changes it.
import type { HealthEntity, MessagingLimit } from '../health.js';
import type { RemoteServer, Restriction } from '../settings.js';

export interface Fact {
  /** warn: something keeps calls, or some of them, from working. */
  readonly level: 'ok' | 'warn';
  readonly text: string;
  readonly todo: string | null;
}

const ok = (text: string): Fact => ({ level: 'ok', text, todo: null });
const warn = (text: string, todo: string): Fact => ({ level: 'warn', text, todo });

export function limitFact(limit: MessagingLimit | null): Fact {
  if (limit === null) return ok('messaging limit: Meta does not say');
  if (limit.conversations !== null && limit.conversations < 2000) return warn(`messaging limit ${limit.tier}: calling needs 2000`, 'verify the business, or send more good messages, until the limit is raised');
  return ok(`messaging limit ${limit.tier}`);
}

const nodes: Readonly<Record<string, string>> = { PHONE_NUMBER: 'the number', WABA: 'the WhatsApp account', BUSINESS: 'the business', APP: 'the app' };

/** Health of each node by itself: the whole says BLOCKED for want of SIP alone. */
export function healthFacts(entities: readonly HealthEntity[]): Fact[] {
  return entities.map(({ type, messages, sip, errors, info }) => {
    const name = nodes[type] ?? type;
    const bad = [messages, sip].some((state) => state !== null && state !== 'AVAILABLE');
    const state = `${name}: messages ${messages ?? 'not said'}${sip === null ? '' : `, calls by SIP ${sip}`}`;
    if (!bad) return ok(state);
    const why = [...errors.map(({ code, text }) => `${code ?? ''} ${text}`.trim()), ...info].join('; ');
    return warn(`${state}${why === '' ? '' : ` (${why})`}`, errors.map(({ todo }) => todo).find((todo) => todo !== null) ?? 'look at the number in WhatsApp Manager');
  });
}

const restrictions: Readonly<Record<string, string>> = {
  RESTRICTED_BUSINESS_INITIATED_CALLING: 'no calls to users and no requests for permission', RESTRICTED_USER_INITIATED_CALLING: 'no calls of users, and no call button',
  RESTRICTED_BIZ_INITIATED_AND_USER_INITIATED_CALLING: 'no calls in either direction',
};

export function restrictionFacts(list: readonly Restriction[]): Fact[] {
  return list.map(({ type, reason, until }) => warn(
    `Meta has restricted the number: ${restrictions[type] ?? type}${until === null ? '' : `, until ${new Date(until).toISOString()}`}${reason === null ? '' : `: ${reason}`}`,
    'answer or refuse calls promptly, and call only users who expect it',
  ));
}

/** Servers of other apps: Meta's page says that one only works. */
export function otherServerFacts(servers: readonly RemoteServer[], appId: string | null): Fact[] {
  return servers.filter((server) => server.appId !== appId)
    .map(({ hostname, port, appId: app }) => warn(`app ${app ?? '?'} has a SIP server for the number too: ${hostname ?? '?'}:${port ?? 5061}`, "take it away with that app's token: Meta works with one"));
}

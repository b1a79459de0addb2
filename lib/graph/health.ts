// Health, messaging limit and subscriptions as Meta tells them (Meta's pages "Health status" and "Messaging limits").
import { list, record, text, whole, type Json } from './json.js';

/** A node of Meta's that calls of a number need: PHONE_NUMBER, WABA, BUSINESS, APP. */
export interface HealthEntity {
  readonly type: string;
  readonly id: string | null;
  /** AVAILABLE, LIMITED or BLOCKED, or a word that is newer than this program; null: not said. */
  readonly messages: string | null;
  /** The same of calls by SIP: said of PHONE_NUMBER and APP alone. */
  readonly sip: string | null;
  readonly info: readonly string[];
  readonly errors: readonly { readonly code: number | null; readonly text: string; readonly todo: string | null }[];
}

/** Reads `health_status`. The aggregate of it is left out: it can say BLOCKED for want of SIP while every entity may send messages. */
export function readHealth(body: unknown): readonly HealthEntity[] {
  return list(record(record(body)['health_status'])['entities']).map(record).map((entity) => ({
    type: text(entity['entity_type']) ?? 'UNKNOWN', id: text(entity['id']), messages: text(entity['can_send_message']), sip: text(entity['can_receive_call_sip']),
    info: list(entity['additional_info']).flatMap((one) => text(one) ?? []), errors: list(entity['errors']).map(record).map(readError),
  }));
}

function readError(error: Json): HealthEntity['errors'][number] {
  return { code: whole(error['error_code']), text: text(error['error_description']) ?? '', todo: text(error['possible_solution']) };
}

/** Conversations that a number may begin in 24 hours. */
export interface MessagingLimit {
  /** As Meta writes it: TIER_2K. */
  readonly tier: string;
  /** Infinity for TIER_UNLIMITED; null for a word that is no number. */
  readonly conversations: number | null;
}

/** Reads the limit by either of its names: `whatsapp_business_manager_messaging_limit` is the newer one. Null: Meta does not say. */
export function readMessagingLimit(body: unknown): MessagingLimit | null {
  const answer = record(body);
  const tier = text(answer['whatsapp_business_manager_messaging_limit']) ?? text(answer['messaging_limit_tier']);
  if (tier === null) return null;
  const [, count, thousands] = /^TIER_(\d{1,9})(K?)$/i.exec(tier) ?? [];
  return { tier, conversations: /UNLIMITED/i.test(tier) ? Infinity : count === undefined ? null : Number(count) * (thousands === '' ? 1 : 1000) };
}

/** Ids of the apps in the answer of GET /{WABA_ID}/subscribed_apps. */
export function readSubscribedApps(body: unknown): readonly string[] {
  return list(record(body)['data']).map(record).flatMap((row) => text(record(row['whatsapp_business_api_data'])['id']) ?? text(row['id']) ?? []);
}

// May a user be called, and asking for it: bodies and answers of the Graph API (Meta's page "User call permissions").
import { identity, list, record, text, time, whole, type Json } from './json.js';

/** A limit that Meta counts. */
export interface PermissionLimit {
  /** As Meta writes it, an ISO 8601 duration: PT24H, P7D. */
  readonly period: string;
  readonly allowed: number | null;
  readonly used: number | null;
  /** Milliseconds since 1970; there only when the limit is reached. */
  readonly until: number | null;
}

/** start_call, send_call_permission_request, or a word that is newer than this program. */
export interface PermissionAction {
  readonly name: string;
  /** null: Meta does not say. */
  readonly can: boolean | null;
  readonly limits: readonly PermissionLimit[];
}

/** What Meta says of calling a user. */
export interface CallPermissions {
  /** no_permission, temporary, permanent, or a word that is newer than this program. */
  readonly status: string;
  /** Milliseconds since 1970; null: it does not end, or Meta does not say when. */
  readonly expiresAt: number | null;
  readonly actions: readonly PermissionAction[];
}

/** Reads the answer of GET …/call_permissions; null when it is none. */
export function readPermissions(body: unknown): CallPermissions | null {
  const answer = record(body);
  const permission = record(answer['permission']);
  const status = text(permission['status']);
  if (status === null) return null;
  return {
    status: status.toLowerCase(),
    // Meta's sample has expiration_time, its table expiration.
    expiresAt: time(permission['expiration_time']) ?? time(permission['expiration']),
    actions: list(answer['actions']).map(record).flatMap((action) => {
      const name = text(action['action_name']);
      return name === null ? [] : [{ name, can: truth(action['can_perform_action']), limits: list(action['limits']).map(record).map(readLimit) }];
    }),
  };
}

function readLimit(limit: Json): PermissionLimit {
  return { period: text(limit['time_period']) ?? '', allowed: count(limit['max_allowed']), used: count(limit['current_usage']), until: time(limit['limit_expiration_time']) };
}

function count(value: unknown): number | null {
  const read = whole(value);
  return read === null || read < 0 ? null : read;
}

function truth(value: unknown): boolean | null {
  return value === true || value === 'true' ? true : value === false || value === 'false' ? false : null;
}

/** Whether Meta lets the number call this user now, `now` in milliseconds since 1970: the permission alone, without `start_call`'s limits. */
export function isPermitted({ status, expiresAt }: CallPermissions, now: number): boolean {
  // The endpoint's reference names "granted" too.
  if (status !== 'temporary' && status !== 'permanent' && status !== 'granted') return false;
  return expiresAt === null || expiresAt > now;
}

/** What Meta says of an action; null when it does not name it. */
export function actionOf({ actions }: CallPermissions, name: 'start_call' | 'send_call_permission_request'): PermissionAction | null {
  return actions.find((action) => action.name === name) ?? null;
}

/** How a user is asked: in Meta's own words with a text of ours above (null: none), within 24 hours of the user's last message; or by a template at any time. */
export type PermissionQuestion =
  | { readonly text: string | null }
  | { readonly template: string; readonly language: string; readonly parameters?: readonly string[] };

/** `numbers.*.permissionRequest`. */
export interface QuestionConfig { readonly text: string | null; readonly template: string | null; readonly language: string }

export function questionOf({ text, template, language }: QuestionConfig): PermissionQuestion {
  return template === null ? { text } : { template, language };
}

/** A user as Meta's parameters take it: the digits of "+447700900101", or a BSUID. */
export function userOf(user: string): { readonly digits: string } | { readonly bsuid: string } {
  return /^\+?[0-9]+$/.test(user) ? { digits: user.replace(/^\+/, '') } : { bsuid: user };
}

/** The body of POST …/messages that asks the user. */
export function questionBody(user: string, question: PermissionQuestion): Json {
  const who = userOf(user);
  const head = { messaging_product: 'whatsapp', recipient_type: 'individual', ...('digits' in who ? { to: who.digits } : { recipient: who.bsuid }) };
  if ('text' in question) {
    // Meta takes neither a header nor a footer here.
    const body = question.text === null ? {} : { body: { text: question.text } };
    return { ...head, type: 'interactive', interactive: { type: 'call_permission_request', action: { name: 'call_permission_request' }, ...body } };
  }
  const parameters = (question.parameters ?? []).map((value) => ({ type: 'text', text: value }));
  const components = parameters.length === 0 ? {} : { components: [{ type: 'body', parameters }] };
  return { ...head, type: 'template', template: { name: question.template, language: { code: question.language }, ...components } };
}

/** A message that Meta has taken. */
export interface SentMessage {
  /** wamid, by which webhooks name it. */
  readonly id: string;
  /** The user's number without +, BSUID and that of the parent business; null: not said. */
  readonly waId: string | null;
  readonly userId: string | null;
  readonly parentUserId: string | null;
}

/** Reads the answer of POST …/messages; null when it is none. */
export function readSent(body: unknown): SentMessage | null {
  const answer = record(body);
  const id = identity(record(list(answer['messages'])[0])['id']);
  const contact = record(list(answer['contacts'])[0]);
  return id === null ? null : { id, waId: text(contact['wa_id']), userId: text(contact['user_id']), parentUserId: text(contact['parent_user_id']) };
}

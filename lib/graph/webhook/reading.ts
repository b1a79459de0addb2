// What Meta's webhooks tell of calling (META-SIP §8). They come twice, late and in any order; fields and words that are newer than this program are passed over.
import type { Reply } from '../permission/pair.js';
import { identity, list, record, text, time, whole, type Json } from '../json.js';

/** A business number as a webhook names it: by id, and as it is dialled, with '+'. */
export interface ToldNumber { readonly id: string | null; readonly display: string | null }

/** A WhatsApp user as a webhook names them: number with '+', BSUID, the parent's. At least one is there. */
export interface ToldUser { readonly number: string | null; readonly id: string | null; readonly parentId: string | null }

/** A call_created or a terminate. */
export interface ToldCall {
  readonly kind: 'call';
  readonly number: ToldNumber;
  readonly user: ToldUser;
  /** call_created, terminate, or a newer word. */
  readonly event: string;
  readonly wacid: string;
  readonly direction: 'business-initiated' | 'user-initiated' | null;
  /** Milliseconds since 1970. */
  readonly at: number | null;
  /** When it was taken; null: it was not, or has not been yet. */
  readonly connectedAt: number | null;
  /** Seconds. */
  readonly duration: number | null;
  readonly errors: readonly { readonly code: number | null; readonly message: string }[];
}

export type ToldEvent =
  | ToldCall
  | { readonly kind: 'reply'; readonly number: ToldNumber; readonly user: ToldUser; readonly reply: Reply }
  | { readonly kind: 'voicemail'; readonly number: ToldNumber; readonly user: ToldUser; readonly wacid: string; readonly mediaId: string; readonly at: number | null }
  | { readonly kind: 'settings'; readonly number: ToldNumber; /** What has changed, in Meta's words. */ readonly calling: Json }
  | { readonly kind: 'quality'; readonly number: ToldNumber; readonly type: string; readonly remediation: string | null; /** Of a restriction: when it ends. */ readonly until: number | null; readonly restricts: boolean };

/** Entries, changes, calls and messages of one body that are looked at; Meta sends a thousand changes at most. */
const mostItems = 10_000;
/** Contacts, and errors or restrictions, of one change that are looked at; Meta sends a contact for each message. */
const mostContacts = 10_000;
const maxBeside = 10;
/** Characters of a text of Meta's that is shown. */
const maxShownLength = 1000;

/** Reads the body of a webhook. What cannot be understood in it is left out. */
export function readWebhook(body: Json): ToldEvent[] {
  return list(body['entry']).flatMap((entry) => list(record(entry)['changes'])).slice(0, mostItems).flatMap((item) => {
    const change = record(item);
    // Some samples have a list around the one value.
    return (Array.isArray(change['value']) ? list(change['value']) : [change['value']]).flatMap((value) => readChange(text(change['field']) ?? '', record(value)));
  }).slice(0, mostItems);
}

function readChange(field: string, value: Json): ToldEvent[] {
  if (field === 'calls' || field === 'messages') {
    const beside: Beside = { number: numberOf(value), contacts: contactsOf(value), errors: list(value['errors']).slice(0, maxBeside).map(readError) };
    return list(value[field]).slice(0, mostItems).flatMap((item) => (field === 'calls' ? readCall(record(item), beside) : readMessage(record(item), beside)));
  }
  if (field === 'account_settings_update') return readSettings(value);
  if (field === 'account_update') return readAccount(value);
  return [];
}

function numberOf(value: Json): ToldNumber {
  const metadata = record(value['metadata']);
  return { id: text(metadata['phone_number_id']), display: dialled(metadata['display_phone_number']) };
}

/** What stands beside the calls or messages of one change, read once. */
interface Beside {
  readonly number: ToldNumber;
  readonly contacts: Contacts;
  readonly errors: ToldCall['errors'];
}

interface Contacts {
  /** Where there is one only. */
  readonly alone: ToldUser | null;
  readonly byNumber: ReadonlyMap<string | null, ToldUser>;
  readonly byId: ReadonlyMap<string | null, ToldUser>;
}

function contactsOf(value: Json): Contacts {
  const contacts = list(value['contacts']).slice(0, mostContacts).map((item): ToldUser => {
    const contact = record(item);
    return { number: dialled(contact['wa_id']), id: bsuid(contact['user_id']), parentId: bsuid(contact['parent_user_id']) };
  });
  return {
    alone: contacts.length === 1 ? contacts[0] ?? null : null,
    byNumber: new Map(contacts.map((contact) => [contact.number, contact])), byId: new Map(contacts.map((contact) => [contact.id, contact])),
  };
}

function readError(value: unknown): ToldCall['errors'][number] {
  const error = record(value);
  return { code: whole(error['code']), message: shown(record(error['error_data'])['details']) ?? shown(error['message']) ?? '' };
}

function shown(value: unknown): string | null {
  return text(value)?.slice(0, maxShownLength) ?? null;
}

/** "+447700900001" of a number as people or Meta write it. */
function dialled(value: unknown): string | null {
  const digits = identity(value)?.replace(/[^0-9]/g, '') ?? '';
  return /^[1-9][0-9]{6,14}$/.test(digits) ? `+${digits}` : null;
}

function bsuid(value: unknown): string | null {
  const id = identity(value) ?? '';
  return /^[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}$/.test(id) ? id : null;
}

/** The user whom a message or call names, by the contact beside it too. A contact alone is the user's where it says nothing else. */
function userOf({ contacts }: Beside, { number, id, parentId }: ToldUser): ToldUser | null {
  const { alone, byNumber, byId } = contacts;
  const found = (number === null ? undefined : byNumber.get(number)) ?? (id === null ? undefined : byId.get(id));
  const contact = found ?? (alone !== null && isOneUser(alone.number, number) && isOneUser(alone.id, id) ? alone : null);
  const user = { number: number ?? contact?.number ?? null, id: id ?? contact?.id ?? null, parentId: parentId ?? contact?.parentId ?? null };
  return user.number === null && user.id === null && user.parentId === null ? null : user;
}

function isOneUser(name: string | null, other: string | null): boolean {
  return name === null || other === null || name === other;
}

function readCall(call: Json, beside: Beside): ToldEvent[] {
  const wacid = identity(call['id']);
  const event = identity(call['event']);
  const { number, errors } = beside;
  // In a sample of Meta's the two sides are exchanged: the user is who is not the business.
  const [from, to] = [dialled(call['from']), dialled(call['to'])];
  const userNumber = from !== null && from !== number.display ? from : to !== null && to !== number.display ? to : null;
  const user = userOf(beside, {
    number: userNumber, id: bsuid(call['from_user_id']) ?? bsuid(call['to_user_id']) ?? bsuid(call['from']) ?? bsuid(call['to']),
    parentId: bsuid(call['from_parent_user_id']) ?? bsuid(call['to_parent_user_id']),
  });
  if (wacid === null || event === null || user === null) return [];
  const word = (text(call['direction']) ?? '').toUpperCase();
  const duration = whole(call['duration']);
  return [{
    kind: 'call', number, user, event: event.toLowerCase(), wacid, at: time(call['timestamp']), duration,
    direction: word === 'BUSINESS_INITIATED' ? 'business-initiated' : word === 'USER_INITIATED' ? 'user-initiated' : null,
    connectedAt: duration === null && call['start_time'] === undefined ? null : time(call['start_time']) ?? time(call['timestamp']),
    errors,
  }];
}

function readMessage(message: Json, beside: Beside): ToldEvent[] {
  const id = identity(message['id']);
  const at = time(message['timestamp']);
  const { number } = beside;
  const user = userOf(beside, { number: dialled(message['from']), id: bsuid(message['from_user_id']), parentId: bsuid(message['from_parent_user_id']) });
  if (id === null || user === null) return [];
  const audio = record(message['audio']);
  const mediaId = identity(audio['id']);
  // A voicemail is an audio message that has the id of its call.
  if (text(message['type']) === 'audio' && id.startsWith('wacid.') && mediaId !== null) return [{ kind: 'voicemail', number, user, wacid: id, mediaId, at }];
  const interactive = record(message['interactive']);
  const said = record(interactive['call_permission_reply']);
  const response = text(said['response'])?.toLowerCase();
  if (text(interactive['type']) !== 'call_permission_reply' || at === null || (response !== 'accept' && response !== 'reject')) return [];
  return [{
    kind: 'reply', number, user, reply: {
      id, at, accepted: response === 'accept', permanent: said['is_permanent'] === true || said['is_permanent'] === 'true', until: time(said['expiration_timestamp']),
      automatic: text(said['response_source'])?.toLowerCase() === 'automatic', answers: identity(record(message['context'])['id']),
    },
  }];
}

function readSettings(value: Json): ToldEvent[] {
  const settings = record(value['phone_number_settings']);
  return text(settings['phone_number_id']) === null ? [] : [{ kind: 'settings', number: { id: text(settings['phone_number_id']), display: null }, calling: record(settings['calling']) }];
}

function readAccount(value: Json): ToldEvent[] {
  const number = { id: null, display: dialled(value['phone_number']) };
  const violation = record(value['violation_info']);
  const type = identity(violation['violation_type']);
  const told: ToldEvent[] = type === null ? [] : [{ kind: 'quality', number, type, remediation: shown(violation['remediation']), until: null, restricts: false }];
  for (const item of list(value['restriction_info']).slice(0, maxBeside)) {
    const restriction = record(item);
    const kind = identity(restriction['restriction_type']);
    if (kind !== null) told.push({ kind: 'quality', number, type: kind, remediation: shown(restriction['remediation']), until: time(restriction['expiration']), restricts: true });
  }
  return told;
}

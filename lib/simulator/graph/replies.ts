// Permission requests, and what users say to them (Meta's page "User call permissions").
import { good, refuse, type Answer } from './answers.js';
import type { StandInNumber } from './number.js';
import { fields, isFields, items, type Fields } from './reading.js';
import { contact, named, userNamed, type StandInUser } from './users.js';
import type { World } from './world.js';

/** What a user, or Meta by itself, says to calls. */
export interface Reply {
  readonly response: 'accept' | 'reject';
  /** Seconds since 1970; undefined: for good, or not said. */
  readonly until?: number | undefined;
  readonly permanent?: boolean | undefined;
  readonly source: 'user_action' | 'automatic';
  /** wamid of the request, or wacid of the call, that it is about. */
  readonly context?: string | undefined;
}

export class Replies {
  readonly #world: World;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(world: World) {
    this.#world = world;
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  /** POST messages. */
  message(number: StandInNumber, body: Fields): Answer {
    const name = body['to'] ?? body['recipient'];
    const user = typeof name === 'string' ? userNamed(name) : undefined;
    if (body['messaging_product'] !== 'whatsapp' || user === undefined) return refuse(100, user === undefined ? 'to or recipient is required' : 'messaging_product must be whatsapp');
    const wrong = this.#judge(number, user, body);
    if (wrong !== null) return wrong;
    const wamid = this.#world.newId('wamid');
    if (isRequest(body)) this.#request(number, user, wamid);
    const status = body['type'] === 'template' ? { message_status: 'accepted' } : {};
    return good({
      messaging_product: 'whatsapp', contacts: [{ input: name, wa_id: user.waId, user_id: user.userId, parent_user_id: user.parentUserId }], messages: [{ id: wamid, ...status }],
    });
  }

  #judge(number: StandInNumber, user: StandInUser, body: Fields): Answer | null {
    const { ledger, outsideWindow, templates } = this.#world;
    if (body['type'] === 'template') {
      const { name, language } = fields(body['template']);
      if (!templates.has(`${String(name)} ${String(fields(language)['code'])}`)) return refuse(132001, `template ${String(name)} is not approved in ${String(fields(language)['code'])}`);
    } else if (outsideWindow.has(user.waId)) return refuse(131047, 'More than 24 hours have passed since the user last replied');
    if (!isRequest(body)) return null;
    const interactive = fields(body['interactive']);
    if ('header' in interactive || 'footer' in interactive) return refuse(131009, 'a call permission request has neither header nor footer');
    if (body['type'] === 'interactive' && fields(interactive['action'])['name'] !== 'call_permission_request') return refuse(131009, 'action.name must be call_permission_request');
    if (!number.isEnabled) return refuse(138000);
    const refused = ledger.requestRefusal(number, user);
    return refused === null ? null : refuse(refused, refused === 138009 ? 'one request in 24 hours and two in 7 days' : '');
  }

  #request(number: StandInNumber, user: StandInUser, wamid: string): void {
    const { behaviour, ledger, uncallable } = this.#world;
    ledger.requested(number, user, wamid);
    if (uncallable.has(user.waId)) return this.#status(number, user, wamid, 'failed', { errors: [{ code: 131026, title: 'Message undeliverable' }] });
    for (const status of ['sent', 'delivered']) this.#status(number, user, wamid, status);
    const { answer, answerMs } = behaviour;
    if (answer === null) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.answer(number, user, answer);
    }, answerMs);
    this.#timers.add(timer);
  }

  #status(number: StandInNumber, user: StandInUser, wamid: string, status: string, more: Fields = {}): void {
    const recipient = this.#world.behaviour.hidden ? {} : { recipient_id: user.waId };
    this.#world.tell(number, 'messages', { statuses: [{ id: wamid, status, timestamp: String(this.#world.clock.seconds()), ...recipient, recipient_user_id: user.userId, ...more }] });
  }

  /** The user answers the newest request: for 7 days, for good, or no. With `profile` in the business' profile, where there is no request. */
  answer(number: StandInNumber, user: StandInUser, answer: 'accept' | 'permanent' | 'reject', profile = false): void {
    const { ledger } = this.#world;
    const context = profile ? undefined : ledger.answer(number, user);
    if (answer === 'reject') {
      ledger.revoke(number, user);
      this.tell(number, user, { response: 'reject', source: 'user_action', context });
      return;
    }
    const permanent = answer === 'permanent';
    this.tell(number, user, { response: 'accept', permanent, until: ledger.grant(number, user, permanent), source: 'user_action', context });
  }

  /** The webhook of an answer. */
  tell(number: StandInNumber, user: StandInUser, { response, permanent = false, until, source, context }: Reply): void {
    const { hidden } = this.#world.behaviour;
    const reply = {
      response, ...(response === 'accept' ? { is_permanent: permanent } : {}), ...(until === undefined ? {} : { expiration_timestamp: String(until) }), response_source: source,
    };
    this.#world.tell(number, 'messages', {
      contacts: [contact(user, hidden)],
      messages: [{
        ...named('from', user, hidden), id: this.#world.newId('wamid'), timestamp: String(this.#world.clock.seconds()), type: 'interactive',
        ...(context === undefined ? {} : { context: { from: number.digits, id: context } }), interactive: { type: 'call_permission_reply', call_permission_reply: reply },
      }],
    });
  }
}

/** A message that asks for a call permission; templates of the stand-in all do. */
function isRequest(body: Fields): boolean {
  return body['type'] === 'template' || (body['type'] === 'interactive' && fields(body['interactive'])['type'] === 'call_permission_request');
}

/** POST message_templates: one with a call_permission_request is approved at once. */
export function createTemplate(world: World, body: Fields): Answer {
  const { name, language, category, components } = body;
  if (typeof name !== 'string' || typeof language !== 'string' || (category !== 'UTILITY' && category !== 'MARKETING')) return refuse(100, 'name, language and category (UTILITY or MARKETING) are required');
  if (!items(components).some((one) => isFields(one) && one['type'] === 'call_permission_request')) return refuse(100, 'the stand-in takes templates that ask for a call permission alone');
  world.templates.add(`${name} ${language}`);
  return good({ id: String(Math.floor(1e14 + Math.random() * 1e14)), status: 'APPROVED', category });
}

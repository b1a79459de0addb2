import { BoundedMap } from '../../util/boundedMap.js';
import { withTimeout } from '../../util/withTimeout.js';
import { GraphError } from '../error.js';
import { actionOf, questionOf, type CallPermissions, type PermissionAction, type PermissionQuestion, type QuestionConfig, type SentMessage } from '../permissions.js';
import { judgeFailedRequest } from './failedRequest.js';
import type { PermissionLedger } from './ledger.js';
import { mayBeCalled, weekMs, type Permission } from './pair.js';

/** What the gate asks of the Graph API. */
export interface PermissionApi {
  callPermissions(numberId: string, user: string): Promise<CallPermissions>;
  requestPermission(numberId: string, user: string, question: PermissionQuestion): Promise<SentMessage>;
}

/** What a call's record says of the permission. */
export interface PermissionRecord {
  /** unknown: Meta could not be asked, or says it in a word that nobody knows. */
  readonly status: 'none' | 'temporary' | 'permanent' | 'unknown';
  /** Who says so; null: nobody. */
  readonly from: 'ledger' | 'meta' | null;
  /** When it ends, ISO 8601; null: never, or there is none. */
  readonly until: string | null;
  /** Of `none`: sent: the user was asked now; pending: before; possible: may be asked; impossible: may not be asked now. */
  readonly request: 'sent' | 'pending' | 'possible' | 'impossible' | null;
  /** Why Meta could not be asked, or did not take the request. */
  readonly fault: string | null;
}

/** Whether a call may go on. */
export type Ruling =
  | { readonly allowed: true; readonly record: PermissionRecord }
  | { readonly allowed: false; readonly record: PermissionRecord; readonly code: 'permission.none' | 'permission.requested' | 'permission.unknown' | 'limit.pairDaily'; readonly status: number; readonly text: string };

/** What of a number's configuration matters here. */
export interface GatedNumber {
  readonly id: string | null;
  readonly permission: 'off' | 'check' | 'request';
  readonly permissionRequest: QuestionConfig;
}

export interface GateOptions {
  readonly ledger: PermissionLedger;
  /** Gives null where there is nobody to ask. */
  readonly api: () => PermissionApi | null;
  readonly whenDown: () => 'allow' | 'refuse';
  /** Milliseconds that one question to Meta may take. */
  readonly timeout: () => number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  readonly onRuling?: (ruling: Ruling) => void;
  /** Meta's answer to a request names the user by every name: the reply may have the id alone. */
  readonly onNames?: (user: string, userId: string | null, parentUserId: string | null) => void;
}

/** A "no" of Meta's is remembered so long: the user may say yes at any moment, and no webhook need come. */
const noLastsMs = 5000;
/** A user who said no is not asked by a call for so long. */
const userSaidNoMs = weekMs;
/** Answers of the last seconds. */
const mostAnswers = 10_000;

interface Answer {
  readonly at: number;
  readonly told: CallPermissions;
  /** What was heard while Meta answered says otherwise. */
  readonly doubtful: boolean;
}

/** Judges business-initiated calls by the user's permission: by the ledger where it knows, else by asking Meta, and asks the user where it is to. */
export class PermissionGate {
  readonly #options: GateOptions;
  readonly #asking = new Map<string, Promise<Answer>>();
  readonly #answers = new BoundedMap<string, Answer>(mostAnswers);

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** Judges a call: at once where the ledger knows that the user may be called; else within two time-outs. Never rejects. */
  judge(number: string, config: GatedNumber, user: string): Ruling | Promise<Ruling> {
    const ruling = this.look(number, config, user);
    return ruling instanceof Promise ? ruling.then((later) => this.#ruled(later)) : this.#ruled(ruling);
  }

  /** What `judge` would say, asked by no call. With `permission: 'request'` in `config` the user is asked, where they may be. */
  look(number: string, config: GatedNumber, user: string): Ruling | Promise<Ruling> {
    const known = this.#options.ledger.standing(number, user);
    return known === null || known.status === 'none' ? this.#ask(number, config, user, known) : allowed(known, 'ledger');
  }

  #ruled(ruling: Ruling): Ruling {
    this.#options.onRuling?.(ruling);
    return ruling;
  }

  async #ask(number: string, config: GatedNumber, user: string, known: Permission | null): Promise<Ruling> {
    const { ledger, now } = this.#options;
    const remembered = this.#answers.get(`${number} ${user}`);
    if (known?.status === 'none' && now() - known.heard < noLastsMs) return this.#refuse(number, config, user, { known, from: 'ledger', told: remembered !== undefined && now() - remembered.at < noLastsMs ? remembered.told : null });
    let answer: Answer;
    try {
      answer = await this.#question(number, config, user);
      if (answer.doubtful) answer = await this.#question(number, config, user);
      if (answer.doubtful) throw new Error('what webhooks and Meta say of this user contradicts itself');
    } catch (error) {
      return this.#whenDown(number, config, user, error);
    }
    const { told } = answer;
    const after = ledger.standing(number, user);
    if (after === null ? !mayBeCalled(told, now()) : after.status === 'none') return this.#refuse(number, config, user, { known: after, from: after === null || after.by === 'asked' ? 'meta' : 'ledger', told });
    const status = after?.status ?? (told.status === 'permanent' ? 'permanent' : told.expiresAt === null ? 'unknown' : 'temporary');
    const record: PermissionRecord = { status, from: 'meta', until: iso(after === null ? told.expiresAt : after.until), request: null, fault: null };
    const call = actionOf(told, 'start_call');
    if (call?.can === false) return { allowed: false, record, code: 'limit.pairDaily', status: 403, text: `Meta allows no further call to this user now${untilText(call)}` };
    return { allowed: true, record };
  }

  /** Asks Meta; who asks about the same user meanwhile gets the same answer. */
  #question(number: string, { id }: GatedNumber, user: string): Promise<Answer> {
    const key = `${number} ${user}`;
    const { ledger, now } = this.#options;
    const [api, timeout] = [this.#options.api(), this.#options.timeout()];
    const under = this.#asking.get(key);
    if (under !== undefined) return under;
    if (api === null || id === null) return Promise.reject(new Error('there is no graph, or no id of the number, in the configuration'));
    const at = now();
    const asked = withTimeout(api.callPermissions(id, user), timeout, () => { throw new Error(`Meta did not say within ${timeout} ms`); }).then((told) => {
      const answer = { at, told, doubtful: !ledger.told(number, user, told, at) };
      this.#answers.set(key, answer);
      return answer;
    }).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asked);
    return asked;
  }

  #learn(user: string, { waId, userId, parentUserId }: SentMessage): void {
    // What names another user names nobody.
    const same = /^\+?[0-9]+$/.test(user) ? waId === user.replace(/^\+/, '') : userId === user || parentUserId === user;
    if (same) this.#options.onNames?.(user, userId, parentUserId);
  }

  #whenDown(number: string, config: GatedNumber, user: string, error: unknown): Ruling | Promise<Ruling> {
    const known = this.#options.ledger.standing(number, user);
    const fault = error instanceof Error ? error.message : String(error);
    this.#options.log.warn({ number, user, err: fault, ...(error instanceof GraphError ? { todo: error.todo } : {}) }, `Meta could not be asked whether this user may be called${known?.status === 'none' ? ': what is known stands' : ''}`);
    // A permission that came while Meta did not answer.
    if (known !== null && known.status !== 'none') return allowed(known, 'ledger');
    // The last that was heard is a "no" of the user's, or of Meta's: that Meta cannot be asked does not make it a yes.
    if (known !== null && known.by !== 'asked') return this.#refuse(number, config, user, { known, from: 'ledger', told: null, fault });
    const record: PermissionRecord = { status: 'unknown', from: null, until: null, request: null, fault };
    if (this.#options.whenDown() === 'allow') return { allowed: true, record };
    return { allowed: false, record, code: 'permission.unknown', status: 503, text: 'whether this user may be called is not known: Meta could not be asked' };
  }

  /** There is no permission: asks for it where that is wanted and may be. */
  async #refuse(number: string, config: GatedNumber, user: string, { known, from, told, fault = null }: {
    readonly known: Permission | null; readonly from: 'ledger' | 'meta'; readonly told: CallPermissions | null; readonly fault?: string | null;
  }): Promise<Ruling> {
    const { ledger, now } = this.#options;
    const saidNo = known?.by === 'user' && known.heard > now() - userSaidNoMs;
    const can = !saidNo && fault === null && (told === null || actionOf(told, 'send_call_permission_request')?.can !== false) && ledger.requestFreeAt(number, user) === null;
    const pending = !saidNo && ledger.outstanding(number, user) !== null;
    const none = (request: PermissionRecord['request'], why: string | null = fault): PermissionRecord => ({ status: 'none', from, until: null, request, fault: why });
    if (config.permission !== 'request' || (!can && !pending)) {
      return { allowed: false, record: none(can ? 'possible' : 'impossible'), code: 'permission.none', status: 403, text: `the user has not permitted calls; ${can ? 'may be asked' : 'may not be asked now'}` };
    }
    if (!can) return asked(none('pending'), 'the user was asked for permission and has not answered yet');
    return this.#request(number, config, user, none);
  }

  async #request(number: string, { id, permissionRequest }: GatedNumber, user: string, none: (request: PermissionRecord['request'], fault?: string | null) => PermissionRecord): Promise<Ruling> {
    const { ledger, log } = this.#options;
    const [api, timeout] = [this.#options.api(), this.#options.timeout()];
    const ticket = api === null || id === null ? null : ledger.takeRequest(number, user);
    const refused = (why: string, text: string): Ruling => ({ allowed: false, record: none('impossible', why), code: 'permission.none', status: 403, text });
    if (ticket === null || api === null || id === null) return refused('the last request was taken', 'the user has not permitted calls; may not be asked now');
    // Counted, in the file too, before it leaves: killed in between, it counts and was not sent; never the other way round.
    if (!await ticket.stored) return refused('the last request was taken by another node', 'the user has not permitted calls; may not be asked now');
    try {
      const message = await withTimeout(api.requestPermission(id, user, questionOf(permissionRequest)), timeout, () => { throw new Error(`Meta did not confirm it within ${timeout} ms`); });
      ticket.sent(message.id);
      this.#learn(user, message);
      log.info({ number, user, message: message.id }, 'the user was asked for permission');
      return asked(none('sent', null), 'the user was asked for permission');
    } catch (error) {
      const failed = judgeFailedRequest(error);
      const why = error instanceof Error ? error.message : String(error);
      log.warn({ number, user, err: why, todo: error instanceof GraphError ? error.todo : null }, 'the user could not be asked for permission, or nobody knows');
      if (failed === 'permitted') {
        ticket.undo();
        ledger.told(number, user, { status: 'permanent', expiresAt: null, actions: [] }, this.#options.now());
        return { allowed: true, record: { status: 'permanent', from: 'meta', until: null, request: null, fault: null } };
      }
      // Somebody has asked this user already, or the request may have gone: it counts.
      if (failed !== 'unsent') {
        ticket.sent(null);
        return asked(none('pending', why), failed === 'askedAlready' ? 'the user was asked for permission already' : 'the user may have been asked for permission');
      }
      ticket.undo();
      return refused(why, 'the user has not permitted calls, and could not be asked');
    }
  }
}

/** What `X-WA-Permission` says to the PBX of a call that was refused; null: nothing. */
export function permissionHeader({ status, request }: PermissionRecord): string | null {
  if (status !== 'none') return null;
  return request === 'sent' || request === 'pending' ? 'none;requested' : `none;can-request=${request === 'possible' ? 'yes' : 'no'}`;
}

function asked(record: PermissionRecord, text: string): Ruling {
  return { allowed: false, record, code: 'permission.requested', status: 480, text };
}

function allowed({ status, until }: Permission, from: 'ledger' | 'meta'): Ruling {
  return { allowed: true, record: { status, from, until: iso(until), request: null, fault: null } };
}

function iso(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString();
}

function untilText({ limits }: PermissionAction): string {
  const times = limits.map(({ until }) => until).filter((time) => time !== null);
  return times.length === 0 ? '' : `; the next after ${new Date(Math.max(...times)).toISOString().slice(0, 16)}Z`;
}

// The SIP side's view of the ledger: who may call, and what a call does to permissions and webhooks.
import type { CallLedger, LedgerCall, LedgerEnd } from '../meta/ledger.js';
import type { MetaNumber } from '../meta/admission.js';
import { REFUSALS, type Refusal } from '../meta/refusals.js';
import type { Replies } from './replies.js';
import type { StandInNumber } from './number.js';
import type { World } from './world.js';
import { contact, named, userNamed, type StandInUser } from './users.js';

/** Answers that mean: the user did not take the call. */
const UNTAKEN: ReadonlySet<number> = new Set([408, 480, 486, 487]);

export class GraphCalls implements CallLedger {
  readonly #world: World;
  readonly #replies: Replies;

  constructor(world: World, replies: Replies) {
    this.#world = world;
    this.#replies = replies;
  }

  async number(number: string): Promise<MetaNumber | undefined> {
    const found = this.#world.byNumber(number);
    const server = found === undefined ? undefined : this.#world.server(found);
    if (found === undefined || server === undefined || !found.hasSip) return undefined;
    return { number: found.number, password: server.password, hostname: server.hostname, keying: found.keying, g711: found.hasG711 };
  }

  async judge(number: string, name: string): Promise<Refusal | undefined> {
    const { ledger, uncallable } = this.#world;
    const [found, user] = [this.#world.byNumber(number), userNamed(name)];
    if (found === undefined) return REFUSALS.unknownNumber();
    // Not permitted, no WhatsApp user, terms not accepted: Meta does not tell them apart (META-SIP §4.3).
    if (!found.isEnabled || user === undefined || uncallable.has(user.waId) || found.isRestricted('BUSINESS_INITIATED') || !ledger.isPermitted(found, user)) return REFUSALS.noPermission();
    return ledger.isDayFull(found, user) ? REFUSALS.dayLimit() : undefined;
  }

  async begun(call: LedgerCall): Promise<void> {
    this.#tell(call, (number, user) => ({ ...this.#common(call, number, user), event: 'call_created', timestamp: String(this.#world.clock.seconds()), direction: call.direction }));
  }

  async ended(call: LedgerCall, { status, connectedMs }: LedgerEnd): Promise<void> {
    const end = this.#world.clock.seconds();
    const duration = Math.round((connectedMs ?? 0) / 1000);
    // Calls that nobody took are COMPLETED too, without times.
    const failed = connectedMs === null && status >= 500;
    const times = connectedMs === null ? {} : { start_time: String(end - duration), end_time: String(end), duration };
    this.#tell(call, (number, user) => ({
      ...this.#common(call, number, user), event: 'terminate', direction: call.direction, timestamp: String(end), status: failed ? 'FAILED' : 'COMPLETED', ...times,
    }), failed ? { errors: [{ code: 138019, message: 'Call setup failed', error_data: { details: `SIP ${status}` } }] } : {});
    this.#count(call, status, connectedMs);
  }

  #count(call: LedgerCall, status: number, connectedMs: number | null): void {
    const { ledger } = this.#world;
    const [number, user] = [this.#world.byNumber(call.number), userNamed(call.user)];
    if (number === undefined || user === undefined) return;
    const isBusiness = call.direction === 'BUSINESS_INITIATED';
    if (connectedMs !== null) ledger.connected(number, user, isBusiness);
    if (isBusiness && connectedMs === null && UNTAKEN.has(status) && ledger.unanswered(number, user) === 'revoke') this.#replies.tell(number, user, { response: 'reject', source: 'automatic' });
    // Whether it was missed or connected: a user who calls may be called back (Meta's page "Call settings").
    if (!isBusiness && number.setting('callback_permission_status') === 'ENABLED' && !ledger.isPermitted(number, user)) {
      this.#replies.tell(number, user, { response: 'accept', until: ledger.grant(number, user, false), source: 'automatic', context: call.id });
    }
  }

  #common(call: LedgerCall, number: StandInNumber, user: StandInUser): Record<string, unknown> {
    const { hidden } = this.#world.behaviour;
    return call.direction === 'BUSINESS_INITIATED' ? { id: call.id, from: number.digits, ...named('to', user, hidden) } : { id: call.id, ...named('from', user, hidden), to: number.digits };
  }

  #tell(call: LedgerCall, event: (number: StandInNumber, user: StandInUser) => Record<string, unknown>, beside: Record<string, unknown> = {}): void {
    const [number, user] = [this.#world.byNumber(call.number), userNamed(call.user)];
    // Calls of SIP numbers are told of only where webhook_delivery says so.
    if (number === undefined || user === undefined || !number.wantsWebhooks) return;
    this.#world.tell(number, 'calls', { contacts: [contact(user, this.#world.behaviour.hidden)], calls: [event(number, user)], ...beside });
  }
}

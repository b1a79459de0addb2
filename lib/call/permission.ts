import { permissionHeader, type Ruling } from '../graph/permission/gate.js';
import type { PermissionLedger } from '../graph/permission/ledger.js';
import type { SipHeaders } from '../sip/drachtio.js';
import type { Call, CallFacts } from './call.js';
import type { BusinessInitiated } from './context.js';
import type { CallRecord } from './record.js';
import { ended } from './termination.js';

/** Whether the user has permitted calls, where the number looks at that. The call has ended when it gives false. Bounded by two times `graph.timeout`. */
export async function isPermitted(context: Pick<BusinessInitiated, 'permissions' | 'rules'>, call: Call, number: string, user: string): Promise<boolean> {
  const config = context.rules().config.numbers[number];
  if (config === undefined || config.permission === 'off') return true;
  const judged = context.permissions.gate.judge(number, config, user);
  // Nothing is waited for where it is known.
  const ruling = judged instanceof Promise ? await judged : judged;
  call.facts.permission = ruling.record;
  if (!ruling.allowed) call.end(ended.byPolicy({ code: ruling.code, rule: ruleOf(number, ruling), status: ruling.status, text: ruling.text }));
  return !call.over;
}

function ruleOf(number: string, { code }: Extract<Ruling, { allowed: false }>): string {
  return code === 'permission.unknown' ? 'graph.whenDown' : `numbers."${number}".permission`;
}

/** What the PBX is told of the permission in a refusal. */
export function permissionHeaders({ permission }: Pick<CallFacts, 'permission'>): SipHeaders {
  const value = permission === null ? null : permissionHeader(permission);
  return value === null ? {} : { 'X-WA-Permission': value };
}

/** What a call that is over says of the user's permission. A business-initiated one that Meta has connected has said so then. */
export function tellLedger(ledger: PermissionLedger, { facts, leftAt, rings }: Pick<Call, 'facts' | 'leftAt' | 'rings'>, record: Pick<CallRecord, 'direction' | 'time' | 'setupMs' | 'termination' | 'durationMs'>): void {
  const { number, user } = facts;
  if (number === null || user === null) return;
  const { direction, durationMs, termination: { by, reason } } = record;
  if (direction === 'user-initiated') {
    if (durationMs !== null) ledger.callConnected(number, user, Date.parse(record.time) + (record.setupMs ?? 0), false);
    ledger.usersCall(number, user);
    return;
  }
  if (durationMs !== null) return;
  // Whoever gave up first: the telephone rang, and the user did not take the call. To count one too many costs a question to Meta, one too few a call that it refuses.
  const untaken = by === 'meta' ? reason === 'declined' || reason === 'unreachable' : rings || (by === 'us' && reason === 'ringTimeout');
  const how = leftAt === null ? 'other' : untaken ? 'untaken' : by === 'meta' && (reason === 'noPermission' || reason === 'dailyLimit') ? reason : 'other';
  ledger.callFailed(number, user, how, leftAt ?? 0);
}

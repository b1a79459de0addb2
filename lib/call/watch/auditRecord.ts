import type { Config } from '../../config/types.js';
import { maskDigits } from '../../observe/redact.js';
import type { CallerFacts, PeerMessageFacts, TargetFacts, Verdict } from '../../policy/types.js';
import type { Call } from '../call.js';

/** What policy was asked about. */
export type JudgedFacts = TargetFacts | CallerFacts | PeerMessageFacts;

/** Header fields a verdict can rest on. Credentials are none of them. */
const judgedHeaders = ['from', 'contact', 'p-asserted-identity', 'remote-party-id', 'p-preferred-identity', 'diversion', 'history-info', 'reason', 'content-type'];
const maxText = 512;

/**
 * One line of the audit log: which call, what was asked, which rule decided, under which configuration. Bodies and credentials are
 * left out, users' numbers masked as in the CDR, long values cut.
 * @param enforced of a sign of a leak: whether it ended the call; of a verdict: left out
 */
export function auditRecord(call: Call, facts: JudgedFacts, verdict: Verdict, config: Config, enforced?: boolean): object {
  const keep = new Set(Object.keys(config.numbers));
  // Cut twice: a long value must not cost time, and a number at the cut must not show.
  const show = (text: string): string => (config.cdr.fullNumbers ? text : maskDigits(text.slice(0, 2 * maxText), keep)).slice(0, maxText);
  return {
    time: new Date().toISOString(), kind: 'origin' in facts ? 'target' : 'uri' in facts ? 'caller' : 'peerMessage',
    call: call.id, wacid: call.facts.wacid, direction: call.direction,
    facts: factsOf(facts, show),
    allow: verdict.allow, code: verdict.code, rule: verdict.rule, text: show(verdict.text),
    ...(verdict.allow ? {} : { status: verdict.status }), ...(enforced === undefined ? {} : { enforced }),
    config: config.hash,
  };
}

function factsOf(facts: JudgedFacts, show: (text: string) => string): object {
  if ('origin' in facts) return { ...facts, uri: show(facts.uri) };
  const headers = Object.fromEntries(Object.entries(facts.headers)
    .filter(([name]) => judgedHeaders.includes(name)).map(([name, values]) => [name, values.map(show)]));
  return 'uri' in facts ? { peer: facts.peer, uri: show(facts.uri), headers } : { peer: facts.peer, status: facts.status, source: facts.source, headers };
}

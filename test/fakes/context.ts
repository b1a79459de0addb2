// What a call is given to work with, for unit tests: the real rules and tables, and stand-ins for the SIP stack and the registrar.
import { Rests } from '../../lib/call/hunt/rests.js';
import { Aliases } from '../../lib/call/aliases.js';
import { Remembered } from '../../lib/state/index.js';
import { pino } from 'pino';
import { Call } from '../../lib/call/call.js';
import type { CallContext } from '../../lib/call/context.js';
import { DialogIndex } from '../../lib/call/features/dialogIndex.js';
import { locate } from '../../lib/call/peer/locate.js';
import { CallTable } from '../../lib/call/table.js';
import type { Config } from '../../lib/config/types.js';
import { compileRules } from '../../lib/app/rules.js';
import type { Binding } from '../../lib/registrar/bindings.js';
import { FakeStack } from './sip.js';

export const log = pino({ level: 'silent' });

export interface FakeContext {
  readonly context: CallContext;
  readonly stack: FakeStack;
  readonly table: CallTable;
  /** Peers that are out, with the reason. */
  readonly out: Map<string, string>;
  /** What was heard of peers: a name, and why nobody was there, or null. */
  readonly heard: (readonly [string, string | null])[];
  /** Devices by user. */
  readonly devices: Map<string, readonly Binding[]>;
  call(): Call;
}

/** `more`: members of the context that a test stands in for; what is neither here nor there throws. */
export async function fakeContext(config: Config, more: Partial<CallContext> = {}): Promise<FakeContext> {
  const rules = await compileRules(config);
  const stack = new FakeStack();
  const table = new CallTable();
  const out = new Map<string, string>();
  const devices = new Map<string, readonly Binding[]>();
  const heard: (readonly [string, string | null])[] = [];
  const known: Partial<CallContext> = {
    rules: () => rules, table, log, dialogs: new DialogIndex(), pickStack: () => stack.stack, aliases: new Aliases(new Remembered({ prefix: 'a', capacity: 10, lifetime: 1e12, now: Date.now })), metaProxy: () => null, rests: new Rests(() => performance.now()), onVerdict: () => undefined,
    wake: async () => undefined,
    locate: (target, peer) => locate({ out: (name) => out.get(name) ?? null, contacts: (_peer, user) => devices.get(user) ?? [] }, target, peer, config.domain),
    heardPeer: (peer, failure) => { heard.push([peer, failure]); },
    askAgain: () => () => false,
    objectsToPlace: () => null,
    onEnded: () => undefined, keyUser: () => null, recordings: null, recorders: { of: () => null }, shared: null,
    ...more,
  };
  const context = new Proxy(known, {
    get: (all, name) => {
      if (!(name in all)) throw new Error(`the test's context has no ${String(name)}`);
      return all[name as keyof CallContext];
    },
  }) as CallContext;
  const call = (): Call => new Call({ direction: 'user-initiated', startedAt: Date.now(), log, showUser: (user) => user, onEnded: () => undefined });
  return { context, stack, table, out, heard, devices, call };
}

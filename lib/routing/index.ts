import type { Config, RouteConfig } from '../config/types.js';
import { accepts, build, type Automaton } from '../policy/pattern/automaton.js';
import { anyCodePoint, parsePattern, PatternError } from '../policy/pattern/syntax.js';
import { escapeUser } from '../sip/uri.js';
import type { RouteDecision, RouteRequest, RouteTarget } from './types.js';

interface CompiledRoute {
  readonly route: RouteConfig;
  /** Null: any call. */
  readonly payload: Automaton | null;
  readonly targets: readonly RouteTarget[];
}

/** Routes by number, in the order of the configuration. */
export interface CompiledRouting {
  readonly byNumber: ReadonlyMap<string, readonly CompiledRoute[]>;
}

/** Meta's payloads are at most this long (META-SIP §7); a longer one matches no pattern. */
const maxPayload = 512;

/** @throws PatternError's message as an Error naming the route, when a payload pattern cannot be used. */
export function compileRouting(config: Config): CompiledRouting {
  const byNumber = new Map<string, CompiledRoute[]>();
  for (const route of config.routes) {
    const targets = route.to.flatMap(({ peer, user }) => {
      const found = config.peers[peer];
      return found === undefined ? [] : [{ peer, user, uri: withUser(found.uri, user) }];
    });
    const list = byNumber.get(route.number) ?? [];
    list.push({ route, targets, payload: route.payload === null ? null : compilePayload(route.name, route.payload) });
    byNumber.set(route.number, list);
  }
  return { byNumber };
}

/** Payload patterns that cannot be used, by key path. */
export function routingFaults(config: Config): { readonly path: string; readonly message: string }[] {
  return config.routes.flatMap(({ payload }, index) => {
    try {
      if (payload !== null) buildPayload(payload);
      return [];
    } catch (error) {
      if (error instanceof PatternError) return [{ path: `routes[${index}].payload`, message: error.message }];
      throw error;
    }
  });
}

/** The first route that fits, and why the others did not. Pure. */
export function selectRoute(routing: CompiledRouting, request: RouteRequest): RouteDecision {
  const considered: { route: string; matched: boolean; why: string }[] = [];
  for (const { route, payload, targets } of routing.byNumber.get(request.number) ?? []) {
    const matched = payload === null || (request.payload !== null && request.payload.length <= maxPayload && accepts(payload, request.payload));
    const why = payload === null ? 'takes any call to this number' : `payload ${JSON.stringify(request.payload)} ${matched ? 'matches' : 'does not match'} ${route.payload}`;
    considered.push({ route: route.name, matched, why });
    if (matched) return { found: true, route: route.name, targets, strategy: route.strategy, stopOn: route.stopOn, ringTimeout: route.ringTimeout, considered };
  }
  return { found: false, considered };
}

/** @throws PatternError when it cannot be used. */
export function buildPayload(pattern: string): Automaton {
  return build(parsePattern(pattern, anyCodePoint), { mode: 'search', universe: anyCodePoint });
}

function compilePayload(name: string, pattern: string): Automaton {
  try {
    return buildPayload(pattern);
  } catch (error) {
    if (error instanceof PatternError) throw new Error(`route ${name}: payload pattern ${pattern} ${error.message}`, { cause: error });
    throw error;
  }
}

/** sip:host;transport=udp → sip:USER@host;transport=udp. */
export function withUser(uri: string, user: string): string {
  return uri.replace(/^(sips?:)(?:[^@;?]*@)?/i, `$1${escapeUser(user)}@`);
}

import { destinationOf, orNowhere, type Destination } from '../config/destinations.js';
import type { Config, PeerConfig, RouteConfig } from '../config/types.js';
import { accepts, build, type Automaton } from '../policy/pattern/automaton.js';
import { anyCodePoint, parsePattern, PatternError } from '../policy/pattern/syntax.js';
import { escapeUser } from '../sip/uri.js';
import { compileHours, type OpenAt } from './hours.js';
import type { RouteDecision, RouteRequest, RouteTarget } from './types.js';

interface CompiledRoute {
  readonly route: RouteConfig;
  /** Null: any call. */
  readonly payload: Automaton | null;
  /** Null: it is always open. */
  readonly hours: { readonly name: string; readonly at: OpenAt } | null;
  readonly open: Destination;
  readonly closed: Destination;
  readonly unanswered: Destination | null;
}

/** Where a call goes that has come outside the hours, unless the route says otherwise. */
const closedStatus = 480;

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
    const hours = route.hours === null ? undefined : config.hours[route.hours];
    const compiled: CompiledRoute = {
      route, payload: route.payload === null ? null : compilePayload(route.name, route.payload),
      hours: route.hours === null || hours === undefined ? null : { name: route.hours, at: compileHours(route.hours, hours) },
      // The loader refuses a route that leads nowhere.
      open: destinationOf(route) ?? { kind: 'refuse', status: closedStatus }, closed: orNowhere(route.closed) ?? { kind: 'refuse', status: closedStatus }, unanswered: orNowhere(route.unanswered),
    };
    const list = byNumber.get(route.number) ?? [];
    list.push(compiled);
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

/** Whether the route of this name is within its hours at that time; one that is not there is not. */
export function isOpen({ routes, hours }: Pick<Config, 'routes' | 'hours'>, name: string, time: number): boolean {
  const route = routes.find((one) => one.name === name);
  if (route === undefined) return false;
  const named = route.hours === null ? undefined : hours[route.hours];
  return route.hours === null || named === undefined || compileHours(route.hours, named)(time).open;
}

/** The first route that fits, and why the others did not. Pure. */
export function selectRoute(routing: CompiledRouting, request: RouteRequest): RouteDecision {
  const considered: { route: string; matched: boolean; why: string }[] = [];
  for (const { route, payload, hours, ...to } of routing.byNumber.get(request.number) ?? []) {
    const matched = payload === null || (request.payload !== null && request.payload.length <= maxPayload && accepts(payload, request.payload));
    const why = payload === null ? 'takes any call to this number' : `payload ${JSON.stringify(request.payload)} ${matched ? 'matches' : 'does not match'} ${route.payload}`;
    considered.push({ route: route.name, matched, why });
    if (!matched) continue;
    const opening = hours === null ? null : { name: hours.name, ...hours.at(request.time) };
    const destination = opening?.open === false ? to.closed : to.open;
    return { found: true, route: route.name, hours: opening, destination, unanswered: to.unanswered, stopOn: route.stopOn, ringTimeout: route.ringTimeout, considered };
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

/** Targets of the file as they are dialled; one whose peer is not there, as after a reload, is left out. */
export function targetsOf(peers: Readonly<Record<string, PeerConfig>>, to: RouteConfig['to']): RouteTarget[] {
  return to.flatMap(({ peer, user }) => {
    const found = Object.hasOwn(peers, peer) ? peers[peer] : undefined;
    return found === undefined ? [] : [{ peer, user, uri: withUser(found.uri, user) }];
  });
}

/** sip:host;transport=udp → sip:USER@host;transport=udp. */
export function withUser(uri: string, user: string): string {
  // A user may have a '$' (RFC 3261 §25.1).
  return uri.replace(/^(sips?:)(?:[^@;?]*@)?/i, (_, scheme: string) => `${scheme}${escapeUser(user)}@`);
}

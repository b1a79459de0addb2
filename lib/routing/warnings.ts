import type { Config } from '../config/types.js';
import { common, includesAll, shortest, type Automaton } from '../policy/pattern/automaton.js';
import { buildPayload } from './index.js';

export interface RouteWarning {
  readonly path: string;
  readonly message: string;
}

interface Earlier { readonly index: number; readonly name: string; readonly payload: string | null; readonly automaton: Automaton | null }

/** Routes that no call reaches, and payloads that two routes take: the first of them gets the call. For a configuration whose patterns can be used. */
export function routeWarnings({ routes }: Pick<Config, 'routes'>): RouteWarning[] {
  const byNumber = new Map<string, Earlier[]>();
  return routes.flatMap(({ name, number, payload }, index) => {
    const before = byNumber.get(number) ?? [];
    const automaton = payload === null ? null : buildPayload(payload);
    byNumber.set(number, [...before, { index, name, payload, automaton }]);
    return warningsOf(`routes[${index}]`, automaton, before);
  });
}

function warningsOf(path: string, automaton: Automaton | null, before: readonly Earlier[]): RouteWarning[] {
  const all = before.find((earlier) => earlier.automaton === null);
  if (all !== undefined) return [{ path, message: `no call reaches it: routes[${all.index}] (${all.name}) takes every call to this number` }];
  if (automaton === null) return [];
  const wider = before.find((earlier) => earlier.automaton !== null && includesAll(earlier.automaton, automaton));
  if (wider !== undefined) return [{ path: `${path}.payload`, message: `no call reaches it: routes[${wider.index}] (${wider.name}) takes every payload that it would, by ${JSON.stringify(wider.payload)}` }];
  return before.flatMap((earlier) => {
    const both = earlier.automaton === null ? null : shared(earlier.automaton, automaton);
    return both === null ? [] : [{ path: `${path}.payload`, message: `overlaps routes[${earlier.index}] (${earlier.name}), which gets what both would take, such as ${JSON.stringify(both)}` }];
  });
}

/**
 * A payload that two patterns share, as somebody would write it. Nearly any two patterns without relays share the one text behind the other:
 * what is longer than either by itself is no overlap that matters.
 */
function shared(a: Automaton, b: Automaton): string | null {
  const text = common(a, b);
  return text !== null && text.length <= Math.max(shortest(a).length, shortest(b).length) ? text : null;
}

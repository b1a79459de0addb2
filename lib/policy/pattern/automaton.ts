import type { Alternative, PatternNode, Range } from './syntax.js';
import { PatternError, normalise } from './syntax.js';

// A pattern that needs more is not a list of users or payloads any more; also bounds the time to compile one.
const maxStates = 4000;

/** A state of a non-deterministic automaton: where it leads by code point (`moves`) and without one (`free`). */
interface State {
  /** Counted up in the order they are made. */
  readonly id: number;
  readonly moves: { readonly ranges: readonly Range[]; readonly to: State }[];
  readonly free: State[];
  accepts: boolean;
}

/** Deterministic automaton over classes of code points; matching is one table look-up per character. */
export interface Automaton {
  /** First code point of each class, ascending from 0. */
  readonly starts: readonly number[];
  /** Next state by state * classes + class; -1: no match any more. State 0 is the start. */
  readonly next: Int32Array;
  readonly accept: Uint8Array;
  /** Class of each ASCII code. */
  readonly ascii: Uint8Array;
}

export interface BuildOptions {
  /** 'whole': relays are implied; 'search': the pattern may match anywhere. */
  readonly mode: 'whole' | 'search';
  readonly universe: Range;
  /** May stand anywhere without meaning: in every state (`always`), or once something was read (`inside`). */
  readonly ignore?: { readonly always: readonly Range[]; readonly inside: readonly Range[] };
}

/** @throws PatternError when it needs too many states. */
export function build(alternatives: readonly Alternative[], options: BuildOptions): Automaton {
  const nfa: State[] = [];
  const start = state(nfa);
  for (const { node, start: fromStart, end } of alternatives) {
    let at = state(nfa);
    start.free.push(at);
    if (options.mode === 'search' && !fromStart) at.moves.push({ ranges: [options.universe], to: at });
    at = add(nfa, node, at);
    if (options.mode === 'search' && !end) {
      const rest = state(nfa);
      at.free.push(rest);
      rest.moves.push({ ranges: [options.universe], to: rest });
      at = rest;
    }
    at.accepts = true;
  }
  return determinise(nfa, start, options.ignore);
}

function state(nfa: State[]): State {
  if (nfa.length >= maxStates) throw new PatternError('is too large');
  const made: State = { id: nfa.length, moves: [], free: [], accepts: false };
  nfa.push(made);
  return made;
}

/** Adds `node` after state `from`; gives the state after it. */
function add(nfa: State[], node: PatternNode, from: State): State {
  switch (node.kind) {
    case 'set': {
      const to = state(nfa);
      from.moves.push({ ranges: node.ranges, to });
      return to;
    }
    case 'sequence': return node.parts.reduce((at, part) => add(nfa, part, at), from);
    case 'choice': {
      const end = state(nfa);
      for (const option of node.options) {
        const begin = state(nfa);
        from.free.push(begin);
        add(nfa, option, begin).free.push(end);
      }
      return end;
    }
    case 'repeat': {
      let at = from;
      for (let i = 0; i < node.min; i += 1) at = add(nfa, node.part, at);
      if (node.max === null) {
        const loop = state(nfa);
        at.free.push(loop);
        add(nfa, node.part, loop).free.push(loop);
        return loop;
      }
      const end = state(nfa);
      for (let i = node.min; i < node.max; i += 1) {
        at.free.push(end);
        at = add(nfa, node.part, at);
      }
      at.free.push(end);
      return end;
    }
  }
}

/** Where any of these ranges begins or has ended: between two of these points all code points are alike. */
function boundaries(ranges: Iterable<Range>): number[] {
  const points = new Set<number>([0]);
  for (const [first, last] of ranges) {
    points.add(first);
    if (last < 0x10ffff) points.add(last + 1);
  }
  return [...points].sort((a, b) => a - b);
}

/** These states and all that they lead to without a code point, in the order they were made. */
function closure(states: Iterable<State>): State[] {
  const seen = new Set(states);
  const todo = [...seen];
  for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
    for (const to of at.free) {
      if (!seen.has(to)) {
        seen.add(to);
        todo.push(to);
      }
    }
  }
  return [...seen].sort((a, b) => a.id - b.id);
}

function keyOf(states: readonly State[]): string {
  return states.map(({ id }) => id).join();
}

function includes(ranges: readonly Range[], code: number): boolean {
  return ranges.some(([first, last]) => code >= first && code <= last);
}

function determinise(nfa: readonly State[], start: State, ignore: BuildOptions['ignore']): Automaton {
  const starts = boundaries([...nfa.flatMap(({ moves }) => moves).flatMap(({ ranges }) => normalise(ranges)), ...(ignore?.always ?? []), ...(ignore?.inside ?? [])]);
  const first = closure([start]);
  const sets: State[][] = [first];
  const known = new Map<string, number>([[keyOf(first), 0]]);
  const next: number[] = [];
  // An array visits what is added while it is walked.
  for (const [at, states] of sets.entries()) {
    for (const code of starts) {
      const to = new Set<State>();
      for (const from of states) for (const move of from.moves) if (includes(move.ranges, code)) to.add(move.to);
      const stays = ignore !== undefined && (includes(ignore.always, code) || (at > 0 && includes(ignore.inside, code)));
      if (stays) for (const from of states) to.add(from);
      if (to.size === 0) {
        next.push(-1);
        continue;
      }
      const set = closure(to);
      const key = keyOf(set);
      let index = known.get(key);
      if (index === undefined) {
        if (sets.length >= maxStates) throw new PatternError('is too complex');
        index = sets.length;
        known.set(key, index);
        sets.push(set);
      }
      next.push(index);
    }
  }
  return prune(starts, next, sets.map((set) => set.some(({ accepts }) => accepts)));
}

/** Moves into states from which no match can come are taken out, so that a live state always leads to one. */
function prune(starts: readonly number[], next: number[], accept: boolean[]): Automaton {
  const width = starts.length;
  const live = [...accept];
  for (let changed = true; changed;) {
    changed = false;
    for (let s = live.length - 1; s >= 0; s -= 1) {
      if (live[s]) continue;
      for (let c = 0; c < width; c += 1) {
        const to = next[s * width + c] ?? -1;
        if (to >= 0 && live[to]) live[s] = changed = true;
      }
    }
  }
  const ascii = new Uint8Array(128);
  for (let code = 0; code < 128; code += 1) ascii[code] = classOf(starts, code);
  return { starts, next: Int32Array.from(next, (to) => (to >= 0 && live[to] ? to : -1)), accept: Uint8Array.from(accept, Number), ascii };
}

function classOf(starts: readonly number[], code: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((starts[middle] ?? Infinity) <= code) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Whether the automaton accepts the whole text. Linear in its length. */
export function accepts(automaton: Automaton, text: string): boolean {
  const width = automaton.starts.length;
  let at = 0;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.codePointAt(i) ?? -1;
    if (code > 0xffff) i += 1;
    const kind = code < 128 ? automaton.ascii[code] ?? 0 : classOf(automaton.starts, code);
    at = automaton.next[at * width + kind] ?? -1;
    if (at < 0) return false;
  }
  return automaton.accept[at] === 1;
}

/** Length of the longest text it accepts; null when there is none longest; -1 when it accepts nothing. */
export function longest(automaton: Automaton): number | null {
  const width = automaton.starts.length;
  const lengths = new Map<number, number | null>();
  const visit = (at: number): number | null => {
    const known = lengths.get(at);
    // Met again while still being worked out: a loop through live states.
    if (known !== undefined) return known === -2 ? null : known;
    lengths.set(at, -2);
    let best: number | null = automaton.accept[at] === 1 ? 0 : -1;
    for (const to of new Set(automaton.next.subarray(at * width, (at + 1) * width))) {
      if (to < 0 || best === null) continue;
      const rest = visit(to);
      best = rest === null ? null : rest < 0 ? best : Math.max(best, rest + 1);
    }
    lengths.set(at, best);
    return best;
  };
  return visit(0);
}

/** A shortest text that both accept; null when there is none: the intersection of the two languages is empty. */
export function common(a: Automaton, b: Automaton): string | null {
  const codes = representatives(a, b);
  const seen = new Set<number>([0]);
  const width = b.accept.length;
  let level: { readonly at: number; readonly text: string }[] = [{ at: 0, text: '' }];
  while (level.length > 0) {
    const following: typeof level = [];
    for (const { at, text } of level) {
      const [x, y] = [Math.floor(at / width), at % width];
      if (a.accept[x] === 1 && b.accept[y] === 1) return text;
      for (const [code, inA, inB] of codes) {
        const [toA, toB] = [a.next[x * a.starts.length + inA] ?? -1, b.next[y * b.starts.length + inB] ?? -1];
        if (toA < 0 || toB < 0 || seen.has(toA * width + toB)) continue;
        seen.add(toA * width + toB);
        following.push({ at: toA * width + toB, text: text + String.fromCodePoint(code) });
      }
    }
    level = following;
  }
  return null;
}

/** Pairs of states that are looked at before an inclusion is given up as unknown. */
const maxPairs = 200_000;

/** Whether `b` accepts everything that `a` does; false also where that takes too long to know. */
export function includesAll(b: Automaton, a: Automaton): boolean {
  const codes = representatives(a, b);
  const width = b.accept.length + 1;
  const dead = b.accept.length;
  const seen = new Set<number>([0]);
  const todo: number[] = [0];
  for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
    const [x, y] = [Math.floor(at / width), at % width];
    if (a.accept[x] === 1 && (y === dead || b.accept[y] !== 1)) return false;
    for (const [, inA, inB] of codes) {
      const toA = a.next[x * a.starts.length + inA] ?? -1;
      if (toA < 0) continue;
      const toB = y === dead ? -1 : b.next[y * b.starts.length + inB] ?? -1;
      const pair = toA * width + (toB < 0 ? dead : toB);
      if (seen.has(pair)) continue;
      if (seen.size >= maxPairs) return false;
      seen.add(pair);
      todo.push(pair);
    }
  }
  return true;
}

/** A shortest text that it accepts; '' also when it accepts nothing. */
export function shortest(automaton: Automaton): string {
  return common(automaton, automaton) ?? '';
}

/** One code point for each class of both, with its class in each; digits and letters first, as they read best in an example. */
function representatives(a: Automaton, b: Automaton): (readonly [number, number, number])[] {
  const starts = [...new Set([...a.starts, ...b.starts])].sort((x, y) => x - y);
  const readable = (code: number): boolean => /[0-9A-Za-z]/.test(String.fromCodePoint(code));
  return starts.map((code): readonly [number, number, number] => [code, classOf(a.starts, code), classOf(b.starts, code)])
    .sort((x, y) => Number(readable(y[0])) - Number(readable(x[0])));
}

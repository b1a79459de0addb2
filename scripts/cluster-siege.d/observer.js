// Counts the calls that are up at one moment, from outside: Meta's end of each, whatever the nodes believe.
import { limit, pairs } from './stage.js';

/** Calls up beyond the limit are right only in a stretch of time that says why. */
export class Observer {
  constructor() {
    this.up = new Map(pairs.map(({ number }) => [number, new Set()]));
    this.faults = [];
    this.highest = new Map(pairs.map(({ number }) => [number, 0]));
    this.beyond = [];
    this.stretches = [];
    this.answers = [];
  }

  /** What may be up beyond a limit for calls that are placed in it: `extra(number)`; until `end()`. */
  allow(why, extra) {
    const stretch = { why, extra, from: performance.now(), until: Infinity, most: 0 };
    this.stretches.push(stretch);
    return { end: () => { stretch.until = performance.now(); return stretch.most; } };
  }

  /** Calls of a node that are up. */
  of(node, number) { return [...this.up.get(number)].filter((call) => call.node === node).length; }

  answered(call) {
    const set = this.up.get(call.number);
    set.add(call);
    this.answers.push({ at: performance.now(), number: call.number });
    const over = set.size - limit;
    this.highest.set(call.number, Math.max(this.highest.get(call.number), set.size));
    if (over <= 0) return;
    const allowed = this.stretches.filter(({ from, until }) => call.placedAt <= until && performance.now() >= from).map((stretch) => {
      stretch.most = Math.max(stretch.most, over);
      return stretch.extra(call.number);
    });
    if (over > Math.max(0, ...allowed)) this.faults.push(`${set.size} calls of ${call.number} at once, by node ${call.node}${allowed.length === 0 ? '' : `, where ${limit + Math.max(...allowed)} may be (${this.stretches.at(-1).why})`}`);
  }

  ended(call) { this.up.get(call.number).delete(call); }

  /** Answers of the last milliseconds. */
  recent(number, ms) {
    const since = performance.now() - ms;
    return this.answers.filter((answer) => answer.number === number && answer.at >= since).length;
  }
}

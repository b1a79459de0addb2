// The real limit code of three nodes against a model of Redis, with faults, by a seed: WAB_SIMULATION_STEPS and WAB_SIMULATION_SEED say how long and which.
import t from 'tap';
import { SharedLimits, type Lease } from '../../../../lib/state/shared/limits.js';
import type { Change, NodeId, Registered, Registration, Renewal, Renewed, SharedStore, TakeReply, Want } from '../../../../lib/state/shared/store.js';

const steps = Number(process.env['WAB_SIMULATION_STEPS'] ?? 20_000);
const seed = Number(process.env['WAB_SIMULATION_SEED'] ?? 1);
const limit = 12;
const perWindow = 30;
const windowMs = 120_000;
const leaseMs = 5000;
const settleMs = 3000;
const lingerMs = 1000;

function randomOf(from: number): () => number {
  let a = from >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let x = Math.imul(a ^ (a >>> 15), a | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const isRenewed = (reply: unknown): boolean => typeof reply === 'object' && reply !== null && 'kind' in reply && reply.kind === 'renewed';

/** What script.ts does, in plain words. */
class Model {
  now = 0;
  up = true;
  run = 1;
  nodes = new Map<string, string>();
  held = new Map<string, { until: number; run: number; places: Map<string, number> }>();
  events = new Map<string, Map<string, number>>();
  #known: number | null = null;
  settling: { until: number; waited: Map<string, boolean>; unseen: number } | null = null;

  /** Dies, and is back without its memory. */
  forget(): void {
    this.run += 1;
    this.nodes = new Map();
    this.held = new Map();
    this.events = new Map();
    this.settling = null;
    this.#known = null;
  }

  lease(name: string, epoch: string | undefined): { until: number; run: number; places: Map<string, number> } | null {
    const found = this.held.get(`${name} ${epoch}`);
    return found !== undefined && found.until > this.now && this.nodes.get(name) === epoch ? found : null;
  }

  get live(): string[] {
    return [...this.nodes].filter(([name, epoch]) => this.lease(name, epoch) !== null).map(([name]) => name);
  }

  sum(key: string): number {
    return this.live.reduce((all, name) => all + (this.lease(name, this.nodes.get(name))?.places.get(key) ?? 0), 0);
  }

  recent(key: string, window: number): Map<string, number> {
    const events = this.events.get(key) ?? new Map<string, number>();
    for (const [member, at] of events) if (at <= this.now - window) events.delete(member);
    this.events.set(key, events);
    return events;
  }

  waits(): boolean {
    if (this.settling !== null && this.settling.until <= this.now) this.settling = null;
    return this.settling !== null && (this.settling.unseen > this.now || [...this.settling.waited.values()].includes(true));
  }

  #correct({ add, drop }: Pick<Change, 'add' | 'drop'>): void {
    for (const { key, member } of drop) this.recent(key, windowMs).delete(member);
    for (const { key, member, age } of add) this.recent(key, windowMs).set(member, this.now - age);
  }

  register({ node, previous, held, seen, run, refill, ...corrections }: Registration): Registered {
    if (this.#known !== this.run) {
      this.#known = this.run;
      this.settling = { until: this.now + settleMs, waited: new Map(), unseen: Infinity };
    }
    this.waits();
    const refills = refill && run !== String(this.run);
    if (refills || this.settling !== null) {
      this.settling ??= { until: this.now + settleMs, waited: new Map(), unseen: -Infinity };
      const { waited } = this.settling;
      for (const name of seen) if (!waited.has(name)) waited.set(name, this.lease(name, this.nodes.get(name))?.run !== this.run);
      waited.set(node.name, refills);
      if (seen.length > 0 && this.settling.unseen === Infinity) this.settling.unseen = this.now + lingerMs;
      if (!this.waits()) this.settling = null;
    }
    if (previous !== null) this.held.delete(`${node.name} ${previous}`);
    this.held.delete(`${node.name} ${this.nodes.get(node.name)}`);
    this.nodes.set(node.name, node.epoch);
    this.held.set(`${node.name} ${node.epoch}`, { until: this.now + leaseMs, run: this.run, places: new Map(Object.entries(held)) });
    this.#correct(corrections);
    return { twin: false, nodes: this.live, run: String(this.run) };
  }

  renew({ node, places, events }: Renewal): Renewed {
    const lease = this.lease(node.name, node.epoch);
    if (lease === null) return { kind: 'lapsed' };
    lease.until = this.now + leaseMs;
    return {
      kind: 'renewed', nodes: this.live, epochs: this.live.map((name) => this.nodes.get(name) ?? ''), settling: this.waits(), places: Object.fromEntries(places.map((key) => [key, this.sum(key)])),
      events: Object.fromEntries(events.map(({ key, window }) => [key, this.recent(key, window).size])),
    };
  }

  take(node: NodeId, member: string, wants: readonly Want[]): TakeReply {
    const lease = this.lease(node.name, node.epoch);
    if (lease === null) return { kind: 'lapsed' };
    if (this.waits()) return { kind: 'settling' };
    for (const { keys: [key], window } of wants) if (window !== null) this.recent(key, window).delete(member);
    const full = wants.findIndex(({ keys: [key], limit: most, window }) => (window === null ? this.sum(key) : this.recent(key, window).size) >= most);
    if (full >= 0) return { kind: 'refused', index: full, freeAt: null };
    for (const { keys: [key], window } of wants) {
      if (window === null) lease.places.set(key, (lease.places.get(key) ?? 0) + 1);
      else this.recent(key, window).set(member, this.now);
    }
    return { kind: 'taken' };
  }

  adjust(node: NodeId, { places, refilled, ...corrections }: Change): boolean {
    const lease = this.lease(node.name, node.epoch);
    if (lease !== null) for (const [key, by] of Object.entries(places)) lease.places.set(key, (lease.places.get(key) ?? 0) + by);
    this.#correct(corrections);
    if (lease !== null && refilled && this.settling !== null) {
      this.settling.waited.set(node.name, false);
      if (!this.waits()) this.settling = null;
    }
    return lease !== null;
  }
}

t.test(`${steps} steps by seed ${seed}: never one over, none lost, whatever dies`, { timeout: 30_000 + steps }, async (t) => {
  const random = randomOf(seed);
  const chance = (part: number): boolean => random() < part;
  const model = new Model();
  const wants: readonly Want[] = [{ keys: ['c'], limit, window: null }, { keys: ['d'], limit: perWindow, window: windowMs }];
  interface Node { limits: SharedLimits; calls: { lease: Lease; event: { undone: boolean } }[]; cut: boolean; stopped: number; heard: number; grace: number; there: boolean; dead: boolean }
  /** What was really allowed. */
  let truth: { node: Node; at: number; run: number; undone: boolean }[] = [];
  /** A node that has not come for so long although it could be heard is taken for dead: its places are another's by right. */
  const isThere = (node: Node): boolean => !node.dead && model.now - Math.max(node.heard, node.grace) < settleMs;
  const nodes = new Map<string, Node>();
  let made = 0;
  /** A node whose lease may be over while its calls are up: their places are another's by right. */
  const start = (name: string): Node => {
    // Each node's clock is another.
    const ahead = made * 90_000;
    const node: Node = { calls: [], cut: false, stopped: 0, heard: model.now, grace: 0, there: true, dead: false, limits: undefined as never };
    /** Reaches the server or not, is answered or not; what was asked is done or not where nobody knows. */
    const by = async <T>(work: () => T): Promise<T> => {
      await null;
      if (!model.up || node.cut || chance(0.002)) throw new Error('not reached');
      const done = work();
      // From then on it has given everything that its calls have.
      if (isRenewed(done)) node.heard = model.now;
      await null;
      if (chance(0.002)) throw new Error('no answer');
      return done;
    };
    const store: SharedStore = {
      register: (registration) => by(() => model.register(registration)), renew: (renewal) => by(() => model.renew(renewal)), take: (id, member, all) => by(() => model.take(id, member, all)),
      adjust: (id, change) => by(() => model.adjust(id, change)), leave: async () => undefined,
    };
    node.limits = new SharedLimits({
      store, name, instance: `i${made += 1}.`, gone: 'refuse', lease: leaseMs, now: () => model.now + ahead, onState: () => undefined, onTwin: () => undefined,
      watched: () => ({ places: ['c'], events: [{ key: 'd', window: windowMs }] }),
    });
    nodes.set(name, node);
    return node;
  };
  for (const name of ['a', 'b', 'c']) start(name);
  const counts = { taken: 0, refused: 0, gone: 0, deaths: 0, cuts: 0, stops: 0, forgotten: 0 };
  let downSince = -Infinity;
  const total = (): number => [...nodes.values()].reduce((sum, { calls }) => sum + calls.length, 0);
  const bad: string[] = [];
  for (let step = 0; step < steps && bad.length === 0; step += 1) {
    model.now += Math.floor(random() * 60);
    for (const node of nodes.values()) if (node.stopped <= model.now && chance(0.2)) void node.limits.beat();
    const [name, node] = [...nodes][Math.floor(random() * nodes.size)] as [string, Node];
    const what = random();
    if (node.stopped > model.now) continue;
    if (what < 0.5) {
      const taken = await node.limits.take(wants);
      counts[taken.kind] += 1;
      if (taken.kind === 'taken') {
        const event = { node, at: model.now, run: model.run, undone: false };
        node.calls.push({ lease: taken.lease, event });
        truth.push(event);
        truth = truth.filter(({ at, undone }) => !undone && at > model.now - windowMs);
        const places = [...nodes.values()].filter((one) => one === node || isThere(one)).reduce((sum, { calls }) => sum + calls.length, 0);
        const events = truth.filter((one) => one.run === model.run || isThere(one.node)).length;
        // A node that was taken for dead, and is back, brings what its calls have: nobody takes a place beyond it.
        if (model.sum('c') > limit || (places > limit) || (events > perWindow)) bad.push(`step ${step}: ${places} places (${model.sum('c')} in the store), ${events} events`);
      }
    } else if (what < 0.9) {
      const call = node.calls.shift();
      call?.lease.give('c');
      if (call !== undefined && chance(0.5)) {
        call.lease.undo('d');
        call.event.undone = true;
      }
    } else if (what < 0.9015) {
      // kill -9, and a restart under its name: its calls are dead.
      node.dead = true;
      nodes.delete(name);
      start(name);
      counts.deaths += 1;
    } else if (what < 0.903) {
      node.cut = !node.cut;
      counts.cuts += 1;
    } else if (what < 0.9045) {
      node.stopped = model.now + random() * 12_000;
      counts.stops += 1;
    } else if (what < 0.9055 && model.up) {
      for (const one of nodes.values()) one.there = isThere(one);
      model.up = false;
      downSince = model.now;
      counts.forgotten += 1;
    }
    if (!model.up && model.now - downSince > 2000 && chance(0.05)) {
      model.up = true;
      if (chance(0.7)) model.forget();
      // Who was there has as long again; who was away before is not waited for twice.
      for (const one of nodes.values()) if (one.there) one.grace = model.now;
    }
    for (const one of nodes.values()) if (one.cut && chance(0.01)) one.cut = false;
    for (let turns = 0; turns < 4; turns += 1) await null;
    if (step % 500 !== 499) continue;
    // Quiet: everything heals, and what the store counts is what there is.
    model.up = true;
    for (const one of nodes.values()) Object.assign(one, { cut: false, stopped: 0 });
    const healed = model.now;
    for (let round = 0; round < 400; round += 1) {
      model.now += 50;
      await Promise.all([...nodes.values()].map(({ limits }) => limits.beat()));
      if ([...nodes.values()].every(({ limits }) => limits.state === 'up') && model.now - healed > leaseMs) break;
    }
    await new Promise((resolve) => { setImmediate(resolve); });
    for (const { limits } of nodes.values()) await limits.beat();
    if (model.sum('c') !== total() && ![...nodes.values()].some(({ limits }) => limits.state !== 'up')) bad.push(`step ${step}: the store counts ${model.sum('c')} places, and there are ${total()}`);
  }
  t.same(bad, []);
  t.ok(counts.taken > steps / 100, JSON.stringify(counts));
  t.comment(JSON.stringify(counts));
});

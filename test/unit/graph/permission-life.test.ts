// Steps of a permission's life in any order, webhooks late, twice and out of order, the process killed between any two of them: never a call too many, never
// a request too many.
import fc from 'fast-check';
import t from 'tap';
import { PermissionGate, type GatedNumber } from '../../../lib/graph/permission/gate.js';
import { PermissionLedger } from '../../../lib/graph/permission/ledger.js';
import { Remembered } from '../../../lib/state/index.js';
import { Killed, World } from './permissionWorld.js';

const number = '+447700900001';
const user = '+447700900101';
const second = 1000;
const hour = 3_600_000;

type Step =
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'grant'; readonly permanent: boolean } | { readonly do: 'reject' } | { readonly do: 'revoke' } | { readonly do: 'usersCall'; readonly callback: boolean } | { readonly do: 'others' }
  | { readonly do: 'deliver'; readonly which: number }
  | { readonly do: 'graph'; readonly is: World['graph'] }
  | { readonly do: 'call'; readonly taken: boolean; readonly killedAt: number | null; readonly written: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(second, 6 * second, 31 * second, hour, 5 * hour, 24 * hour - second, 24 * hour, 3 * 24 * hour, 7 * 24 * hour) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('grant' as const), permanent: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ do: 'reject' }, { do: 'revoke' }, { do: 'others' }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('usersCall' as const), callback: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('deliver' as const), which: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('graph' as const), is: fc.constantFrom('up' as const, 'up' as const, 'down' as const, 'late' as const) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('call' as const), taken: fc.boolean(), killedAt: fc.option(fc.nat(7)), written: fc.nat(6) }) },
);

/** The business's side: the real ledger and gate, on a journal of which a kill leaves what was written, and perhaps some of what was on its way. */
class Business {
  readonly world: World;
  ledger!: PermissionLedger;
  gate!: PermissionGate;
  #written: string[] = [];
  #onTheWay: string[] = [];
  #alive = { is: true };
  #stepsLeft: number | null = null;
  readonly #mode: 'check' | 'request';
  readonly #now: () => number;

  constructor(world: World, mode: 'check' | 'request', now: () => number) {
    this.world = world;
    this.#mode = mode;
    this.#now = now;
    this.start();
  }

  start(): void {
    const alive = this.#alive = { is: true };
    const store = new Remembered({ prefix: 'g', capacity: 100, lifetime: 90 * 24 * hour, now: this.#now });
    for (const line of this.#written) store.take(line);
    store.attach((_, line) => {
      if (!alive.is) return new Promise(() => undefined);
      this.#onTheWay.push(line);
      return new Promise((resolve) => setImmediate(() => { if (alive.is) resolve(this.flush(Infinity)); }));
    });
    const quiet = { info: () => undefined, warn: () => undefined };
    this.ledger = new PermissionLedger({ config: () => ({ numbers: {} }), names: (name) => [name], store, now: this.#now, log: quiet });
    this.gate = new PermissionGate({
      ledger: this.ledger, whenDown: () => 'refuse', timeout: () => 2000, now: this.#now, log: quiet,
      api: () => ({
        callPermissions: async () => { this.point(); const told = this.world.answer(); this.point(); return told; },
        requestPermission: async () => { this.point(); const id = this.world.request(); this.point(); return { id, waId: null, userId: null, parentUserId: null }; },
      }),
    });
  }

  /** A place where the process may be killed. */
  point(): void {
    if (this.#stepsLeft === null) return;
    this.#stepsLeft -= 1;
    if (this.#stepsLeft < 0) {
      this.#alive.is = false;
      throw new Killed();
    }
  }

  flush(count: number): void {
    this.#written.push(...this.#onTheWay.splice(0, count));
  }

  async call({ taken, killedAt, written }: Extract<Step, { do: 'call' }>): Promise<void> {
    this.#stepsLeft = killedAt;
    const { unheard } = this.world;
    try {
      await this.#place(taken);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
    this.#stepsLeft = null;
    if (this.#alive.is) return;
    // What was on its way may have come to the file; what Meta had told us in this call may be lost with us.
    this.world.unheard ||= unheard;
    this.flush(written);
    this.#onTheWay = [];
    this.start();
  }

  async #place(taken: boolean): Promise<void> {
    this.point();
    const config: GatedNumber = { id: '1', permission: this.#mode, permissionRequest: { text: null, template: null, language: 'en' } };
    const ruling = await this.gate.judge(number, config, user);
    if (!this.#alive.is) throw new Killed();
    if (!ruling.allowed) return;
    const begun = this.#now();
    await this.ledger.callBegins(number, user);
    this.point();
    const outcome = this.world.call(taken);
    this.point();
    if (outcome === 'noPermission') this.world.unheard = false;
    if (outcome === 'connected') this.ledger.callConnected(number, user, this.#now(), true);
    else this.ledger.callFailed(number, user, outcome, begun);
    this.point();
  }
}

async function live(steps: readonly Step[], mode: 'check' | 'request', skew: number): Promise<World> {
  let now = Date.UTC(2026, 10, 21, 12);
  const world = new World(() => now, skew);
  const business = new Business(world, mode, () => now);
  for (const one of steps) {
    // Nothing happens twice in one millisecond.
    now += 1;
    if (one.do === 'wait') now += one.ms;
    else if (one.do === 'grant') world.reply(true, { permanent: one.permanent });
    else if (one.do === 'reject') world.reply(false);
    else if (one.do === 'revoke') world.revokeSilently();
    else if (one.do === 'others') world.askedByOthers();
    else if (one.do === 'graph') world.graph = one.is;
    else if (one.do === 'call') await business.call(one);
    else if (one.do === 'usersCall') {
      world.connect();
      business.ledger.callConnected(number, user, now, false);
      if (one.callback && !world.mayCall) world.reply(true, { automatic: true });
      business.ledger.usersCall(number, user);
    } else {
      const reply = world.outbox[world.outbox.length - 1 - one.which];
      if (reply === undefined) continue;
      await business.ledger.replied(number, user, reply);
      world.delivered(reply);
    }
    // The file has what was said a while ago.
    if (one.do !== 'call') business.flush(Infinity);
  }
  return world;
}

t.test('steps of a permission in any order, webhooks late, twice and out of order, killed anywhere: never a call, never a request too many', async (t) => {
  let calls = 0;
  let requests = 0;
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), fc.constantFrom('check' as const, 'request' as const), fc.constantFrom(0, 0, -60_000, 40_000), async (steps, mode, skew) => {
    const world = await live(steps, mode, skew);
    calls += world.connected.length;
    requests += world.requests.length;
    if (world.violations.length > 0) throw new Error(world.violations.join('; '));
  }), { numRuns: 4000 });
  t.ok(calls > 1000 && requests > 300, `${calls} calls were connected, ${requests} requests stood at the end`);
});

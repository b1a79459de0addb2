// A naive Meta for the permissions of one pair: every rule of META-SIP §9 as a list and a comparison, on a clock that is moved by hand.
import { GraphError, silent } from '../../../lib/graph/error.js';
import type { CallPermissions } from '../../../lib/graph/permissions.js';
import type { Reply } from '../../../lib/graph/permission/pair.js';

const day = 86_400_000;

/** Thrown where the process is killed. */
export class Killed extends Error {}

export class World {
  /** Meta's clock against ours, ms. */
  readonly skew: number;
  readonly limits = { day: 1, week: 2 };
  permission: { status: 'none' } | { status: 'temporary'; until: number } | { status: 'permanent' } = { status: 'none' };
  requests: number[] = [];
  connected: number[] = [];
  untaken = 0;
  /** Webhooks on their way: some are never delivered, some twice. */
  readonly outbox: Reply[] = [];
  readonly violations: string[] = [];
  /** The permission went, or requests were used up, in a way that nobody has told us of. */
  unheard = false;
  foreign = false;
  graph: 'up' | 'down' | 'late' = 'up';
  asked = 0;
  #ids = 0;
  /** The last change came without a webhook. */
  #silent = false;

  constructor(readonly now: () => number, skew: number) {
    this.skew = skew;
  }

  get mayCall(): boolean {
    return this.permission.status === 'permanent' || (this.permission.status === 'temporary' && this.permission.until > this.now());
  }

  mayRequest(): boolean {
    const within = (ms: number): number => this.requests.filter((time) => time > this.now() - ms).length;
    return within(day) < this.limits.day && within(7 * day) < this.limits.week;
  }

  /** The user's answer, or Meta's, as a webhook. Meta's times have whole seconds. */
  reply(accepted: boolean, more: Partial<Reply> = {}): void {
    const permanent = more.permanent === true;
    const until = Math.floor((this.now() + 7 * day) / 1000) * 1000;
    const before = this.mayCall;
    if (accepted && before && this.permission.status === 'permanent') return;
    this.#silent = false;
    this.permission = !accepted ? { status: 'none' } : permanent ? { status: 'permanent' } : { status: 'temporary', until };
    if (before && !accepted) this.unheard = true;
    this.outbox.push({
      id: `wamid.${++this.#ids}`, at: Math.floor((this.now() + this.skew) / 1000) * 1000, accepted, permanent: false, until: accepted && !permanent ? until + this.skew : null, automatic: false, answers: null, ...more,
    });
  }

  /** By hand in the profile: no webhook. */
  revokeSilently(): void {
    if (this.mayCall) this.unheard = true;
    this.#silent = true;
    this.permission = { status: 'none' };
  }

  /** A webhook has come. */
  delivered(reply: Reply): void {
    if (!this.#silent && reply === this.outbox.at(-1)) this.unheard = false;
  }

  askedByOthers(): void {
    if (!this.mayRequest()) return;
    this.requests.push(this.now());
    this.foreign = true;
  }

  answer(): CallPermissions {
    this.asked += 1;
    if (this.graph !== 'up') throw new GraphError('x', silent(this.graph === 'late' ? 'late' : 'unreachable', 'x'));
    this.unheard = false;
    this.foreign = false;
    const used = (ms: number): number => this.requests.filter((time) => time > this.now() - ms).length;
    return {
      status: this.mayCall ? this.permission.status : 'no_permission', expiresAt: this.mayCall && this.permission.status === 'temporary' ? this.permission.until : null,
      actions: [
        { name: 'send_call_permission_request', can: this.mayRequest(), limits: [{ period: 'PT24H', allowed: this.limits.day, used: used(day), until: null }, { period: 'P7D', allowed: this.limits.week, used: used(7 * day), until: null }] },
        { name: 'start_call', can: this.mayCall, limits: [{ period: 'PT24H', allowed: 100, used: 0, until: null }] },
      ],
    };
  }

  /** A request of ours comes in: gives its id. */
  request(): string {
    if (!this.mayRequest()) {
      if (!this.foreign) this.violations.push(`a request too many: ${this.requests.map((time) => this.now() - time).join(' ')}`);
      throw new GraphError('x', { ...silent('nonsense', 'x'), fault: 'refused', metaCode: 138009 });
    }
    this.requests.push(this.now());
    const id = `wamid.request${++this.#ids}`;
    if (this.graph === 'late') throw new GraphError('x', silent('late', 'x'));
    return id;
  }

  /** A call of ours comes in. */
  call(taken: boolean): 'connected' | 'untaken' | 'noPermission' {
    if (!this.mayCall) {
      if (!this.unheard) this.violations.push('a call too many');
      return 'noPermission';
    }
    if (taken) {
      this.connect();
      return 'connected';
    }
    this.untaken += 1;
    if (this.untaken === 4) {
      this.untaken = 0;
      // We have counted too: it is no secret.
      this.reply(false, { automatic: true });
      this.unheard = false;
    }
    return 'untaken';
  }

  /** A call of either direction is connected. */
  connect(): void {
    this.connected.push(this.now());
    this.requests = [];
    this.untaken = 0;
  }
}

// A stateful proxy of one request (RFC 3261 §16): in turn or to all at once, until one accepts.
import { responseTo } from '../parser/index.js';
import type { SipMessage } from '../parser/index.js';
import { Delivery } from '../locate/index.js';
import type { DeliveryUser, Hop, Network } from '../locate/index.js';
import { randomToken } from '../transaction/index.js';
import type { ServerTransaction, ServerTransactionUser } from '../transaction/index.js';
import type { Flow } from '../transport/index.js';
import { better } from './forward.js';

/** RFC 3261 §16.6 step 11: timer C, longer than three minutes. */
const TIMER_C = 181_000;

/** One request ready to go out: its next hop, and itself without our Via. `hop`: the very connection or address it is for, whatever the URI says. */
export interface Target { uri: string; request: SipMessage; hop?: Hop }

export interface ProxyOptions {
  network: Network;
  simultaneous: boolean;
  followRedirects: boolean;
  /** ms without a provisional, or a final, response after which a target is given up; 0 = none. */
  provisionalTimeout: number;
  finalTimeout: number;
  /** The same request for another URI, for a redirection. */
  target(uri: string): Promise<Target>;
  /** A final response of a target. */
  answered(response: SipMessage, flow: Flow | undefined): void;
  /** The request has had its final response, or was given up. */
  done(response: SipMessage | undefined): void;
}

interface Branch { delivery: Delivery; state: 'trying' | 'ringing' | 'over'; timer: NodeJS.Timeout | undefined; patience: NodeJS.Timeout | undefined }

export class Proxy implements ServerTransactionUser, DeliveryUser {
  private readonly branches = new Map<Delivery, Branch>();
  private best: SipMessage | undefined;
  private readonly challenges: SipMessage[] = [];
  private finished = false;
  private cancelled_ = false;
  private starting = 0;

  constructor(private readonly tx: ServerTransaction, private readonly waiting: Target[], private readonly o: ProxyOptions) {
    tx.user = this;
  }

  start(): void {
    this.o.network.spawn(this.next());
  }

  response(response: SipMessage, flow: Flow, delivery: Delivery): void {
    const branch = this.branches.get(delivery);
    if (branch === undefined) return;
    const { status } = response;
    if (status === 100) {
      this.heard(branch);
      return;
    }
    if (status < 200) {
      this.heard(branch);
      branch.state = 'ringing';
      // §16.7 step 2: each provisional response starts timer C anew.
      this.watch(branch, TIMER_C);
      if (!this.finished && !this.cancelled_) this.pass(response);
      return;
    }
    if (status >= 200 && status < 300) this.accepted(branch, response, flow);
    else this.refused(branch, response, flow);
  }

  failed(status: 408 | 430 | 487 | 503, reason: string, delivery: Delivery): void {
    const branch = this.branches.get(delivery);
    if (branch !== undefined) this.refused(branch, responseTo(this.tx.request, status, reason, randomToken()), undefined);
  }

  settled(delivery: Delivery): void {
    const branch = this.branches.get(delivery);
    if (branch !== undefined) this.close(branch);
    this.branches.delete(delivery);
  }

  cancelled(): void {
    this.cancelled_ = true;
    this.waiting.length = 0;
    this.cancelOthers(undefined);
    this.o.network.spawn(this.next());
  }

  unacknowledged(): void {
    // The refusal went out as often as it could.
  }

  transportFailed(): void {
    // Nobody is left to answer: what was begun is called off.
    this.finish(undefined);
  }

  /** Ends it without a word to anybody. */
  stop(): void {
    this.finished = true;
    this.waiting.length = 0;
    for (const branch of this.branches.values()) {
      this.close(branch);
      branch.delivery.abandon();
    }
  }

  private accepted(branch: Branch, response: SipMessage, flow: Flow): void {
    const first = branch.state !== 'over';
    branch.state = 'over';
    this.still(branch);
    if (first) this.o.answered(response, flow);
    // §16.7 step 5: every 2xx of an INVITE goes back, whichever fork it is of; of another method only the first.
    if (this.tx.invite || !this.finished) this.pass(response.clone());
    if (this.finished) return;
    this.waiting.length = 0;
    this.finish(response);
  }

  private refused(branch: Branch, response: SipMessage, flow: Flow | undefined): void {
    if (branch.state === 'over') return;
    branch.state = 'over';
    this.still(branch);
    if (this.finished) return;
    this.o.answered(response, flow);
    const { status } = response;
    if (status >= 300 && status < 400 && this.o.followRedirects && response.has('contact')) {
      this.o.network.spawn(this.redirect(response));
      return;
    }
    if (status === 401 || status === 407) this.challenges.push(response);
    this.best = better(this.best, response);
    // §16.7 step 5: 6xx ends the search. So does a challenge: the caller answers it and asks again.
    if (status >= 600 || ((status === 401 || status === 407) && !this.o.simultaneous)) this.waiting.length = 0;
    if (status >= 600) this.cancelOthers(branch);
    this.o.network.spawn(this.next());
  }

  private async redirect(response: SipMessage): Promise<void> {
    this.starting++;
    for (const contact of response.list('contact').reverse()) {
      const uri = /<([^>]+)>/.exec(contact)?.[1] ?? contact.split(';')[0] ?? '';
      this.waiting.unshift(await this.o.target(uri));
    }
    this.starting--;
    await this.next();
  }

  /** Tries what is left; when nothing is, the best refusal goes back (§16.7 step 6). */
  private async next(): Promise<void> {
    while (!this.finished && this.waiting.length > 0) {
      if (!this.o.simultaneous && this.active() > 0) return;
      const target = this.waiting.shift();
      if (target === undefined) break;
      this.starting++;
      const hops = target.hop === undefined ? await this.o.network.hops(target.uri) : [target.hop];
      this.starting--;
      if (this.cancelled_ || this.finished) break;
      this.begin(target, 'reason' in hops ? [] : hops);
    }
    if (!this.finished && this.active() === 0 && this.waiting.length === 0) this.giveBack();
  }

  private begin(target: Target, hops: ConstructorParameters<typeof Delivery>[2]): void {
    const delivery = new Delivery(this.o.network, target.request, hops, this);
    const branch: Branch = { delivery, state: 'trying', timer: undefined, patience: undefined };
    this.branches.set(delivery, branch);
    if (this.tx.invite) this.watch(branch, TIMER_C);
    const { provisionalTimeout, finalTimeout } = this.o;
    if (provisionalTimeout > 0) branch.patience = this.o.network.guard.after(provisionalTimeout, 'proxied request', () => { this.abandon(branch); });
    if (finalTimeout > 0) this.watch(branch, finalTimeout);
    delivery.start();
  }

  private giveBack(): void {
    const refusal = this.best ?? responseTo(this.tx.request, this.cancelled_ ? 487 : 408, undefined, randomToken());
    // §16.7 step 6: a 503 is about the server behind us; the caller is told of a failure, not of our overload.
    if (refusal.status === 503) {
      refusal.status = 500;
      refusal.reason = refusal.reason === 'Service Unavailable' ? 'Server Internal Error' : refusal.reason;
    }
    // Step 7: all challenges, so that the caller can answer each.
    if (refusal.status === 401 || refusal.status === 407) {
      for (const other of this.challenges) {
        if (other === refusal) continue;
        for (const h of other.headers) if (h.key === 'www-authenticate' || h.key === 'proxy-authenticate') refusal.headers.push(h);
      }
    }
    this.pass(refusal);
    this.finish(refusal);
  }

  /** Sends a response of a target back, without our Via (§16.7 step 3, 8-9). */
  private pass(response: SipMessage): void {
    const top = response.lines('via').length;
    // A refusal of our own making has no Via of ours.
    if (top > 0 && response.list('via').length > this.tx.request.list('via').length) response.shift('via');
    this.tx.respond(response);
  }

  private finish(response: SipMessage | undefined): void {
    if (this.finished) return;
    this.finished = true;
    this.waiting.length = 0;
    this.cancelOthers(undefined);
    if (response === undefined || response.status >= 300 || !this.tx.invite) this.tx.user = undefined;
    this.o.done(response);
  }

  private cancelOthers(except: Branch | undefined): void {
    for (const branch of this.branches.values()) {
      if (branch === except || branch.state === 'over') continue;
      if (this.tx.invite) branch.delivery.cancel([]);
    }
  }

  /** A target that took too long: called off, the next one is tried. */
  private abandon(branch: Branch): void {
    if (branch.state === 'over') return;
    const { delivery } = branch;
    this.refused(branch, responseTo(this.tx.request, 408, undefined, randomToken()), undefined);
    if (this.tx.invite) delivery.cancel([]);
  }

  private heard(branch: Branch): void {
    clearTimeout(branch.patience);
  }

  private watch(branch: Branch, ms: number): void {
    // The application's own limit is not lengthened by a provisional response.
    if (this.o.finalTimeout > 0 && branch.timer !== undefined) return;
    clearTimeout(branch.timer);
    branch.timer = this.o.network.guard.after(this.o.finalTimeout > 0 ? this.o.finalTimeout : ms, 'proxied request', () => { this.abandon(branch); });
  }

  private still(branch: Branch): void {
    clearTimeout(branch.timer);
    clearTimeout(branch.patience);
  }

  private close(branch: Branch): void {
    branch.state = 'over';
    this.still(branch);
  }

  private active(): number {
    let n = this.starting;
    for (const branch of this.branches.values()) if (branch.state !== 'over') n++;
    return n;
  }
}

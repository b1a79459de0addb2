import { withUser } from '../../routing/index.js';
import type { TargetFacts } from '../../policy/types.js';
import type { Bridge } from '../bridge.js';
import type { RecordAction, RecordState } from '../recording.js';
import type { CallControl, Ordered } from '../control.js';
import { Transfer } from './transfer.js';

const done: Ordered = { done: true };
const refused = (status: number, code: string, text: string): Ordered => ({ done: false, status, code, text });

/** Milliseconds of a digit. */
const digitMs = 160;

/** Nobody is told of the course of a transfer that was ordered from outside: its events and the record say. */
const unheard = { progress: () => undefined, end: () => Promise.resolve() };

/** Orders from outside, carried out on the bridge of a call. */
export class Orders implements CallControl {
  readonly #bridge: Bridge;
  #held = false;

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
  }

  get party(): { readonly peer: string; readonly user: string } | null {
    return this.#bridge.current?.party ?? null;
  }

  get held(): boolean {
    return this.#held;
  }

  hold(): Ordered {
    const { call, comfort, media, manner } = this.#bridge;
    const objection = this.#notNow();
    if (objection !== null || this.#held) return objection ?? done;
    this.#held = true;
    comfort.begin('order', manner.music);
    media.connect(null);
    call.tell({ type: 'held', by: 'api' });
    return done;
  }

  unhold(): Ordered {
    const objection = this.#notNow();
    if (objection !== null) return objection;
    const { current, media } = this.#bridge;
    if (this.#held && current !== null) media.connect(current.leg);
    this.resumed();
    return done;
  }

  /** The user has been given to somebody: a hold that was ordered is over. */
  resumed(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#bridge.comfort.end('order');
    this.#bridge.call.tell({ type: 'resumed', by: 'api' });
  }

  transfer(peer: string, user: string): Ordered {
    const { call, context, current, manner } = this.#bridge;
    const objection = this.#notNow();
    if (objection !== null || current === null) return objection ?? notUp;
    const config = Object.hasOwn(context.rules().config.peers, peer) ? context.rules().config.peers[peer] : undefined;
    if (config === undefined) return refused(404, 'peer.unknown', `no peer is called ${peer}`);
    if (!call.mayBeSentOn()) return refused(403, 'transfer.tooMany', 'too many transfers and pick-ups in this call');
    const by = current.party.peer;
    const facts: TargetFacts = { origin: 'order', number: call.facts.number ?? '', route: manner.route, peer, by, uri: withUser(config.uri, user) };
    const verdict = context.rules().judgeTarget(facts);
    context.onVerdict(call, facts, verdict);
    if (!verdict.allow) {
      call.sentOn({ kind: 'ordered', by: 'api', to: null, status: verdict.status });
      return refused(403, verdict.code, verdict.text);
    }
    const order = { uri: facts.uri, replaces: null, mustReplace: false, referredBy: null, quiet: true };
    this.#bridge.send(new Transfer(this.#bridge, current, { ...order, kind: 'ordered' }, verdict, unheard));
    return done;
  }

  play(file: string, loop: boolean): Ordered {
    const objection = this.#notNow();
    if (objection === null) this.#bridge.comfort.announce({ file, loop });
    return objection ?? done;
  }

  stop(): Ordered {
    const objection = this.#notNow();
    if (objection === null) this.#bridge.comfort.announce(null);
    return objection ?? done;
  }

  record(action: RecordAction): Ordered {
    return this.#bridge.recording.order(action);
  }

  get recording(): RecordState {
    return this.#bridge.recording.state;
  }

  digits(digits: string, side: 'peer' | 'user'): Ordered {
    const objection = this.#notNow();
    const { media, current } = this.#bridge;
    if (objection !== null || current === null) return objection ?? notUp;
    for (const digit of digits) {
      if (side === 'user') media.sendDtmf(digit, digitMs);
      else if (!current.putDigit(digit, digitMs)) return refused(409, 'dtmf.unavailable', `peer ${current.party.peer} has agreed on no way to take digits, or does not listen`);
    }
    return done;
  }

  /** Why nothing can be ordered now; null: it can. */
  #notNow(): Ordered | null {
    const { call, current, transferring } = this.#bridge;
    if (call.over) return refused(409, 'call.over', 'the call has ended');
    if (call.answeredAt === null || current === null) return notUp;
    return transferring ? refused(409, 'call.transferring', 'a transfer of this call is under way') : null;
  }
}

const notUp = refused(409, 'call.notUp', 'the user does not talk with anybody yet');

// wa.meta.vc for business-initiated calls: lets INVITEs in, challenges, refuses, rings, answers.
import { EventEmitter } from 'node:events';
import { parseNameAddr, parseUri } from '../../sipserver/parser/index.js';
import type { ServerTransaction } from '../sip/transactions.js';
import { newTag } from '../sip/agent.js';
import { Verdict } from '../verdict.js';
import { admit } from './admission.js';
import type { Admitted, MetaNumber } from './admission.js';
import { Challenger } from './challenge.js';
import { ALLOW, META_HOST, RECORD_ROUTES } from './layout.js';
import type { CallExtras } from './layout.js';
import { follow } from './ledger.js';
import type { CallLedger } from './ledger.js';
import type { MediaOptions } from './media.js';
import { META_DEFAULT, parseMetaBehaviour } from './metaBehaviour.js';
import type { MetaBehaviour } from './metaBehaviour.js';
import { SimulatedMetaCall } from './metaCall.js';
import type { BusinessCallReport } from './metaCall.js';
import { REFUSALS } from './refusals.js';
import type { Refusal } from './refusals.js';
import { MetaSide } from './side.js';
import type { MetaSideOptions } from './side.js';

export interface MetaOptions extends MetaSideOptions, Omit<MediaOptions, 'keying' | 'codecs'>, CallExtras {
  numbers: MetaNumber[];
  /** Knows more numbers, and who may call whom: that of the Graph API's stand-in. */
  ledger?: CallLedger | undefined;
  /** Words of `parseMetaBehaviour`, or the parts of a behaviour; a function decides for each call by the user who is called. */
  behaviour?: string | Partial<MetaBehaviour> | ((user: string) => string | Partial<MetaBehaviour>) | undefined;
  /** Meta's BYE comes on the connection the INVITE came by, or on a fresh one to the business's server (`to`); the default where `to` is given. */
  byeVia?: 'same' | 'fresh' | undefined;
  /** An open side to play on, instead of one of its own. */
  side?: MetaSide | undefined;
}

/** One INVITE that was refused, or challenged and not heard of again. */
export interface Attempt { callId: string; uri: string; from: string; status: number; text: string; violations: { rule: string; detail: string }[] }

interface MetaEvents {
  call: [call: SimulatedMetaCall];
  ended: [report: BusinessCallReport];
  refused: [attempt: Attempt];
}

interface Pending { challenger: Challenger; verdict: Verdict; steps: number[]; behaviour: MetaBehaviour; timer: NodeJS.Timeout }

/** How long an INVITE that was challenged may take to come back, ms. */
const CHALLENGE_LIFE_MS = 60_000;

/** Starts the stand-in. Rejects with PORT_IN_USE or FILE_UNREADABLE. */
export async function startMeta(options: MetaOptions): Promise<SimulatedMeta> {
  const side = options.side ?? await MetaSide.open(options);
  return new SimulatedMeta(side, options);
}

export class SimulatedMeta extends EventEmitter<MetaEvents> {
  /** Reports of calls that have ended; the last thousand. */
  readonly reports: BusinessCallReport[] = [];
  /** INVITEs that were refused before they became a call; the last thousand. */
  readonly attempts: Attempt[] = [];
  behaviour: MetaOptions['behaviour'];
  private readonly pending = new Map<string, Pending>();
  private readonly live = new Map<string, SimulatedMetaCall>();

  constructor(readonly side: MetaSide, private readonly options: MetaOptions) {
    super();
    this.behaviour = options.behaviour;
    side.invites = (transaction) => {
      const { ledger } = options;
      if (ledger === undefined) this.invited(transaction, options.numbers);
      else this.spawn(this.consult(transaction, ledger));
    };
  }

  get port(): number {
    return this.side.listening?.port ?? 0;
  }

  get liveCalls(): SimulatedMetaCall[] {
    return [...this.live.values()];
  }

  /** Resolves with the next call that is let in. */
  nextCall(): Promise<SimulatedMetaCall> {
    return new Promise((resolve) => { this.once('call', resolve); });
  }

  async close(): Promise<void> {
    for (const pending of this.pending.values()) clearTimeout(pending.timer);
    this.pending.clear();
    this.side.invites = undefined;
    for (const call of this.liveCalls) call.close();
    if (this.options.side === undefined) await this.side.close();
  }

  /** The number may be set up at the other side of Meta. */
  private async consult(transaction: ServerTransaction, ledger: CallLedger): Promise<void> {
    const number = await ledger.number(parseUri(parseNameAddr(transaction.request.get('from') ?? '')?.uri ?? '')?.user ?? '');
    this.invited(transaction, number === undefined ? this.options.numbers : [number]);
  }

  private spawn(work: Promise<unknown>): void {
    work.catch((error: unknown) => { this.side.strays.push(`ledger: ${(error as Error).message}`); });
  }

  private invited(transaction: ServerTransaction, numbers: readonly MetaNumber[]): void {
    const { request } = transaction;
    const callId = request.get('call-id') ?? '';
    const known = this.pending.get(callId);
    const verdict = known?.verdict ?? new Verdict();
    const admitted = admit(request, numbers, verdict);
    if ('status' in admitted && admitted.status === 404) {
      this.refuse(transaction, admitted, verdict);
      return;
    }
    const pending = known ?? this.begin(callId, request.uri, verdict);
    // META-SIP §1.3: always challenged, before anything is said about number or permission.
    const number = 'status' in admitted ? undefined : admitted.number;
    const proof = pending.challenger.needed ? pending.challenger.judge(request, number?.number ?? '', number?.password ?? '', verdict) : 'good';
    if (proof === 'none' || proof === 'stale') {
      pending.steps.push(407);
      transaction.respond(pending.challenger.challenge(transaction, proof === 'stale'));
      return;
    }
    this.forget(callId);
    if ('status' in admitted) this.refuse(transaction, admitted, verdict);
    else if (proof === 'bad') this.refuse(transaction, REFUSALS.badDigest(), verdict);
    else if (this.live.has(pairOf(admitted))) this.refuse(transaction, REFUSALS.duplicate(), verdict);
    else if (this.options.ledger === undefined) this.admit(transaction, admitted, pending);
    else this.spawn(this.permit(transaction, admitted, pending, this.options.ledger));
  }

  private async permit(transaction: ServerTransaction, admitted: Admitted, pending: Pending, ledger: CallLedger): Promise<void> {
    const refusal = await ledger.judge(admitted.number.number, admitted.user);
    if (refusal === undefined) this.admit(transaction, admitted, pending);
    else this.refuse(transaction, refusal, pending.verdict);
  }

  private begin(callId: string, uri: string, verdict: Verdict): Pending {
    const user = /^sips?:([^@;]*)/.exec(uri)?.[1] ?? '';
    const behaviour = this.behaviourFor(user);
    const pending: Pending = {
      challenger: new Challenger(behaviour), verdict, steps: [], behaviour, timer: setTimeout(() => { this.pending.delete(callId); }, CHALLENGE_LIFE_MS),
    };
    this.pending.set(callId, pending);
    return pending;
  }

  private forget(callId: string): void {
    clearTimeout(this.pending.get(callId)?.timer);
    this.pending.delete(callId);
  }

  private behaviourFor(user: string): MetaBehaviour {
    const chosen = typeof this.behaviour === 'function' ? this.behaviour(user) : this.behaviour ?? {};
    return typeof chosen === 'string' ? parseMetaBehaviour(chosen) : { ...META_DEFAULT, ...chosen };
  }

  private admit(transaction: ServerTransaction, admitted: Admitted, pending: Pending): void {
    const { options } = this;
    const { behaviour } = pending;
    const call = new SimulatedMetaCall({
      side: this.side, transaction, admitted, behaviour, extras: options, violations: pending.verdict.violations, steps: pending.steps,
      media: {
        ...options, keying: admitted.number.keying, codecs: admitted.codecs, source: options.source ?? behaviour.source,
        expect: options.expect ?? (behaviour.source === 'echo' || behaviour.source === 'tone' ? [] : options.tones),
      },
      byeVia: options.byeVia ?? (this.side.options.to === undefined ? 'same' : 'fresh'),
    });
    const pair = pairOf(admitted);
    this.live.set(pair, call);
    this.side.join(call.callId, call);
    call.once('ended', () => {
      this.live.delete(pair);
      // The BYE's answer may still be on its way; the report is taken when it is asked for, and kept as it is now.
      this.keep(call.report());
    });
    if (options.ledger !== undefined) this.spawn(follow(options.ledger, { id: call.wacid, number: call.number, user: call.user, direction: 'BUSINESS_INITIATED' }, call));
    if (behaviour.digits) call.on('digit', (digit) => { void call.press(digit); });
    this.emit('call', call);
    call.run().catch((error: unknown) => {
      this.side.strays.push(`call failed: ${(error as Error).message}`);
      call.close();
    });
  }

  private keep(report: BusinessCallReport): void {
    this.reports.push(report);
    if (this.reports.length > 1000) this.reports.shift();
    this.emit('ended', report);
  }

  private refuse(transaction: ServerTransaction, refusal: Refusal, verdict: Verdict): void {
    const { request } = transaction;
    const response = transaction.reply(refusal.status, refusal.text, newTag());
    for (const route of RECORD_ROUTES) response.prepend('Record-Route', route);
    transaction.respond(response.add('Allow', ALLOW).add('X-FB-External-Domain', META_HOST).add('Warning', `399 ${META_HOST} "${refusal.text}"`));
    const attempt = {
      callId: request.get('call-id') ?? '', uri: request.uri, from: request.get('from') ?? '', status: refusal.status, text: refusal.text,
      violations: verdict.violations.map(({ rule, detail }) => ({ rule, detail })),
    };
    this.attempts.push(attempt);
    if (this.attempts.length > 1000) this.attempts.shift();
    this.emit('refused', attempt);
  }
}

/** META-SIP §9: one active call for each business and user. */
function pairOf(admitted: Admitted): string {
  return `${admitted.number.number} ${admitted.user}`;
}

import type { MetaNumber } from '../meta/admission.js';
import type { CallLedger, LedgerCall, LedgerEnd } from '../meta/ledger.js';
import type { Refusal } from '../meta/refusals.js';
import { fields, type Fields } from './reading.js';

const ANSWER_MS = 5000;

/** The ledger of a Graph API stand-in that runs in another process, at "http://HOST:PORT". */
export class RemoteLedger implements CallLedger {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url.replace(/\/+$/, '');
  }

  async number(number: string): Promise<MetaNumber | undefined> {
    return (await this.#say('number', { number }))['number'] as MetaNumber | null ?? undefined;
  }

  async judge(number: string, user: string): Promise<Refusal | undefined> {
    return (await this.#say('judge', { number, user }))['refusal'] as Refusal | null ?? undefined;
  }

  async begun(call: LedgerCall): Promise<void> {
    await this.#say('begun', { ...call });
  }

  async ended(call: LedgerCall, end: LedgerEnd): Promise<void> {
    await this.#say('ended', { ...call, ...end });
  }

  async #say(order: string, body: Fields): Promise<Fields> {
    const response = await fetch(`${this.#url}/standin/${order}`, { method: 'POST', body: JSON.stringify(body), signal: AbortSignal.timeout(ANSWER_MS) });
    const answer = fields(await response.json());
    if (!response.ok) throw new Error(`${this.#url}: ${String(answer['error'])}`);
    return answer;
  }
}

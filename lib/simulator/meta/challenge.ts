// Meta's 407, and the check of what answers it (META-SIP §4.2).
import { randomBytes } from 'node:crypto';
import { SipMessage } from '../../sipserver/parser/index.js';
import { algorithmOf, parseDigest, provesPassword } from '../sip/digest.js';
import type { DigestAlgorithm, DigestParams } from '../sip/digest.js';
import { topBranch } from '../sip/transactions.js';
import type { ServerTransaction } from '../sip/transactions.js';
import type { Verdict } from '../verdict.js';
import { META_HOST } from './layout.js';
import type { MetaBehaviour } from './metaBehaviour.js';

interface Issued { algorithm: DigestAlgorithm; opaque: string; used: boolean }

const FORMS: Readonly<Record<MetaBehaviour['challenge'], DigestAlgorithm[]>> = {
  'sha256-md5': ['SHA-256', 'MD5'], 'md5-sha256': ['MD5', 'SHA-256'], sha256: ['SHA-256'], md5: ['MD5'], none: [],
};

export type Proof = 'none' | 'good' | 'stale' | 'bad';

/** The challenges of one Call-ID. */
export class Challenger {
  private readonly issued = new Map<string, Issued>();
  private staleLeft: boolean;

  constructor(private readonly behaviour: MetaBehaviour) {
    this.staleLeft = behaviour.stale;
  }

  get needed(): boolean {
    return FORMS[this.behaviour.challenge].length > 0;
  }

  /** The 407: To tag equal to the top Via's branch, no Contact, no X-FB header; each header with its own nonce and opaque. */
  challenge(transaction: ServerTransaction, stale: boolean): SipMessage {
    const response = transaction.reply(407, undefined, topBranch(transaction.request));
    for (const algorithm of FORMS[this.behaviour.challenge]) {
      const nonce = randomBytes(8).toString('hex');
      const opaque = this.behaviour.commas ? `${randomBytes(4).toString('hex')}, ${randomBytes(4).toString('hex')}` : randomBytes(8).toString('hex');
      this.issued.set(nonce, { algorithm, opaque, used: false });
      const parts = [`realm="${META_HOST}"`, `nonce="${nonce}"`, `opaque="${opaque}"`, `algorithm=${algorithm}`];
      if (this.behaviour.qop !== 'none') parts.push(`qop="${this.behaviour.qop}"`);
      if (this.behaviour.commas) parts.push(`domain="sip:${META_HOST},sip:${META_HOST}"`);
      if (stale) parts.push('stale=true');
      response.add('Proxy-Authenticate', `Digest ${parts.join(',')}`);
    }
    // RFC 3261 §16.7 step 7 and META-SIP §4.2: the sample echoes the request's Record-Routes too.
    for (const route of transaction.request.lines('record-route')) response.add('Record-Route', route);
    return response;
  }

  /** Judges the request's credentials. Breaches that Meta would let pass are named in the verdict. */
  judge(request: SipMessage, number: string, password: string, verdict: Verdict): Proof {
    const lines = request.lines('proxy-authorization');
    if (lines.length === 0) return 'none';
    // RFC 3261 §22.3: one answer for each realm.
    if (lines.length > 1) verdict.breach('digest', `${lines.length} Proxy-Authorization headers for one realm`);
    const given = parseDigest(lines[0] ?? '');
    const issued = this.issued.get(given?.['nonce'] ?? '');
    if (given === undefined || issued === undefined || given['realm'] !== META_HOST) return 'bad';
    if (given['username'] !== number.replace(/^\+/, '')) {
      verdict.breach('digest', `username is ${given['username']}`);
      return 'bad';
    }
    this.judgeForm(given, issued, request, verdict);
    if (!provesPassword(given, request.method, password)) return 'bad';
    this.judgeChoice(issued, verdict);
    issued.used = true;
    if (!this.staleLeft) return 'good';
    this.staleLeft = false;
    this.issued.delete(given['nonce'] ?? '');
    return 'stale';
  }

  /** Whether an answer repeats what the challenge said. */
  private judgeForm(given: DigestParams, issued: Issued, request: SipMessage, verdict: Verdict): void {
    if (given['opaque'] !== issued.opaque) verdict.breach('digest', 'opaque is not what the challenge said');
    if (algorithmOf(given) !== issued.algorithm) verdict.breach('digest', `algorithm ${given['algorithm'] ?? '(none)'} answers a ${issued.algorithm} nonce`);
    const wantsQop = this.behaviour.qop !== 'none';
    if (wantsQop !== (given['qop'] === 'auth')) verdict.breach('digest', `qop is ${given['qop'] ?? 'missing'}`);
    // META-SIP §4.2: with or without ;transport=tls; computed with the uri that is sent.
    if (given['uri']?.replace(/;transport=tls$/i, '') !== request.uri.replace(/;transport=tls$/i, '')) verdict.breach('digest', `uri is ${given['uri']}`);
  }

  /** Whether the right one of our challenges was answered, and once. */
  private judgeChoice(issued: Issued, verdict: Verdict): void {
    // RFC 8760 §2.4: the first challenge in the list that is understood. Both of ours are.
    const first = FORMS[this.behaviour.challenge][0];
    if (issued.algorithm !== first && issued.algorithm !== 'SHA-256') verdict.breach('digest', `${issued.algorithm} chosen where ${first} was offered too`);
    if (issued.used) verdict.breach('digest', 'a nonce was used again with the same count');
  }
}

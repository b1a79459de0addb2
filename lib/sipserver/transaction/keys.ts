// How messages find their transaction (RFC 3261 §17.1.3, §17.2.3).
import { branchOf, parseCSeq, parseVia, tagOf } from '../parser/index.js';
import type { SipMessage } from '../parser/index.js';
import { createHmac } from 'node:crypto';
import { randomBytes } from '../../util/randomBytes.js';

const COOKIE = 'z9hG4bK';

/** A new branch: the cookie of RFC 3261 §8.1.1.7 and 96 random bits. */
export function newBranch(): string {
  return COOKIE + randomToken();
}

/** 96 random bits as a token, for tags, branches and Call-IDs. */
export function randomToken(): string {
  return randomBytes(12).toString('hex');
}

/**
 * Key of the server transaction of a request; ACK and CANCEL are given the key of the INVITE when `method` says so.
 * Requests of RFC 2543 elements (no cookie in the branch, or nothing behind it: RFC 4475 §3.2.1) are told apart by their headers.
 */
export function serverKey(request: SipMessage, method: string): string {
  const top = request.first('via') ?? '';
  const via = parseVia(top);
  const branch = via === undefined ? undefined : branchOf(via);
  if (via !== undefined && branch !== undefined && branch.length > COOKIE.length && branch.startsWith(COOKIE)) {
    return `${branch} ${via.host}:${via.port ?? ''} ${method}`;
  }
  const seq = parseCSeq(request.get('cseq') ?? '')?.seq ?? 0;
  return `2543 ${top} ${request.uri} ${request.get('call-id') ?? ''} ${tagOf(request.get('from') ?? '') ?? ''} ${seq} ${method}`;
}

/** Key of the client transaction that a response belongs to: branch and CSeq method. Undefined when either cannot be read. */
export function clientKey(response: SipMessage): string | undefined {
  const via = parseVia(response.first('via') ?? '');
  const branch = via === undefined ? undefined : branchOf(via);
  const method = parseCSeq(response.get('cseq') ?? '')?.method;
  return branch === undefined || method === undefined ? undefined : `${branch} ${method}`;
}

/** To tags of answers without state: the same request gets the same one (RFC 3261 §8.2.7), and nobody can tell which. */
export class StableTags {
  private readonly key = randomBytes(32);

  of(request: SipMessage): string {
    const hash = createHmac('sha256', this.key);
    for (const name of ['call-id', 'from', 'cseq']) hash.update(`${request.get(name) ?? ''}\n`);
    return hash.update(request.first('via')?.replace(/;\s*(?:received|rport)\s*(?:=[^;]*)?/gi, '') ?? '').digest('hex').slice(0, 24);
  }
}

import { WabError } from '../errors.js';
import { printable } from '../observe/printable.js';
import { readCode, type GraphFault } from './codes.js';
import { isRecord, record, text, whole, type Json } from './json.js';

/** What is known of a failure, apart from what was asked. */
export interface GraphFailure {
  readonly fault: GraphFault;
  /** HTTP status of the answer; null when there was none. */
  readonly httpStatus: number | null;
  /** Code of Meta's error, as in docs/reference/graph-errors.md; null when there is none. */
  readonly metaCode: number | null;
  readonly subcode: number | null;
  /** Meta's own words, cleaned; '' when there are none. */
  readonly details: string;
  /** By which Meta finds the request. */
  readonly trace: string | null;
  /** Milliseconds after which Meta wants to be asked again; null: not said. */
  readonly retryAfter: number | null;
  readonly meaning: string;
  /** What to do about it. */
  readonly todo: string;
}

/** A request to the Graph API that failed. Neither its message nor its fields have a token, a password or the user it was about. */
export class GraphError extends WabError implements GraphFailure {
  readonly fault: GraphFault;
  readonly httpStatus: number | null;
  readonly metaCode: number | null;
  readonly subcode: number | null;
  readonly details: string;
  readonly trace: string | null;
  readonly retryAfter: number | null;
  readonly meaning: string;
  readonly todo: string;

  /** `what`: what was asked, in words, such as "settings of 100000000000001". */
  constructor(what: string, failure: GraphFailure) {
    const { metaCode, httpStatus, details, meaning } = failure;
    const code = metaCode === null ? httpStatus === null ? '' : ` (HTTP ${httpStatus})` : ` (error ${metaCode})`;
    super(unusable.has(failure.fault) ? 'GRAPH_UNAVAILABLE' : 'GRAPH_REFUSED', `${what}: ${meaning}${code}${details === '' ? '' : `: ${details}`}`);
    this.name = 'GraphError';
    this.fault = failure.fault;
    this.httpStatus = httpStatus;
    this.metaCode = metaCode;
    this.subcode = failure.subcode;
    this.details = details;
    this.trace = failure.trace;
    this.retryAfter = failure.retryAfter;
    this.meaning = meaning;
    this.todo = failure.todo;
  }

  /** Nothing of Meta's is said by it: whether the answer would have been yes or no is not known. */
  get isSilence(): boolean {
    return this.fault !== 'refused';
  }
}

const unusable: ReadonlySet<GraphFault> = new Set(['unreachable', 'late', 'nonsense', 'temporary']);

/** Hides what must not be read in a text of Meta's: tokens, and each of `secrets`. */
export function clean(words: string, secrets: readonly string[]): string {
  let said = words.replace(/EAA[A-Za-z0-9]{8,}/g, '…').replace(/\b(access_token|sip_user_password|appsecret_proof)([=:"'\s]+)[^\s&"',}]+/gi, '$1$2…');
  for (const secret of secrets) if (secret !== '') said = said.replaceAll(secret, '…');
  const shown = printable(said).replace(/\s+/g, ' ').trim();
  return shown.length > 400 ? `${shown.slice(0, 400)}…` : shown;
}

/** A failure of which no answer of Meta's tells. */
export function silent(fault: 'unreachable' | 'late' | 'nonsense', meaning: string, httpStatus: number | null = null): GraphFailure {
  const todo = {
    unreachable: 'let this machine reach graph.url over HTTPS: DNS, firewall, proxy',
    late: 'try again; what was asked may have been done all the same',
    nonsense: 'look at graph.url and at what stands in between: that is no answer of the Graph API',
  }[fault];
  return { fault, httpStatus, metaCode: null, subcode: null, details: '', trace: null, retryAfter: null, meaning, todo };
}

/** Reads an answer that is no success: an error body of Meta's, or `success: false`; null when it is neither. `retryAfter` in ms, from its header. */
export function failureOf(body: unknown, httpStatus: number, retryAfter: number | null, secrets: readonly string[]): GraphFailure | null {
  const answer = record(body);
  if (!isRecord(answer['error'])) {
    if (httpStatus >= 200 && httpStatus < 300) return answer['success'] === false || answer['success'] === 'false' ? untold(httpStatus, retryAfter, 'Meta says that it was not done') : null;
    return isRecord(body) ? untold(httpStatus, retryAfter, null) : null;
  }
  const error: Json = answer['error'];
  const code = whole(error['code']);
  const { fault, meaning, todo } = readCode(code, httpStatus, error['is_transient'] === true);
  return {
    fault, httpStatus, metaCode: code, subcode: whole(error['error_subcode']), details: clean(wordsOf(error), secrets), trace: text(error['fbtrace_id']), retryAfter, meaning, todo,
  };
}

function untold(httpStatus: number, retryAfter: number | null, meaning: string | null): GraphFailure {
  const row = readCode(null, httpStatus, false);
  return { ...silent('nonsense', meaning ?? row.meaning, httpStatus), fault: row.fault, todo: row.todo, retryAfter };
}

/** The most telling of Meta's texts: `details` names what is wrong, `message` only the kind. */
function wordsOf(error: Json): string {
  const message = text(error['message']) ?? '';
  const details = text(record(error['error_data'])['details']) ?? text(error['error_data']) ?? text(error['error_user_msg']) ?? '';
  return details === '' || details === message ? message : message === '' ? details : `${message}: ${details}`;
}

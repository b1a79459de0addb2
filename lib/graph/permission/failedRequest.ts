import { GraphError } from '../error.js';

/**
 * What a request for permission that failed has come to. permitted: the user has permitted calls for good, nothing was sent; askedAlready: somebody has asked
 * this user as often as Meta lets, nothing was sent; unknown: it may have gone all the same; unsent: it has not.
 */
export type FailedRequest = 'permitted' | 'askedAlready' | 'unknown' | 'unsent';

/** Meta's code for a request beyond the limits. */
const askedAlready = 138009;
/** Meta's code for a request to a user who has permitted calls for good. */
const permittedForGood = 138017;
/** Failures after which a request may have been sent all the same. */
const mayHaveGone: ReadonlySet<string> = new Set(['late', 'temporary', 'nonsense']);

export function judgeFailedRequest(error: unknown): FailedRequest {
  // What is none of Meta's is our own time-out.
  if (!(error instanceof GraphError)) return 'unknown';
  if (error.metaCode === permittedForGood) return 'permitted';
  if (error.metaCode === askedAlready) return 'askedAlready';
  return mayHaveGone.has(error.fault) ? 'unknown' : 'unsent';
}

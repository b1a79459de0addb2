import { WabError } from '../errors.js';

/** Warn codes of a refusal (RFC 3261 §20.43): media type not available, incompatible media format, multicast not available, anything else. */
export type WarnCode = 304 | 305 | 330 | 399;

/** The error of every text this folder cannot use. `warning` says in a response what kind of fault it is. */
export function unacceptable(detail: string, cause?: unknown, warning: WarnCode = 399): WabError {
  return new WabError('SDP_UNACCEPTABLE', detail, { ...(cause === undefined ? {} : { cause }), warning });
}

// Building a response from the request it answers.
import { SipMessage } from './message.js';
import { tagOf } from './values.js';

/** Status → default reason phrase: RFC 3261 §21 and the IANA registry. */
const REASONS: Readonly<Record<number, string>> = {
  100: 'Trying', 180: 'Ringing', 181: 'Call Is Being Forwarded', 182: 'Queued', 183: 'Session Progress', 199: 'Early Dialog Terminated',
  200: 'OK', 202: 'Accepted', 204: 'No Notification',
  300: 'Multiple Choices', 301: 'Moved Permanently', 302: 'Moved Temporarily', 305: 'Use Proxy', 380: 'Alternative Service',
  400: 'Bad Request', 401: 'Unauthorized', 402: 'Payment Required', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed',
  406: 'Not Acceptable', 407: 'Proxy Authentication Required', 408: 'Request Timeout', 410: 'Gone', 412: 'Conditional Request Failed',
  413: 'Request Entity Too Large', 414: 'Request-URI Too Long', 415: 'Unsupported Media Type', 416: 'Unsupported URI Scheme',
  417: 'Unknown Resource-Priority', 420: 'Bad Extension', 421: 'Extension Required', 422: 'Session Interval Too Small',
  423: 'Interval Too Brief', 424: 'Bad Location Information', 428: 'Use Identity Header', 429: 'Provide Referrer Identity',
  430: 'Flow Failed', 433: 'Anonymity Disallowed', 439: 'First Hop Lacks Outbound Support', 440: 'Max-Breadth Exceeded',
  469: 'Bad Info Package', 470: 'Consent Needed', 480: 'Temporarily Unavailable', 481: 'Call/Transaction Does Not Exist',
  482: 'Loop Detected', 483: 'Too Many Hops', 484: 'Address Incomplete', 485: 'Ambiguous', 486: 'Busy Here', 487: 'Request Terminated',
  488: 'Not Acceptable Here', 489: 'Bad Event', 491: 'Request Pending', 493: 'Undecipherable', 494: 'Security Agreement Required',
  500: 'Server Internal Error', 501: 'Not Implemented', 502: 'Bad Gateway', 503: 'Service Unavailable', 504: 'Server Time-out',
  505: 'Version Not Supported', 513: 'Message Too Large', 580: 'Precondition Failure',
  600: 'Busy Everywhere', 603: 'Decline', 604: 'Does Not Exist Anywhere', 606: 'Not Acceptable', 607: 'Unwanted',
};

/** Default reason phrase of a status; the phrase of its class when the status is unknown. */
function reasonOf(status: number): string {
  return REASONS[status] ?? REASONS[Math.floor(status / 100) * 100] ?? 'Unknown';
}

/**
 * A response with the headers RFC 3261 §8.2.6.2 copies from the request: Via lines in order and byte for byte, From, To, Call-ID, CSeq;
 * and Record-Route (§12.1.1) for 18x and 2xx, in the place they had between the Vias. `toTag` is added to To unless it has a tag
 * or the status is 100 (§8.2.6.1).
 */
export function responseTo(request: SipMessage, status: number, reason = reasonOf(status), toTag?: string): SipMessage {
  const response = SipMessage.response(status, reason);
  const recordRoutes = status > 100 && status < 300;
  for (const h of request.headers) {
    switch (h.key) {
      case 'via': case 'from': case 'call-id': case 'cseq':
        response.headers.push({ name: h.name, key: h.key, value: h.value });
        break;
      case 'record-route':
        if (recordRoutes) response.headers.push({ name: h.name, key: h.key, value: h.value });
        break;
      case 'to':
        response.headers.push({
          name: h.name, key: h.key,
          value: toTag !== undefined && status > 100 && tagOf(h.value) === undefined ? `${h.value};tag=${toTag}` : h.value,
        });
        break;
      default:
    }
  }
  return response;
}

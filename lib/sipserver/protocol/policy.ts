// What this server answers by itself before a client is asked (RFC 3261 §8.2).
import type { Fault, SipMessage } from '../parser/index.js';
import { MIN_SE } from '../parser/index.js';
import { tooShort } from './refresh.js';

/** Methods with an RFC. Others are 501 unless a client asked for them by name (RFC 3261 §8.2.1). */
const METHODS: ReadonlySet<string> = new Set(['INVITE', 'ACK', 'CANCEL', 'BYE', 'OPTIONS', 'REGISTER', 'INFO', 'PRACK', 'UPDATE', 'SUBSCRIBE',
  'NOTIFY', 'REFER', 'MESSAGE', 'PUBLISH']);

/** Option tags of the IANA registry: whether one is supported is for the client to say. All others nobody supports: 420. */
const OPTIONS: ReadonlySet<string> = new Set(['100rel', '199', 'answermode', 'early-session', 'eventlist', 'explicitsub', 'from-change',
  'geolocation-http', 'geolocation-sip', 'gin', 'gruu', 'histinfo', 'ice', 'join', 'mediasec', 'multiple-refer', 'norefersub', 'nosub', 'outbound',
  'path', 'policy', 'precondition', 'pref', 'privacy', 'recipient-list-invite', 'recipient-list-message', 'recipient-list-subscribe',
  'record-aware', 'replaces', 'resource-priority', 'sdp-anat', 'sec-agree', 'siprec', 'tdialog', 'timer', 'trickle-ice', 'uui']);

/** Body types a session can be set up with, or that may ride along. */
const BODIES = /^\s*(?:application\/(?:sdp|isup|qsig|pidf\+xml|resource-lists\+xml|rs-metadata\+xml|vnd\.[^;]+|x-[^;]+|broadsoft)|multipart\/[^;]+|text\/plain|message\/sipfrag)\s*(?:;|$)/i;

/** User agents of scanners: they get silence, not an answer that proves there is a SIP server. */
export const SCANNERS = ['friendly-scanner', 'sipvicious', 'sip-scan', 'sundayddr', 'sipcli', 'iwar', 'vaxsipuseragent', 'pplsip', 'smap', 'sipv '] as const;

/** Requests that begin a dialog. */
const BEGINS: ReadonlySet<string> = new Set(['INVITE', 'SUBSCRIBE']);

export class Policy {
  /** Requests refused since there were as many dialogs as may be. */
  refusedDialogs = 0;
  /** Requests refused since too much waited for the application. */
  refusedBusy = 0;
  private readonly scanners: readonly string[];

  /** `scanners`: parts of User-Agent values that get silence; `maxDialogs`: with as many alive, no request begins one more. */
  constructor(scanners: readonly string[], private readonly maxDialogs: number) {
    this.scanners = scanners.map((s) => s.toLowerCase());
  }

  /** False for requests that get silence. */
  welcome(request: SipMessage): boolean {
    const agent = request.get('user-agent')?.toLowerCase();
    return agent === undefined || !this.scanners.some((s) => agent.includes(s));
  }

  /**
   * What is wrong with a new request for every client alike; undefined when it may be handed on. `routed`: a client asked for its method;
   * `dialogs`: how many there are.
   */
  judge(request: SipMessage, routed: boolean, dialogs: number): (Fault & { headers?: [string, string][] }) | undefined {
    if (dialogs >= this.maxDialogs && BEGINS.has(request.method)) {
      this.refusedDialogs++;
      return { status: 503, reason: 'Too Many Dialogs', headers: [['Retry-After', '30']] };
    }
    if (!METHODS.has(request.method) && !routed) return { status: 501, reason: 'Not Implemented' };
    // RFC 3261 §8.2.2.3, §16.3 item 5.
    const unknown = [...request.list('require'), ...request.list('proxy-require')].filter((o) => !OPTIONS.has(o.toLowerCase()));
    if (unknown.length > 0) return { status: 420, reason: 'Bad Extension', headers: [['Unsupported', unknown.join(', ')]] };
    if (tooShort(request, false)) return { status: 422, reason: 'Session Interval Too Small', headers: [['Min-SE', String(MIN_SE)]] };
    if (request.method === 'INVITE') {
      const type = request.get('content-type');
      const optional = /handling\s*=\s*optional/i.test(request.get('content-disposition') ?? '');
      // §8.2.3: a body of unknown type or encoding is 415, unless it may be ignored.
      if (type !== undefined && request.body !== '' && !optional && !BODIES.test(type)) {
        return { status: 415, reason: 'Unsupported Media Type', headers: [['Accept', 'application/sdp, multipart/mixed']] };
      }
      const encoding = request.get('content-encoding');
      if (encoding !== undefined && request.body !== '' && encoding.toLowerCase() !== 'identity') {
        return { status: 415, reason: 'Unsupported Media Type', headers: [['Accept-Encoding', 'identity']] };
      }
      // §20.1, RFC 4475 §3.3.15: a caller that takes no SDP cannot be answered.
      const accept = request.list('accept').map((a) => a.split(';')[0]?.trim().toLowerCase() ?? '');
      if (accept.length > 0 && !accept.some((a) => a === 'application/sdp' || a === 'application/*' || a === '*/*' || a.startsWith('multipart/'))) {
        return { status: 406, reason: 'Not Acceptable' };
      }
    }
    return undefined;
  }
}

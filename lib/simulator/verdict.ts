// What a stand-in found wrong. Every rule names where it comes from.

export type Rule =
  | 'second-ssrc'           // META-SIP §6.2: one SSRC for the whole call
  | 'request-to-meta'       // META-SIP §1.2: nothing but ACK and BYE inside a dialog
  | 'media-before-200'      // META-SIP §5: the timer starts at the first media packet
  | 'silence'               // META-SIP §1.8: 20 s at the start, 30 s later
  | 'via-altered'           // META-SIP §5.3
  | 'record-route-altered'  // META-SIP §5.3
  | 'route'                 // META-SIP §4.2: a request of the business's whose Route set or Request-URI is not Meta's
  | 'response'              // RFC 3261 §8.2.6, §12.1.1: a response that does not fit its request
  | 'contact'               // META-SIP §5.3: Contact names the registered host over TLS
  | 'sdp'                   // RFC 3264 §6 and META-SIP §6.1
  | 'crypto'                // META-SIP §6.1, RFC 4568
  | 'payload-type'          // RFC 3264 §6.1: only what was offered
  | 'ptime'                 // META-SIP §6.2: 20 ms
  | 'source-changed'        // META-SIP §6.2: the media address stays as answered
  | 'sequence'              // META-SIP §6.2: one continuous stream
  | 'dtmf'                  // RFC 4733, META-SIP §6.3
  | 'form'                  // META-SIP §4.1, §13: a request of the business's that is not laid out as Meta asks
  | 'digest'                // RFC 7616, RFC 8760, META-SIP §4.2
  | 'malformed'             // bytes that are no SIP message
  | 'ice'                   // RFC 8445, META-SIP §6.2
  | 'dtls';                 // RFC 5764, META-SIP §6.2

/** One breach; `atMs` counts from the start of the call. */
export interface Violation { rule: Rule; detail: string; atMs: number }

/** Gathers breaches; the same one is kept once. */
export class Verdict {
  readonly violations: Violation[] = [];
  private readonly started = performance.now();

  constructor(private readonly told?: (violation: Violation) => void) {}

  breach(rule: Rule, detail: string): void {
    if (this.violations.some((v) => v.rule === rule && v.detail === detail)) return;
    const violation = { rule, detail, atMs: Math.round(performance.now() - this.started) };
    this.violations.push(violation);
    this.told?.(violation);
  }
}

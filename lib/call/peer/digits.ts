import type { SipDialog, SipRequest, SipResponse } from '../../sip/drachtio.js';
import { requestInDialog } from '../../sip/inDialog.js';
import type { Logger } from '../../observe/logger.js';
import { longestInfo, readInfoDigit, writeInfoDigit } from './dtmfInfo.js';
import { Serial } from '../../util/serial.js';

/** Body types of INFO that carry a digit. */
const types = /^application\/dtmf(?:-relay)?\s*(?:;|$)/i;

/**
 * Digits as SIP INFO, both ways, in one peer dialog. Only where the peer has no telephone events or is configured so: a digit that came
 * both ways would be heard twice.
 */
export class InfoDigits {
  readonly #dialog: SipDialog;
  readonly #toUser: (digit: string, durationMs: number) => void;
  readonly #log: Pick<Logger, 'warn'>;
  readonly #byInfo: () => boolean;
  #type: 'relay' | 'plain' = 'relay';
  /** One INFO after the other: they have no order of their own on UDP. */
  readonly #queue = new Serial();

  constructor(dialog: SipDialog, toUser: (digit: string, durationMs: number) => void, log: Pick<Logger, 'warn'>, byInfo: () => boolean) {
    this.#dialog = dialog;
    this.#toUser = toUser;
    this.#log = log;
    this.#byInfo = byInfo;
  }

  /** An INFO of the peer's. */
  take(request: SipRequest, response: SipResponse): void {
    const type = request.get('Content-Type') ?? '';
    // RFC 2976 §2.2: an empty INFO asks whether the session stands; a body nobody understands is 415. RFC 6086 §4.2.2 has 469 for a package
    // nobody agreed on, a status that drachtio-srf cannot send; 415 says as much.
    if (request.has('Info-Package') || (request.body !== '' && !types.test(type))) {
      return response.send(415, { headers: { Accept: 'application/dtmf-relay, application/dtmf' } });
    }
    if (request.body.length > longestInfo) return response.send(413);
    const digit = readInfoDigit(type, request.body);
    if (digit !== null && this.#byInfo()) this.#toUser(digit.digit, digit.duration);
    response.send(200);
  }

  /** A digit of the WhatsApp user's, once it is over; `duration` in milliseconds. False: the peer takes none so. */
  send(digit: string, duration: number): boolean {
    if (!this.#byInfo()) return false;
    void this.#queue.run(() => this.#send(digit, duration)).catch((error: Error) => {
      this.#log.warn({ err: error.message }, 'a digit of the WhatsApp user did not reach the peer: its INFO was not answered');
    });
    return true;
  }

  async #send(digit: string, duration: number): Promise<void> {
    if (!this.#dialog.connected) return;
    const relay = writeInfoDigit({ digit, duration });
    const [type, body] = this.#type === 'relay' ? [relay.contentType, relay.body] : ['application/dtmf', digit];
    const response = await requestInDialog(this.#dialog, 'INFO', { 'Content-Type': type }, body);
    if (response.status >= 200 && response.status < 300) return;
    if (response.status !== 415 || this.#type === 'plain') {
      this.#log.warn({ status: response.status }, `a digit of the WhatsApp user was refused by the peer: ${response.status} to its INFO; dtmf: rfc4733 may suit it`);
      return;
    }
    this.#type = 'plain';
    await this.#send(digit, duration);
  }
}

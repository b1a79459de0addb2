import type { SipRequest } from '../../sip/drachtio.js';
import { cleanHeaderValue } from '../../sip/headers.js';
import { parseNameAddr, splitHeaderValues, uriParam } from '../../sip/uri.js';
import type { PeerDialog } from '../peer/dialog.js';
import { parseReplaces, type Replaces } from './replaces.js';
import { Serial } from '../../util/serial.js';

/** What a REFER asks for (RFC 3515, 5589, 4488, 3892). */
export interface ReferOrder {
  /** The Refer-To URI as received, with its headers. */
  readonly uri: string;
  /** Attended: the dialog at the target that the new call is to replace. */
  readonly replaces: Replaces | null;
  /** The target must know Replaces, else the call must fail. */
  readonly mustReplace: boolean;
  /** Referred-By for the target, when it came with one that can be read. */
  readonly referredBy: string | null;
  /** No NOTIFYs are wanted. */
  readonly quiet: boolean;
}

/** @returns the order, or what is wrong with the REFER */
export function readRefer(request: SipRequest): ReferOrder | string {
  const targets = splitHeaderValues(request.get('Refer-To') ?? '');
  const [written] = targets;
  // RFC 3515 §2.4.2: exactly one Refer-To.
  if (targets.length !== 1 || written === undefined) return `${targets.length} Refer-To values`;
  // Many write a URI with ?Replaces= without the angle brackets that RFC 3261 §20 asks for.
  const target = parseNameAddr(written.includes('<') ? written : `<${written}>`);
  if (target === null) return 'Refer-To cannot be read';
  const value = uriParam(target.uri.headers, 'replaces');
  const replaces = value === undefined ? null : parseReplaces(value ?? '');
  if (value !== undefined && replaces === null) return 'the Replaces in Refer-To cannot be read';
  const referredBy = request.get('Referred-By');
  return {
    uri: target.uriText,
    replaces,
    mustReplace: /\breplaces\b/i.test(uriParam(target.uri.headers, 'require') ?? ''),
    referredBy: referredBy !== undefined && parseNameAddr(referredBy) !== null ? cleanHeaderValue(referredBy) : null,
    quiet: /^\s*false\b/i.test(request.get('Refer-Sub') ?? ''),
  };
}

/** Seconds a transferor's subscription lasts at most: longer than any ring and return. */
const lifetime = 1200;

/** What the transferor is told of the outcome: NOTIFYs one after the other, the last one ends the subscription (RFC 3515 §2.4.4-7). */
export class ReferSubscription {
  readonly #dialog: PeerDialog;
  readonly #event: string;
  readonly #queue = new Serial();
  #over: boolean;
  #last = '';

  /** `id`: the CSeq of the REFER when it is not the first in its dialog (RFC 3515 §2.4.6), else null. `quiet`: nobody is told. */
  constructor(dialog: PeerDialog, id: number | null, quiet: boolean) {
    this.#dialog = dialog;
    this.#event = id === null ? 'refer' : `refer;id=${id}`;
    this.#over = quiet;
  }

  progress(status: number, reason: string): void {
    const line = `SIP/2.0 ${status} ${reason}`;
    if (line === this.#last) return;
    this.#last = line;
    this.#tell(`active;expires=${lifetime}`, line);
  }

  /** Resolves when the last NOTIFY is answered. */
  end(status: number, reason: string): Promise<void> {
    this.#tell('terminated;reason=noresource', `SIP/2.0 ${status} ${reason}`);
    return this.#queue.idle();
  }

  #tell(state: string, line: string): void {
    void this.#queue.run(async () => {
      if (this.#over) return;
      // RFC 6665 §4.2.2: a notifier stops when the subscriber does not want to know.
      const status = await this.#dialog.notify(this.#event, state, line).catch(() => null);
      if (status === null || status >= 400) this.#over = true;
    });
  }
}

import type { MediaLogger } from '../logger.js';
import type { SideId } from '../relay/messages.js';
import type { SecurityFault } from '../relay/wire/settings.js';

const UNSECURED: Readonly<Record<SecurityFault, string>> = {
  ice: 'ICE has failed', dtls: 'the DTLS handshake has failed', fingerprint: 'the DTLS certificate is not the one of the description',
  key: 'the SRTP that comes does not fit the key of the description; it is dropped',
  late: 'no keys are agreed on',
};

/** What the log is told of a call's media that is not as it should be. */
export class MediaWarnings {
  readonly #logger: MediaLogger;
  readonly #call: string;

  constructor(logger: MediaLogger, call: string) {
    this.#logger = logger;
    this.#call = call;
  }

  stranger(leg: SideId, address: string): void {
    this.#logger.warn({ call: this.#call, leg, address }, `a stranger sends media to ${leg === 'meta' ? "Meta's" : "a peer's"} leg; it is dropped`);
  }

  unsecured(leg: SideId, kind: SecurityFault, reason: string): void {
    this.#logger.warn({ call: this.#call, leg, reason }, UNSECURED[kind]);
  }

  notBegun(err: unknown): void {
    this.#logger.warn({ call: this.#call, err }, 'the stream towards Meta could not be begun');
  }

  notRepacketised(ms: number, err: unknown): void {
    this.#logger.warn({ call: this.#call, ms, err }, "a peer's packets could not be brought to 20 ms");
  }

  engineRefused(engine: string, err: unknown): void {
    this.#logger.warn({ call: this.#call, engine, err }, 'a media engine cannot take a call');
  }
}

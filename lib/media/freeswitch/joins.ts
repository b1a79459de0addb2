import { WabError } from '../../errors.js';
import { withTimeout } from '../../util/withTimeout.js';

/** How long joining two channels may take before it is asked for again, in milliseconds, longer each time, and how often. */
const JOIN_PATIENCE = 700;
const JOIN_ATTEMPTS = 3;

/** What joining needs of its FreeSWITCH. */
export interface JoinHost {
  readonly address: string;
  /** @throws WabError 'MEDIA_UNAVAILABLE', 'MEDIA_REFUSED'. */
  api(command: string): Promise<string>;
  /** It was asked for, and not done in time. */
  notJoined(attempt: number): void;
}

/** Channels that are being joined. Channels are named by their uuid. */
export class Joins {
  readonly #host: JoinHost;
  /** Outer channels, and to which other one. */
  readonly #waiting = new Map<string, { readonly other: string; done(joined: boolean): void }>();

  constructor(host: JoinHost) {
    this.#host = host;
  }

  /**
   * Joins two channels: what comes to one goes out of the other; resolves when they are. FreeSWITCH agrees to join a channel that is
   * still on its way through the dialplan after its 200, and then parks it all the same: what it says counts only when it says it is done.
   * @throws as api; 'MEDIA_UNAVAILABLE' when it does not come to it.
   */
  async join(one: string, other: string): Promise<void> {
    for (let attempt = 1; attempt <= JOIN_ATTEMPTS; attempt += 1) {
      const joined = this.#joined(one, other, attempt * JOIN_PATIENCE);
      await this.#host.api(`uuid_bridge ${one} ${other}`);
      if (await joined) return;
      // What it says comes late where it is short of time, and to ask again would part the two, which then hang up.
      if ((await this.#host.api(`uuid_getvar ${one} bridge_to`)).trim() === other) return;
      this.#host.notJoined(attempt);
    }
    throw new WabError('MEDIA_UNAVAILABLE', `FreeSWITCH ${this.#host.address} does not join two channels`);
  }

  /** Whether this channel is joined to the other before our patience ends. */
  async #joined(uuid: string, other: string, patience: number): Promise<boolean> {
    const told = new Promise<boolean>((done) => { this.#waiting.set(uuid, { other, done }); });
    const joined = await withTimeout(told, patience, () => false);
    this.#waiting.delete(uuid);
    return joined;
  }

  /** FreeSWITCH says that these two are joined; of a join before this one word may come late. */
  heard(a: string, b: string): void {
    for (const [one, other] of [[a, b], [b, a]] as const) if (this.#waiting.get(one)?.other === other) this.#waiting.get(one)?.done(true);
  }

  /** This channel is hung up: nobody waits for what cannot come any more. */
  hungUp(uuid: string): void {
    this.#waiting.get(uuid)?.done(false);
  }
}

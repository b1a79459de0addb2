import { randomInt } from 'node:crypto';
import { WabError } from '../../errors.js';

/** Where pairs of ports are had, and given back. */
export interface Ports {
  /** The even port of a free pair. @throws WabError 'MEDIA_UNAVAILABLE' when there is none to be had */
  take(): number;
  /** It is free again. */
  give(port: number): void;
}

/** One pair in so many is for calls alone, whatever else would have them. */
const ONE_FOR_CALLS_IN = 8;

/**
 * The pairs of UDP ports of the embedded engine: an even one for RTP, the next one for RTCP (RFC 3550 §11). The one that has been free for
 * longest is next, so that what is still under way to a port when its call ends is not heard in the next one.
 */
export class PortPool implements Ports {
  readonly #range: string;
  /** Free ones, the longest unused first. */
  readonly #free: number[] = [];
  /** Pairs in all. */
  readonly size: number;

  /** `first`, `last`: inclusive. */
  constructor({ first, last }: { readonly first: number; readonly last: number }) {
    this.#range = `${first}-${last}`;
    for (let port = first + (first % 2); port + 1 <= last; port += 2) this.#free.push(port);
    this.size = this.#free.length;
    // Two services of one machine that share a range, and one after a restart, do not begin at the same port.
    if (this.size > 1) this.#free.push(...this.#free.splice(0, randomInt(this.size)));
  }

  get free(): number {
    return this.#free.length;
  }

  /** The even port of a free pair. @throws WabError 'MEDIA_UNAVAILABLE' when all are in use. */
  take(): number {
    const next = this.#free.shift();
    if (next === undefined) throw new WabError('MEDIA_UNAVAILABLE', `no free port in media.ports (${this.#range})`);
    return next;
  }

  /** It is free again. */
  give(port: number): void {
    this.#free.push(port);
  }

  /** The same for what calls can go on without: some are left for them. */
  get spare(): Ports {
    const kept = Math.ceil(this.size / ONE_FOR_CALLS_IN);
    return {
      take: () => {
        if (this.free <= kept) throw new WabError('MEDIA_UNAVAILABLE', `the ${this.free} free pairs of media.ports (${this.#range}) are kept for calls`);
        return this.take();
      },
      give: (port) => this.give(port),
    };
  }
}

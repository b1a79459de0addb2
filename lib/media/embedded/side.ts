import { isIPv6 } from 'node:net';
import { WabError } from '../../errors.js';
import type { MediaInterface } from '../interfaces.js';
import type { Remote } from '../relay/messages.js';
import type { SidePlace } from '../session/sides.js';
import type { Ports } from './ports.js';

/** So many ports that somebody else has are passed over, one after the other. */
const TRIES = 20;

/** A side's port of its own in the relay: opened at its first description, free again when it is closed. */
export class OwnPort {
  readonly #place: SidePlace;
  readonly #ports: Ports;
  readonly #at: MediaInterface;
  #opening: Promise<Remote> | null = null;
  #taken: number | null = null;
  #closed = false;

  constructor(place: SidePlace, ports: Ports, at: MediaInterface) {
    this.#place = place;
    this.#ports = ports;
    this.#at = at;
  }

  /** Where the far end is to send to. `rtcp`: RTCP has a port of its own. @throws WabError 'MEDIA_UNAVAILABLE'. */
  open(rtcp: boolean): Promise<Remote> {
    this.#opening ??= this.#open(rtcp);
    return this.#opening;
  }

  async #open(rtcp: boolean): Promise<Remote> {
    const { relay, side } = this.#place;
    let fault: string | null = null;
    for (let left = TRIES; left > 0 && !this.#closed; left -= 1) {
      const port = this.#ports.take();
      fault = await relay.open(side, this.#at.local, port, rtcp);
      if (fault === null && !this.#closed) {
        this.#taken = port;
        return { address: this.#at.advertised, port };
      }
      this.#ports.give(port);
      if (fault !== 'EADDRINUSE') break;
    }
    if (this.#closed) throw new WabError('MEDIA_REFUSED', 'the leg was closed');
    const where = isIPv6(this.#at.local) ? `[${this.#at.local}]` : this.#at.local;
    const why = fault === 'EADDRNOTAVAIL' ? `${where} is no address of this machine: correct media.interface` : `no port of media.ports can be opened on ${where}: ${fault ?? 'none is free'}`;
    throw new WabError('MEDIA_UNAVAILABLE', why);
  }

  /** May be called twice; the relay closes the port with its side or its call. */
  close(): void {
    this.#closed = true;
    if (this.#taken !== null) this.#ports.give(this.#taken);
    this.#taken = null;
  }
}

// Who may still connect: counted over all listening points of one server.
import type { SipLimits, TransportCounters } from './limits.js';
import { placeOf } from '../../util/place.js';

/** What a connection may do nothing for before it has to give way, ms. */
export const FAIR_TIME = 1000;

/** A place that a connection holds. */
export interface Place {
  /** Held by somebody whom the address makes known. */
  readonly known: boolean;
  /** Its holder has authenticated (true), or that has lapsed (false): then it counts among those of its address again. */
  authenticated(is: boolean): void;
  /** Gives it back; more than once does nothing. */
  leave(): void;
}

export interface AdmissionUser {
  /** False for addresses that are not let in. */
  allowed(address: string): boolean;
  /** False when strangers have opened as many connections in this second as they may. */
  inTime(address: string): boolean;
  /** Ends one connection: with `strangers` one of theirs, which had its fair time or gives way to somebody known (`urgent`); else one that is silent. */
  drop(which: 'silent' | 'stranger', urgent: boolean): boolean;
}

/** Ends the oldest handshake in progress of those known, or of strangers, that had its fair time; false when there is none. */
export type DropHandshake = (known: boolean, urgent: boolean) => boolean;

/**
 * Places by class. Strangers, authenticated or not, never have more than half of all, and no handshake of theirs takes the place of one of somebody
 * known: whatever they do, Meta and the peers come in. Within a class the oldest of those that do nothing with their places give way to a newcomer.
 */
export class Admission {
  open = 0;
  strangers = 0;
  readonly handshaking = { known: 0, strangers: 0 };
  private readonly byAddress = new Map<string, number>();
  private readonly unproved = new Map<string, number>();

  constructor(private readonly limits: SipLimits, private readonly counters: TransportCounters, private readonly user: AdmissionUser) {}

  /** A place for a connection from there, or undefined, and then a counter says why. `dropHandshake` is given for TLS. */
  enter(address: string, known: boolean, dropHandshake: DropHandshake | undefined): Place | undefined {
    if (!this.user.allowed(address)) this.counters.refusedConnections++;
    else if ((this.byAddress.get(known ? address : placeOf(address)) ?? 0) >= this.limits.connectionsPerAddress) this.counters.refusedPerAddress++;
    else if (known ? this.roomForKnown(dropHandshake) : this.roomForStranger(address, dropHandshake)) return this.take(address, known);
    return undefined;
  }

  private roomForKnown(dropHandshake: DropHandshake | undefined): boolean {
    if (this.open >= this.limits.connections && dropHandshake?.(false, true) !== true && !this.user.drop('stranger', true)
      && dropHandshake?.(true, false) !== true && !this.user.drop('silent', false)) {
      this.counters.refusedConnections++;
      return false;
    }
    if (this.handshaking.known >= this.limits.handshakes && dropHandshake?.(true, false) === false) {
      this.counters.refusedHandshakes++;
      return false;
    }
    return true;
  }

  private roomForStranger(address: string, dropHandshake: DropHandshake | undefined): boolean {
    const { connections, connectionsPerAddress, handshakes } = this.limits.strangers;
    const most = Math.min(connections, Math.floor(this.limits.connections / 2));
    const full = this.strangers >= most || this.open >= this.limits.connections;
    if (!this.user.inTime(address) || (this.unproved.get(placeOf(address)) ?? 0) >= connectionsPerAddress
      || (full && dropHandshake?.(false, false) !== true && !this.user.drop('stranger', false))) {
      this.counters.strangersRefusedConnections++;
      return false;
    }
    if (this.handshaking.strangers >= handshakes && dropHandshake?.(false, false) === false) {
      this.counters.strangersRefusedHandshakes++;
      return false;
    }
    return true;
  }

  private take(address: string, known: boolean): Place {
    const place = placeOf(address);
    // Addresses that rules name are each their own.
    const holder = known ? address : place;
    let counted = !known;
    let held = true;
    this.open++;
    count(this.byAddress, holder, 1);
    if (!known) {
      this.strangers++;
      count(this.unproved, place, 1);
    }
    return {
      known,
      authenticated: (is) => {
        if (known || !held || counted === !is) return;
        counted = !is;
        count(this.unproved, place, is ? -1 : 1);
      },
      leave: () => {
        if (!held) return;
        held = false;
        this.open--;
        count(this.byAddress, holder, -1);
        if (!known) this.strangers--;
        if (counted) count(this.unproved, place, -1);
      },
    };
  }
}

function count(of: Map<string, number>, key: string, by: number): void {
  const n = (of.get(key) ?? 0) + by;
  if (n <= 0) of.delete(key);
  else of.set(key, n);
}

// Who may connect: those who can have business here, by their address or by the certificate they show.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { shownBy } from './clients.js';
import type { Shown } from './clients.js';
import type { Address, Protocol } from './flow.js';
import type { StrangerGate } from './gate.js';
import type { ServerTls } from './secure.js';
import type { Sources } from './sources.js';

export class Entry {
  /** Known once a TLS socket is opened. */
  secure: ServerTls | undefined;

  /** `busy`: something is going on that a stranger's message could belong to. */
  constructor(private readonly sources: Sources, private readonly gate: StrangerGate, private readonly busy: () => boolean) {}

  /** Whether who comes from there is asked for a certificate: not by WebSocket, as browsers would ask their users. */
  asks(protocol: Protocol, address: string): boolean {
    return protocol === 'tls' && this.secure?.asks === true && this.sources.mayAsk(address);
  }

  /** Before anything is done for a connection. */
  expects(protocol: Protocol, address: string): boolean {
    return this.asks(protocol, address) || this.expected(protocol, address);
  }

  /** What it has shown of itself; null when it was let in for that, and is not known by it. */
  shown(protocol: Protocol, socket: Socket, { address }: Address): Shown | undefined | null {
    const found = socket instanceof TLSSocket ? shownBy(socket) : undefined;
    const shown = typeof found === 'string' ? undefined : found;
    const objection = shown === undefined ? found : this.certified(shown).length > 0 ? undefined : this.secure?.objectionTo(shown);
    if (typeof objection === 'string') this.gate.unproven(address, objection);
    return (shown !== undefined && objection === undefined) || this.expected(protocol, address) ? shown : null;
  }

  /** See `Flow.certified`. */
  certified(shown: Shown): readonly string[] {
    return this.secure?.knownAs(shown) ?? [];
  }

  private expected(protocol: Protocol, address: string): boolean {
    if (this.sources.byAddress(protocol, address) !== 'stranger' || this.busy()) return true;
    this.gate.uncalledFor(address, protocol);
    return false;
  }
}

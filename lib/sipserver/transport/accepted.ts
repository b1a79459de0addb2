// Connections that others opened: the place each holds, and who is found by which socket.
import type { Place } from './admission.js';
import { FAIR_TIME } from './admission.js';
import { hostPort } from './flow.js';
import type { Address, Protocol } from './flow.js';
import type { TransportCounters } from './limits.js';
import type { StreamFlow } from './stream.js';

export class AcceptedConnections {
  private readonly bySocket = new Map<string, StreamFlow>();
  private readonly places = new Map<StreamFlow, Place>();
  private paused = false;

  constructor(private readonly counters: TransportCounters) {}

  add(flow: StreamFlow, place: Place): void {
    this.bySocket.set(keyOf(flow.protocol, flow.remote), flow);
    this.places.set(flow, place);
    if (flow.certified.length > 0) place.authenticated(true);
    if (this.paused) flow.pause(true);
  }

  closed(flow: StreamFlow): void {
    const key = keyOf(flow.protocol, flow.remote);
    if (this.bySocket.get(key) === flow) this.bySocket.delete(key);
    this.places.get(flow)?.leave();
    this.places.delete(flow);
  }

  /** The one whose far end is exactly this socket. */
  find(protocol: Protocol, remote: Address): StreamFlow | undefined {
    return this.bySocket.get(keyOf(protocol, remote));
  }

  /** Credentials were verified in a request that came from there; that counts until then, ms. */
  authenticate(protocol: Protocol, remote: Address, until: number): void {
    const flow = this.find(protocol, remote);
    if (flow === undefined) return;
    flow.authenticatedUntil = Math.max(flow.authenticatedUntil, until);
    flow.proved();
    this.places.get(flow)?.authenticated(true);
  }

  /** Stops, or goes on, reading all of them, and those to come. */
  pause(is: boolean): void {
    this.paused = is;
    for (const flow of this.places.keys()) flow.pause(is);
  }

  /** Ends the oldest that has brought no message and had its fair time; false when there is none. */
  dropSilent(now: number): boolean {
    for (const flow of this.places.keys()) {
      if (flow.spoken) continue;
      if (now - flow.openedAt < FAIR_TIME) return false;
      this.counters.droppedConnections++;
      flow.destroy(new Error('gave way to a new connection'));
      return true;
    }
    return false;
  }

  /** Called now and then: what was proved lapses. */
  check(): void {
    for (const [flow, place] of this.places) if (!place.known) place.authenticated(flow.source === 'authenticated');
  }
}

function keyOf(protocol: Protocol, remote: Address): string {
  return `${protocol} ${hostPort(remote)}`;
}

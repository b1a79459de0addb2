// Connections of ours, one for each target while it is up.
import type { Socket } from 'node:net';
import { ConnectTimeout, openConnection, TrustStore } from './connector.js';
import type { ConnectTarget } from './connector.js';
import type { SipLimits, TransportCounters } from './limits.js';
import type { StreamFlow } from './stream.js';

/** A connection, coming up or there. */
interface Pooled { coming: Promise<StreamFlow>; flow: StreamFlow | undefined }

export class ConnectionPool {
  private readonly known = new Map<string, Pooled>();
  private readonly opening = new Set<Socket>();
  private readonly trust: TrustStore;
  private shut = false;

  /** `made` makes a flow of a connection that is up and verified; `trouble` hears of files that do not load. */
  constructor(private readonly limits: SipLimits, private readonly counters: TransportCounters,
    private readonly made: (socket: Socket, target: ConnectTarget) => StreamFlow, trouble: (what: string, error: Error) => void) {
    this.trust = new TrustStore(trouble);
  }

  /** See `Transports.connect`. */
  connect(target: ConnectTarget, fresh: boolean): Promise<StreamFlow> {
    if (this.shut) return Promise.reject(new Error('server is closing'));
    const { protocol, host, address, port, ca, shows, verify } = target;
    const key = [protocol, host, address, port, ca ?? '', shows?.cert ?? '', shows?.key ?? '', verify ?? true].join(' ');
    const known = this.known.get(key);
    if (!fresh && known !== undefined && (known.flow === undefined || (!known.flow.ending && Date.now() - known.flow.lastHeard < this.limits.reuseTime))) return known.coming;
    const entry: Pooled = { coming: this.open(target), flow: undefined };
    this.known.set(key, entry);
    const gone = (): void => { if (this.known.get(key) === entry) this.known.delete(key); };
    entry.coming.then((flow) => {
      entry.flow = flow;
      flow.addUser({ flowClosed: gone });
    }, gone);
    return entry.coming;
  }

  /** Nothing that is coming up goes on. */
  close(): void {
    this.shut = true;
    for (const socket of this.opening) socket.destroy();
  }

  private async open(target: ConnectTarget): Promise<StreamFlow> {
    let coming: Socket | undefined;
    try {
      const socket = await openConnection(target, this.trust, this.limits.connectTime, (s) => {
        coming = s;
        this.opening.add(s);
        if (this.shut) s.destroy();
      });
      const flow = this.made(socket, target);
      // Nothing is lost between 'connect' and here, but the peer may be gone again.
      if (socket.destroyed) throw new Error('connection closed at once');
      return flow;
    } catch (error) {
      if (error instanceof ConnectTimeout) this.counters.connectTimeouts++;
      throw error;
    } finally {
      if (coming !== undefined) this.opening.delete(coming);
    }
  }
}

// All clients, and which of them gets a request.
import type { Session } from './session.js';

export class Sessions {
  private readonly all = new Set<Session>();
  /** Verb (lower case, or `cdr:…`) → clients that asked for it, in order; and whose turn it is. */
  private readonly routes = new Map<string, { clients: Session[]; turn: number }>();

  get size(): number {
    return this.all.size;
  }

  add(session: Session): void {
    this.all.add(session);
  }

  remove(session: Session): void {
    this.all.delete(session);
    for (const verb of [...this.routes.keys()]) this.unroute(session, verb);
  }

  route(session: Session, verb: string): void {
    const key = verb.toLowerCase();
    const route = this.routes.get(key) ?? { clients: [], turn: 0 };
    if (!route.clients.includes(session)) route.clients.push(session);
    this.routes.set(key, route);
  }

  unroute(session: Session, verb: string): void {
    const key = verb.toLowerCase();
    const route = this.routes.get(key);
    if (route === undefined) return;
    route.clients = route.clients.filter((c) => c !== session);
    if (route.clients.length === 0) this.routes.delete(key);
  }

  /** The next client for a verb, in turn; with `tag`, the next that has it. */
  pick(verb: string, tag?: string): Session | undefined {
    const route = this.routes.get(verb.toLowerCase());
    if (route === undefined) return undefined;
    const n = route.clients.length;
    for (let i = 0; i < n; i++) {
      const at = (route.turn + i) % n;
      const client = route.clients[at];
      if (client !== undefined && (tag === undefined || client.tags.has(tag))) {
        route.turn = (at + 1) % n;
        return client;
      }
    }
    return undefined;
  }

  close(): void {
    for (const session of [...this.all]) session.close();
  }
}

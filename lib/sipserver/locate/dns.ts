// The name service questions that RFC 3263 asks, with short time limits and a small memory.
import { lookup, Resolver } from 'node:dns/promises';

export interface Naptr { service: string; order: number; preference: number; replacement: string }
export interface Srv { name: string; port: number; priority: number; weight: number }

/** The name service. Every question that finds nothing gives an empty list; none rejects. */
export interface NameService {
  naptr(domain: string): Promise<Naptr[]>;
  srv(name: string): Promise<Srv[]>;
  /** IPv4 addresses before IPv6 unless the system prefers otherwise. */
  addresses(host: string): Promise<string[]>;
}

const REMEMBER_FOUND = 30_000;
const REMEMBER_NOTHING = 5_000;
const MOST_REMEMBERED = 2_000;

/** The system's name service. Answers are remembered for half a minute, so that calls do not each wait for one; nothing found, for 5 s. */
export class SystemNameService implements NameService {
  private readonly resolver = new Resolver({ timeout: 1500, tries: 2 });
  private readonly memory = new Map<string, { until: number; answer: Promise<unknown[]> }>();

  /** `servers` (address or address:port) are asked for everything instead of the system's; its hosts file then does not count. */
  constructor(private readonly servers?: readonly string[]) {
    if (servers !== undefined) this.resolver.setServers(servers);
  }

  naptr(domain: string): Promise<Naptr[]> {
    return this.ask(`naptr ${domain}`, () => this.resolver.resolveNaptr(domain));
  }

  srv(name: string): Promise<Srv[]> {
    return this.ask(`srv ${name}`, () => this.resolver.resolveSrv(name));
  }

  addresses(host: string): Promise<string[]> {
    if (this.servers !== undefined) return this.ask(`a ${host}`, () => this.resolved(host));
    // The system's look-up, so that /etc/hosts counts.
    return this.ask(`a ${host}`, async () => (await lookup(host, { all: true, order: 'ipv4first' })).map((a) => a.address));
  }

  private async resolved(host: string): Promise<string[]> {
    const found = await Promise.allSettled([this.resolver.resolve4(host), this.resolver.resolve6(host)]);
    return found.flatMap((f) => (f.status === 'fulfilled' ? f.value : []));
  }

  private ask<T>(question: string, put: () => Promise<T[]>): Promise<T[]> {
    const now = Date.now();
    const known = this.memory.get(question);
    if (known !== undefined && known.until > now) return known.answer as Promise<T[]>;
    if (this.memory.size >= MOST_REMEMBERED) this.memory.clear();
    const entry = { until: now + REMEMBER_FOUND, answer: put().catch((): T[] => []) };
    this.memory.set(question, entry);
    return entry.answer.then((found) => {
      if (found.length === 0) entry.until = Math.min(entry.until, Date.now() + REMEMBER_NOTHING);
      return found;
    });
  }
}

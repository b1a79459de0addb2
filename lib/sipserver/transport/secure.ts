// What TLS connections are accepted with: our certificates, by the name that is asked for, and the CAs of those who show one.
import { constants } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { SecureContext, SecureContextOptions } from 'node:tls';
import type { Guard } from '../../util/guard.js';
import { holdsUntil, knownAs, objectionTo, readClients } from './clients.js';
import type { ClientRule, KnownClient, Shown } from './clients.js';
import { readPair, Watched } from './identity.js';
import type { IdentityFiles, Pem } from './identity.js';

/** TLS 1.2 at least, and no renegotiation: each costs us a handshake, and none has a use in SIP (RFC 8446 has done away with it). */
const SECURE = { minVersion: 'TLSv1.2', secureOptions: constants.SSL_OP_NO_RENEGOTIATION } as const;
/** Who is asked for a certificate shows it each time: a session that is resumed has no chain to judge. */
const ASKING = { ...SECURE, secureOptions: SECURE.secureOptions | constants.SSL_OP_NO_TICKET } as const;

/** How a connection is accepted: whether its far end is asked for a certificate. */
export type Asking = 'plain' | 'asking';

export interface SecureUser {
  /** New connections are to be accepted with what `options` gives now; `read`: files were read again. */
  renewed(read: boolean): void;
  trouble(what: string, error: Error): void;
}

/** Certificates of one host name each. */
export type Domains = Readonly<Record<string, IdentityFiles>>;

/** Our certificates: of those who ask for no name, or for one that is not among `domains`; and how often the files are looked at, ms. */
interface Identities { readonly tls?: IdentityFiles | undefined; readonly domains?: Domains | undefined; readonly certificateInterval?: number | undefined }

/** Whom a certificate makes known by these rules, and from when until when that holds, ms. */
interface Found { readonly clients: readonly KnownClient[]; readonly names: readonly string[]; readonly from: number; readonly until: number }

export class ServerTls {
  private contexts: Readonly<Record<Asking, Map<string, SecureContext>>> = { plain: new Map(), asking: new Map() };
  private clients: Watched<readonly KnownClient[]> | undefined;
  /** What was found of each connection: signatures are not verified for each message. */
  private readonly found = new WeakMap<Shown, Found>();
  private rules: readonly ClientRule[] = [];
  private inForce: readonly ClientRule[] = [];
  private closed = false;

  private domains: Domains = {};
  private named: ReadonlyMap<string, Watched<Pem>> = new Map();

  private constructor(private readonly main: Watched<Pem>, private readonly interval: number, private readonly guard: Guard, private readonly user: SecureUser) {}

  /** Reads every certificate; rejects when there is none, or one does not load. */
  static async load({ tls: files, domains = {}, certificateInterval: interval = 2000 }: Identities, rules: readonly ClientRule[], guard: Guard, user: SecureUser): Promise<ServerTls> {
    if (files === undefined) throw new Error('TLS needs a certificate and a key');
    let made: ServerTls | undefined;
    const main = await watchPair(files, '', { interval, guard, user, changed: () => { made?.renew(true); } });
    const tls = new ServerTls(main, interval, guard, user);
    try {
      await tls.setDomains(domains);
      await tls.take(rules);
      return made = tls;
    } catch (error) {
      tls.close();
      throw error;
    }
  }

  /** Certificates by the name that is asked for, from now on. Rejects where one does not load; then all is as before. */
  async setDomains(domains: Domains): Promise<void> {
    const named = new Map<string, Watched<Pem>>();
    const added: Watched<Pem>[] = [];
    try {
      for (const [name, files] of Object.entries(domains)) {
        const before = isSame(this.domains[name], files) ? this.named.get(name.toLowerCase()) : undefined;
        const watched = before ?? await watchPair(files, ` of ${name}`, { interval: this.interval, guard: this.guard, user: this.user, changed: () => { this.renew(true); } });
        if (before === undefined) added.push(watched);
        named.set(name.toLowerCase(), watched);
      }
    } catch (error) {
      for (const watched of added) watched.close();
      throw error;
    }
    const kept = new Set(named.values());
    for (const watched of this.named.values()) if (!kept.has(watched)) watched.close();
    [this.domains, this.named] = [domains, named];
    if (this.closed) this.close();
    else this.renew(false);
  }

  /**
   * Known by their certificates from now on, connections that are up too. Where a file does not load that is told, and of the old rules those that stand as
   * they were go on; the same rules given again are tried again.
   */
  setClients(rules: readonly ClientRule[]): void {
    if (JSON.stringify(rules) !== JSON.stringify(this.rules)) this.guard.spawn('rules of certificates', this.change(rules));
  }

  /** Whether anybody is known by a certificate. */
  get asks(): boolean {
    return (this.clients?.value.length ?? 0) > 0;
  }

  options(how: Asking): SecureContextOptions {
    return { ...this.main.value, ...this.basis(how) };
  }

  /** The context for this name (RFC 6066 §3); undefined: that of `options`. */
  context(name: string, how: Asking): SecureContext | undefined {
    const key = name.toLowerCase();
    const pem = this.named.get(key)?.value;
    if (pem === undefined) return undefined;
    const made = this.contexts[how].get(key) ?? createSecureContext({ ...pem, ...this.basis(how) });
    this.contexts[how].set(key, made);
    return made;
  }

  /** Names of those who are known by what they have shown. */
  knownAs(shown: Shown): readonly string[] {
    if (this.clients === undefined) return [];
    const { value: clients } = this.clients;
    const now = Date.now();
    const found = this.found.get(shown);
    if (found?.clients === clients && found.from <= now && now < found.until) return found.names;
    const names = knownAs(clients, shown, now);
    this.found.set(shown, { clients, names, from: now, until: holdsUntil(clients, shown, now) });
    return names;
  }

  /** Why nobody is known by what they have shown. */
  objectionTo(shown: Shown): string {
    return objectionTo(this.clients?.value ?? [], shown);
  }

  close(): void {
    this.closed = true;
    for (const watched of [this.main, ...this.named.values()]) watched.close();
    this.clients?.close();
  }

  private basis(how: Asking): SecureContextOptions {
    return how === 'plain' ? SECURE : { ...ASKING, ca: this.clients?.value.map(({ pem }) => pem) ?? [] };
  }

  private async change(rules: readonly ClientRule[]): Promise<void> {
    try {
      await this.take(rules);
    } catch (error) {
      this.user.trouble('rules of certificates do not load: nobody new is known, and who stands as before still is', asError(error));
      if (this.rules !== rules) return;
      const wanted = new Set(rules.map((rule) => JSON.stringify(rule)));
      await this.take(this.inForce.filter((rule) => wanted.has(JSON.stringify(rule))));
    }
  }

  private async take(rules: readonly ClientRule[]): Promise<void> {
    this.rules = rules;
    const loaded = await Watched.load({
      files: rules.map(({ ca }) => ca), read: () => readClients(rules), interval: this.interval, guard: this.guard,
      same: (before, now) => before.every(({ pem }, i) => now[i]?.pem.equals(pem) === true),
      changed: () => { this.renew(true); },
      refused: (error) => { this.user.trouble('a new file of CAs does not load, the old ones stay', error); },
    });
    // Newer rules, or the end, may have come meanwhile.
    if (this.closed || this.rules !== rules) {
      loaded.close();
      return;
    }
    this.clients?.close();
    this.clients = loaded;
    this.inForce = rules;
    this.renew(false);
  }

  private renew(read: boolean): void {
    this.contexts = { plain: new Map(), asking: new Map() };
    this.user.renewed(read);
  }
}

interface PairWatch { readonly interval: number; readonly guard: Guard; readonly user: SecureUser; readonly changed: () => void }

/** A certificate and its key; `of`: whose, for people. Rejects where they do not load. */
function watchPair(files: IdentityFiles, of: string, { interval, guard, user, changed }: PairWatch): Promise<Watched<Pem>> {
  return Watched.load<Pem>({
    files: [files.cert, files.key], read: () => readPair(files), interval, guard, changed,
    same: (before, now) => before.cert.equals(now.cert) && before.key.equals(now.key),
    refused: (error) => { user.trouble(`new certificate${of} does not load, the old one stays`, error); },
  });
}

function isSame(one: IdentityFiles | undefined, other: IdentityFiles): boolean {
  return one?.cert === other.cert && one.key === other.key;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

import type { AccountConfig, PeerConfig } from '../config/types.js';
import type { Logger } from '../observe/logger.js';
import type { SipHeaders, SipRequest, SipResponse } from '../sip/drachtio.js';
import { addressMatcher } from '../sip/source.js';
import type { SipUri } from '../sip/uri.js';
import { parseNameAddr, parseUri, splitHeaderValues } from '../sip/uri.js';
import type { Authenticator, AuthResult } from './authenticator.js';
import type { Binding, RegisterOutcome } from './bindings.js';
import { applyRegister } from './bindings.js';
import { answerHeaders, factsOf } from './registerRequest.js';
import { Elsewhere, type ElsewhereOptions } from './elsewhere.js';
import { pushCapsOf, Sleepers } from './push.js';
import { BoundedMap } from '../util/boundedMap.js';

/** A peer whose users register. */
interface Home {
  readonly name: string;
  readonly peer: PeerConfig;
  readonly account: AccountConfig;
  /** Whether a REGISTER may come from this address. */
  readonly admits: (address: string) => boolean;
}

export interface RegistrarOptions {
  readonly peers: () => Readonly<Record<string, PeerConfig>>;
  /** Whether a host is ourselves: users are registered at no other (RFC 3261 §10.3). */
  readonly owns: (host: string) => boolean;
  /** Why a Contact is not to be used; null when nothing speaks against it. */
  readonly objects: (uri: SipUri, user: string) => string | null;
  /** The SIP server names the flow of a REGISTER in a Path of its own; else a Path with a single Via is the UA's own invention. */
  readonly flowTokens: boolean;
  readonly authenticator: Authenticator;
  /** Other nodes that phones register at; null: there are none that are known. */
  readonly nodes?: ElsewhereOptions | null;
  /** A device is registered from where this REGISTER came, for so many seconds. */
  readonly registered?: (req: SipRequest, seconds: number) => void;
  readonly log: Logger;
  /** Milliseconds. */
  readonly now: () => number;
  /** How often expired registrations are looked for, milliseconds. */
  readonly sweepInterval?: number;
}

/** What happened, for metrics. */
export type RegisterResult = 'ok' | AuthResult | 'refused';

/** Option tags we act on (RFC 3327, RFC 5626). */
const supported: ReadonlySet<string> = new Set(['path', 'outbound']);
const goneFlows = 1000;

/**
 * Registrar (RFC 3261 §10.3, RFC 3327, RFC 5626) of the peers with `register: true`: which devices each of their users has, and where they are reached.
 * Memory is bounded by the accounts and `maxContacts`. Takes every REGISTER; never throws.
 */
export class Registrar {
  readonly #options: RegistrarOptions;
  #homes: ReadonlyMap<string, Home>;
  /** One test for each peer whose users register: may they come from there? */
  #places: readonly ((address: string) => boolean)[];
  /** By user; user names are unique across peers (config). */
  readonly #bindings = new Map<string, readonly Binding[]>();
  /** Tokens of connections that have closed; none is given twice. */
  readonly #gone = new BoundedMap<string, true>(goneFlows);
  readonly #sweeper: NodeJS.Timeout;
  readonly #elsewhere: Elsewhere | null;
  readonly #counts = { ok: 0, refused: 0 };
  /** Calls that wait for an app to wake up. */
  readonly sleepers = new Sleepers();

  constructor(options: RegistrarOptions) {
    this.#options = options;
    this.#homes = homesOf(options.peers());
    this.#places = [...new Set([...this.#homes.values()].map(({ admits }) => admits))];
    const { nodes = null } = options;
    this.#elsewhere = nodes === null ? null : new Elsewhere(nodes, (user, left) => {
      for (const binding of this.#bindings.get(user) ?? []) if (!left.has(binding.contact) && !binding.asleep) this.forget(binding, 'it has registered at another node, or could not be reached from there');
    });
    this.#sweeper = setInterval(() => this.#sweep(), options.sweepInterval ?? 1000);
    this.#sweeper.unref();
  }

  /** The configuration has changed: what is registered by its rules no more is forgotten. */
  reload(): void {
    const before = this.#homes;
    this.#homes = homesOf(this.#options.peers());
    this.#places = [...new Set([...this.#homes.values()].map(({ admits }) => admits))];
    for (const [user, bindings] of this.#bindings) {
      const home = this.#homes.get(user);
      for (const binding of bindings) {
        const why = home === undefined ? 'the account is gone' : home.account.password !== before.get(user)?.account.password ? 'its password is another now' : !home.admits(binding.source.address) ? 'its address is not in sources any more' : binding.asleep && !home.peer.registration.push.includes(binding.push?.provider ?? '') ? 'it sleeps, and nobody is woken any more' : this.#options.objects(binding.uri, user);
        if (why !== null) this.forget(binding, why);
      }
    }
  }

  /** Devices of a user of this peer that can be called, or, with `asleep`, that are to be woken first; empty when none is registered. */
  contacts(peer: string, user: string, asleep = false): readonly Binding[] {
    if (this.#homes.get(user)?.name !== peer) return [];
    const now = this.#options.now();
    return this.#everywhere(user).filter((b) => b.expiresAt > now && b.asleep === asleep);
  }

  /** Devices of a user, here and at other nodes. */
  #everywhere(user: string): readonly Binding[] {
    const here = this.#bindings.get(user) ?? [];
    return this.#elsewhere === null ? here : [...here, ...this.#elsewhere.of(user)];
  }

  /** The peer whose device registered from this very socket; null when none did. */
  peerAt(address: string, port: number): string | null {
    const now = this.#options.now();
    for (const [user, bindings] of this.#bindings) {
      if (bindings.some((b) => b.expiresAt > now && !b.asleep && b.source.port === port && b.source.address === address)) return this.#homes.get(user)?.name ?? null;
    }
    return null;
  }

  /** Every device, for keep-alives and the status page. */
  all(): readonly Binding[] {
    const now = this.#options.now();
    return [...this.#bindings.values()].flat().filter(({ expiresAt }) => expiresAt > now);
  }

  /** The peer that a user registers with; null when there is no such account. */
  homeOf(user: string): { readonly name: string; readonly peer: PeerConfig } | null {
    return this.#homes.get(user) ?? null;
  }

  /** Whether any user may come from this address. */
  serves(address: string): boolean {
    return this.#places.some((admits) => admits(address));
  }

  /** An account that may be used from this address; null when there is none. */
  account(user: string, address: string): { readonly peer: string; readonly password: string } | null {
    const home = this.#homes.get(user);
    return home?.admits(address) === true ? { peer: home.name, password: home.account.password } : null;
  }

  /** A device is known to be gone. */
  forget(binding: Binding, why: string): void {
    if (binding.node !== null) {
      this.#elsewhere?.drop(binding);
      return;
    }
    const all = this.#bindings.get(binding.user) ?? [];
    // It has been refreshed in the meantime.
    if (!all.includes(binding)) return;
    this.#store(binding.user, all.filter((b) => b !== binding));
    this.#log(binding, `unregistered: ${why}`);
  }

  /**
   * The connection of this token has closed (RFC 5626 §5.3): what was registered by it is reached no more, other flows of the same device stay.
   * A REGISTER may still be on its way from it.
   */
  flowGone(token: string): void {
    this.#gone.set(token, true);
    for (const binding of this.all()) {
      if (tokenOf(binding.flow) !== token || binding.asleep) continue;
      if (binding.push === null) this.forget(binding, 'its connection has closed');
      else this.#store(binding.user, (this.#bindings.get(binding.user) ?? []).map((b) => (b === binding ? { ...b, asleep: true } : b)));
    }
  }

  /** For the status page: users and their devices, those at other nodes too. */
  status(): object[] {
    const others = [...this.#elsewhere?.users() ?? []].flatMap((user) => this.#elsewhere?.of(user) ?? []).filter(({ expiresAt }) => expiresAt > this.#options.now());
    return [...this.all(), ...others].map((b) => ({
      peer: this.#homes.get(b.user)?.name, user: b.user, ...(b.node === null ? {} : { node: b.node }), contact: b.contact.replace(/;pn-prid=[^;]*/i, ''), asleep: b.asleep, from: `${b.source.protocol}:${b.source.address}:${b.source.port}`, path: b.path,
      userAgent: b.userAgent, since: new Date(b.registeredAt).toISOString(), expires: new Date(b.expiresAt).toISOString(),
    }));
  }

  /** How many devices each peer's users have. */
  devices(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { name } of this.#homes.values()) counts[name] ??= 0;
    for (const { user } of this.all()) {
      const name = this.#homes.get(user)?.name;
      if (name !== undefined) counts[name] = (counts[name] ?? 0) + 1;
    }
    return counts;
  }

  /** REGISTERs, and others who had to show a password, by what came of them since the start. */
  counts(): Readonly<Record<RegisterResult, number>> {
    return { ...this.#counts, ...this.#options.authenticator.counts() };
  }

  close(): void {
    clearInterval(this.#sweeper);
  }

  /** Answers a REGISTER, at once or, to those who guess, later. */
  take(req: SipRequest, res: SipResponse): void {
    // RFC 3261 §10.3 step 2, §8.2.2.3.
    const unknown = splitHeaderValues(req.get('Require') ?? '').filter((tag) => !supported.has(tag.toLowerCase()));
    if (unknown.length > 0) return this.#refuse(res, 420, { Unsupported: unknown.join(', ') });

    const user = parseNameAddr(req.get('To') ?? '')?.uri.user ?? '';
    const home = this.#homes.get(user) ?? null;
    const shown = this.#options.authenticator.take(req, res, (username) => (username === user ? home?.account.password ?? null : null));
    if (!shown.ok || home === null) return;
    // RFC 3261 §10.3 steps 1 and 5: not valid for a domain of ours. Told to who has shown a password only.
    const foreign = [parseUri(req.uri)?.host ?? '', parseNameAddr(req.get('To') ?? '')?.uri.host ?? ''].find((host) => !this.#options.owns(host));
    if (foreign !== undefined) {
      this.#options.log.warn({ peer: home.name, user, host: foreign }, `${user} registers at ${foreign}, which is not us: neither domain nor sip.advertise, nor an address of sip.listen`);
      return this.#refuse(res, 404);
    }
    if (!home.admits(req.source_address)) {
      this.#options.log.warn({ peer: home.name, user, source: req.source_address }, `${user} may not register from ${req.source_address}: it is not in peers.${home.name}.sources`);
      return this.#refuse(res, 403);
    }
    this.#apply(req, res, home, user, shown.asked);
  }

  #apply(req: SipRequest, res: SipResponse, home: Home, user: string, asked: number): void {
    const facts = factsOf(req, user, asked, this.#options.flowTokens);
    if (facts === null) return this.#refuse(res, 400);
    const { minExpires, maxExpires, maxContacts, push } = home.peer.registration;
    const now = this.#options.now();
    const before = this.#everywhere(user);
    const outcome: RegisterOutcome = applyRegister(before, facts,
      { minExpires, maxExpires, maxContacts, push, objects: (uri) => this.#options.objects(uri, user) }, now);
    if (!outcome.ok) {
      this.#options.log.warn({ peer: home.name, user, source: req.source_address, status: outcome.status }, `registration of ${user} refused: ${outcome.reason}`);
      return this.#refuse(res, outcome.status, outcome.minExpires === undefined ? {} : { 'Min-Expires': String(outcome.minExpires) });
    }
    if (this.#gone.has(tokenOf(facts.flow) ?? '')) return this.#refuse(res, 480);
    this.#store(user, outcome.bindings.filter(({ node }) => node === null));
    for (const binding of before) if (binding.node !== null && !outcome.bindings.includes(binding)) this.#elsewhere?.drop(binding);
    for (const binding of outcome.added) this.#log(binding, 'registered');
    for (const binding of outcome.removed) this.#log(binding, 'unregistered');
    for (const binding of outcome.evicted) this.#log(binding, `unregistered: more than ${maxContacts} devices, and this one was silent for longest`);
    this.#counts.ok += 1;
    const here = outcome.bindings.filter(({ source }) => source.address === facts.source.address && source.port === facts.source.port);
    if (here.length > 0) this.#options.registered?.(req, Math.max(...here.map(({ expiresAt }) => expiresAt - now)) / 1000);
    // Who takes back an address, or asks, is not there yet.
    if (this.contacts(home.name, user).length > 0) this.sleepers.registered(user);
    res.send(200, { headers: { ...answerHeaders(req, facts, outcome.bindings, now), ...pushCapsOf(facts.contacts, push) } });
  }

  #refuse(res: SipResponse, status: number, headers: SipHeaders = {}): void {
    this.#counts.refused += 1;
    res.send(status, { headers });
  }

  #store(user: string, bindings: readonly Binding[]): void {
    if (bindings.length === 0) this.#bindings.delete(user); else this.#bindings.set(user, bindings);
    this.#elsewhere?.tell(user, bindings.filter(({ asleep }) => !asleep));
  }

  #sweep(): void {
    const now = this.#options.now();
    for (const binding of [...this.#bindings.values()].flat()) {
      if (binding.expiresAt <= now) this.forget(binding, 'not refreshed in time');
    }
  }

  #log({ user, source, userAgent, expiresAt }: Binding, what: string): void {
    const from = `${source.protocol}:${source.address}:${source.port}`;
    this.#options.log.info({ user, from, userAgent, seconds: Math.round((expiresAt - this.#options.now()) / 1000) }, `user ${user} at ${from} ${what}`);
  }
}

function homesOf(peers: Readonly<Record<string, PeerConfig>>): ReadonlyMap<string, Home> {
  return new Map(Object.entries(peers).filter(([, peer]) => peer.register).flatMap(([name, peer]) => {
    const admits = peer.sources.length === 0 ? (): boolean => true : addressMatcher(peer.sources);
    return Object.entries(peer.accounts).map(([user, account]): [string, Home] => [user, { name, peer, account, admits }]);
  }));
}

/** The user part of a flow's URI, which is its token. */
function tokenOf(flow: string | null): string | null {
  return parseUri(flow ?? '')?.user ?? null;
}

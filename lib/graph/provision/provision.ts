// The settings of a number at Meta: what differs from the configuration, make it so, is it so.
import { setTimeout as pause } from 'node:timers/promises';
import { readPasswordFile, writePasswordFile } from '../../config/passwordFile.js';
import type { Config, NumberConfig } from '../../config/types.js';
import { WabError } from '../../errors.js';
import type { GraphClient } from '../client.js';
import { GraphError } from '../error.js';
import type { HealthEntity } from '../health.js';
import type { RemoteSettings } from '../settings.js';
import { changeOf, differencesOf, ownServer, type Difference } from './compare.js';
import { healthFacts, limitFact, otherServerFacts, restrictionFacts, type Fact } from './facts.js';
import { wantedOf, type Wanted } from './wanted.js';

export interface NumberReport {
  readonly number: string;
  /** Phone number id. */
  readonly id: string;
  /** What is not as it should be; after `apply`, what still is not. */
  readonly differences: readonly Pick<Difference, 'key' | 'is' | 'wanted'>[];
  /** What `apply` has changed. */
  readonly changed: readonly string[];
  readonly facts: readonly Fact[];
  /** Why nothing more is known; null: all is. */
  readonly fault: { readonly text: string; readonly todo: string | null } | null;
}

/** What a look at Meta needs. */
export interface Provisioning {
  readonly client: GraphClient;
  readonly config: Config;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** What Meta says of a number now. */
interface Look {
  readonly settings: RemoteSettings;
  readonly appId: string | null;
  readonly differences: readonly Difference[];
}

/** Numbers that have `settings`. */
export function provisionedNumbers({ numbers }: Pick<Config, 'numbers'>): readonly string[] {
  return Object.entries(numbers).filter(([, { settings }]) => settings !== null).map(([number]) => number);
}

/** Looks and changes nothing. Never rejects: a fault is in the report. */
export function verifyNumber(provisioning: Provisioning, number: string): Promise<NumberReport> {
  return new NumberProvision(provisioning, number).run(false);
}

/** Makes the number so, and reads it back. Never rejects: a fault is in the report. */
export function applyNumber(provisioning: Provisioning, number: string): Promise<NumberReport> {
  return new NumberProvision(provisioning, number).run(true);
}

/** Reads after a change, and milliseconds between them: Meta's answer may lag. */
const readsBack = 3;
const readBackEvery = 500;

class NumberProvision {
  readonly #client: GraphClient;
  readonly #config: Config;
  readonly #now: () => number;
  readonly #number: string;
  readonly #own: NumberConfig;
  readonly #wanted: Wanted;
  readonly #id: string;
  #facts: readonly Fact[] = [];
  readonly #changed: string[] = [];

  constructor({ client, config, now }: Provisioning, number: string) {
    const [own, wanted] = [config.numbers[number], wantedOf(config, number, now())];
    if (own === undefined || wanted === null || own.id === null) throw new WabError('CONFIG_INVALID', `numbers."${number}" has no settings to be kept true`);
    this.#client = client;
    this.#config = config;
    this.#now = now;
    this.#number = number;
    this.#own = own;
    this.#wanted = wanted;
    this.#id = own.id;
  }

  async run(apply: boolean): Promise<NumberReport> {
    try {
      const first = await this.#first();
      if (!apply) return this.#report(first.differences, null);
      const left = await this.#apply(first);
      // What the change has put right is not told of any more.
      if (this.#changed.length > 0) await this.#first();
      return this.#report(left, null);
    } catch (error) {
      if (!(error instanceof WabError)) throw error;
      return this.#report([], { text: error.message, todo: error instanceof GraphError ? error.todo : null });
    }
  }

  #report(differences: readonly Difference[], fault: NumberReport['fault']): NumberReport {
    const shown = differences.map(({ key, is, wanted }) => ({ key, is, wanted }));
    return { number: this.#number, id: this.#id, differences: shown, changed: this.#changed, facts: this.#facts, fault };
  }

  /** Settings, and everything that is only shown. */
  async #first(): Promise<Look> {
    const [settings, health, limit] = await Promise.all([this.#client.settings(this.#id), this.#client.health(this.#id), this.#client.messagingLimit(this.#id)]);
    const appId = this.#config.graph?.appId ?? appOf(health);
    if (appId === null && settings.servers.length > 0) {
      throw new WabError('GRAPH_UNAVAILABLE', `which of ${settings.servers.length} SIP servers of ${this.#number} is ours is not known, as Meta's health of it names no app: set graph.appId`);
    }
    this.#facts = [limitFact(limit), ...healthFacts(health), ...restrictionFacts(settings.restrictions), ...otherServerFacts(settings.servers, appId)];
    return this.#look(settings, appId);
  }

  async #look(settings: RemoteSettings, appId: string | null): Promise<Look> {
    const more = await Promise.all([this.#password(settings, appId), this.#subscription(appId)]);
    return { settings, appId, differences: [...differencesOf(this.#wanted, settings, appId, this.#now()), ...more.filter((one) => one !== null)] };
  }

  /** Whether our password is Meta's. There is none before our server is registered. */
  async #password(settings: RemoteSettings, appId: string | null): Promise<Difference | null> {
    if (ownServer(settings.servers, appId) === undefined) return null;
    const theirs = await this.#client.sipPassword(this.#id, appId);
    const { password, passwordFile } = this.#own;
    const ours = passwordFile === null ? password : readPasswordFile(passwordFile);
    if (theirs === null || theirs === ours) return null;
    return { key: 'password', is: ours === null ? `not in ${passwordFile} yet` : `not that of ${passwordFile ?? 'numbers.*.password'}`, wanted: "Meta's", change: null };
  }

  async #subscription(appId: string | null): Promise<Difference | null> {
    const waba = this.#config.graph?.waba ?? null;
    if (waba === null || appId === null) return null;
    const apps = await this.#client.subscribedApps(waba);
    return apps.includes(appId) ? null : { key: 'subscription', is: apps.length === 0 ? 'none' : `others' (${apps.join(', ')})`, wanted: `app ${appId} gets the webhooks of ${waba}`, change: null };
  }

  async #apply(first: Look): Promise<readonly Difference[]> {
    let look = first;
    const changes = first.differences.filter(({ change }) => change !== null);
    if (changes.length > 0) {
      await this.#client.changeSettings(this.#id, changeOf(changes, this.#wanted));
      look = await this.#readBack(first.appId);
    }
    // Where Meta has dropped the keying it is sent once more, by itself (META-SIP §2.3).
    if (changes.length > 0 && look.differences.some(({ key }) => key === 'srtp')) {
      await this.#client.changeSettings(this.#id, { srtp_key_exchange_protocol: this.#wanted.srtp });
      look = await this.#readBack(first.appId);
    }
    if (look.differences.some(({ key }) => key === 'subscription')) {
      await this.#client.subscribe(this.#config.graph?.waba ?? '');
      look = await this.#look(look.settings, look.appId);
    }
    if (look.differences.some(({ key }) => key === 'password')) await this.#keepPassword(look.appId);
    const last = await this.#look(look.settings, look.appId);
    for (const { key } of [...first.differences, ...look.differences]) {
      if (!this.#changed.includes(key) && !last.differences.some((left) => left.key === key)) this.#changed.push(key);
    }
    return last.differences;
  }

  /** Until nothing differs but the keying, or Meta has had its time. */
  async #readBack(appId: string | null): Promise<Look> {
    for (let read = 1; ; read++) {
      const settings = await this.#client.settings(this.#id);
      const left = differencesOf(this.#wanted, settings, appId, this.#now());
      if (read === readsBack || left.every(({ key }) => key === 'srtp')) return this.#look(settings, appId);
      await pause(readBackEvery);
    }
  }

  async #keepPassword(appId: string | null): Promise<void> {
    const { passwordFile } = this.#own;
    if (passwordFile === null) return;
    const password = await this.#client.sipPassword(this.#id, appId);
    if (password !== null) await writePasswordFile(passwordFile, password);
  }
}

/** The token's app in Meta's health of a number. */
function appOf(health: readonly HealthEntity[]): string | null {
  const apps = health.filter(({ type }) => type === 'APP');
  return apps.length === 1 ? apps[0]?.id ?? null : null;
}

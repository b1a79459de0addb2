// The server in a worker thread: the same from outside, with messages between the threads in place of calls.
import { Worker } from 'node:worker_threads';
import type { SipServer, SipServerOptions, SipServerStats, WireMessage } from './server.js';
import type { TlsRule } from './locate/index.js';
import { Guard } from '../util/guard.js';
import { Sources } from './transport/sources.js';
import { readPair } from './transport/index.js';
import type { Domains, Protocol, SourceRules } from './transport/index.js';

/** What of the options can go to another thread, and which of the rest is wanted back. */
export interface ThreadOptions {
  options: Omit<SipServerOptions, 'logger' | 'onMessage' | 'allow' | 'onRefused' | 'onUnknown' | 'onFlowGone' | 'acquainted' | 'names'>;
  acquainted: readonly string[];
  wants: { wire: boolean; allow: boolean; refused: boolean; unknown: boolean; flowGone: boolean };
}

export type LogLevel = 'info' | 'warn' | 'error' | 'debug';

export type FromThread =
  | { kind: 'ready'; listening: string[]; admin: { host: string; port: number } }
  | { kind: 'failed'; message: string; code: string | undefined; listen: string | undefined }
  | { kind: 'wire'; message: WireMessage }
  | { kind: 'log'; level: LogLevel; facts: object; text: string }
  | { kind: 'stats'; stats: SipServerStats }
  | { kind: 'judge'; address: string }
  | { kind: 'refused'; address: string }
  | { kind: 'flowGone'; token: string }
  | { kind: 'unknown'; address: string; protocol: Protocol };

export type ToThread =
  | { kind: 'judged'; address: string; allowed: boolean }
  | { kind: 'sources'; rules: SourceRules }
  | { kind: 'tlsWith'; rules: Readonly<Record<string, TlsRule>> }
  | { kind: 'domains'; domains: Domains }
  | { kind: 'nodes'; addresses: Readonly<Record<string, string>> }
  | { kind: 'authenticated'; protocol: Protocol; address: string; port: number; seconds: number }
  | { kind: 'close' };

type Ready = Extract<FromThread, { kind: 'ready' }>;

/** Options that cannot go to another thread. */
const STAYS: ReadonlySet<string> = new Set(['logger', 'onMessage', 'allow', 'onRefused', 'onUnknown', 'onFlowGone', 'acquainted'] satisfies (keyof SipServerOptions)[]);

/** Pause before a thread that died is started anew, ms: the first, and the longest; it doubles unless the thread ran for a minute. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 10_000;
const GOOD_RUN = 60_000;

/**
 * Starts the server in a thread of its own. `allow` is asked from there: an address is let in until the answer has come, and asked about again
 * after a second. `stats` are up to half a second old. A name service cannot be given. Rejects as `startSipServer` does.
 *
 * A thread that dies takes its calls with it, and its clients see their connections go. It is started anew on the same addresses, as often as need be;
 * `threadDeaths` of the stats counts them.
 */
export async function startSipServerThread(o: Omit<SipServerOptions, 'names'>): Promise<SipServer> {
  const thread = new ServerThread(o);
  const { listening, admin } = await thread.begin();
  return {
    listening, admin, join: null,
    stats: () => thread.stats(),
    setSources: (rules) => { thread.setSources(rules); },
    setTlsWith: (rules) => { thread.setTlsWith(rules); },
    setDomains: (domains) => thread.setDomains(domains),
    setNodes: (addresses) => { thread.setNodes(addresses); },
    authenticated: (protocol, address, port, seconds) => { thread.post({ kind: 'authenticated', protocol, address, port, seconds }); },
    close: () => thread.close(),
  };
}

class ServerThread {
  private options: ThreadOptions['options'];
  private readonly guard: Guard;
  private worker: Worker | undefined;
  private latest: SipServerStats = {};
  private faults = 0;
  private deaths = 0;
  private pause = FIRST_PAUSE;
  private restarting: NodeJS.Timeout | undefined;
  private closing: Promise<void> | undefined;

  constructor(private readonly given: Omit<SipServerOptions, 'names'>) {
    this.options = Object.fromEntries(Object.entries(given).filter(([key]) => !STAYS.has(key))) as ThreadOptions['options'];
    this.guard = new Guard(() => { this.faults++; }, (what, error) => { given.logger?.error({ error: error.message, stack: error.stack }, what); });
  }

  /** Resolves when the server is up. Rejects with what kept it from starting; then the thread is gone. */
  async begin(): Promise<Ready> {
    const { onMessage, allow, onRefused, onUnknown, onFlowGone, acquainted } = this.given;
    const workerData: ThreadOptions = {
      options: this.options, acquainted: acquainted?.() ?? [],
      wants: { wire: onMessage !== undefined, allow: allow !== undefined, refused: onRefused !== undefined, unknown: onUnknown !== undefined, flowGone: onFlowGone !== undefined },
    };
    const worker = this.worker = new Worker(new URL('./threadMain.js', import.meta.url), { workerData });
    let up: Ready | undefined;
    try {
      const began = Date.now();
      up = await new Promise<Ready>((resolve, reject) => {
        let failure: Error | undefined;
        worker.on('error', (error) => {
          // What the thread did not catch ends it, and so does the end of its memory.
          failure = error;
          reject(error);
        });
        worker.on('exit', this.guard.wrap('end of the thread of the SIP server', () => {
          reject(new Error('the thread of the SIP server has ended'));
          if (up !== undefined && this.closing === undefined) this.died(failure, Date.now() - began);
        }));
        worker.on('message', this.guard.wrap('message of the thread of the SIP server', (message: FromThread) => {
          if (message.kind === 'ready') resolve(message);
          else if (message.kind === 'failed') reject(Object.assign(new Error(message.message), { code: message.code, listen: message.listen }));
          else this.hear(message);
        }));
      });
    } catch (error) {
      await worker.terminate();
      throw error;
    }
    // Whoever knows our addresses finds the same ones after a new start.
    this.options = { ...this.options, listen: up.listening, admin: { ...this.options.admin, ...up.admin } };
    return up;
  }

  stats(): SipServerStats {
    return { ...this.latest, faults: (this.latest['faults'] ?? 0) + this.faults, threadDeaths: this.deaths };
  }

  setSources(rules: SourceRules): void {
    // What is wrong with them is told here, not there.
    new Sources(rules);
    this.options = { ...this.options, sources: rules };
    this.post({ kind: 'sources', rules });
  }

  async setDomains(domains: Domains): Promise<void> {
    // What is wrong with them is told here, not there.
    for (const files of Object.values(domains)) await readPair(files);
    this.options = { ...this.options, domains };
    this.post({ kind: 'domains', domains });
  }

  setNodes(addresses: Readonly<Record<string, string>>): void {
    const { nodes } = this.options;
    if (nodes !== undefined) this.options = { ...this.options, nodes: { ...nodes, addresses } };
    this.post({ kind: 'nodes', addresses });
  }

  setTlsWith(rules: Readonly<Record<string, TlsRule>>): void {
    this.options = { ...this.options, tlsWith: rules };
    this.post({ kind: 'tlsWith', rules });
  }

  post(message: ToThread): void {
    this.worker?.postMessage(message);
  }

  close(): Promise<void> {
    return this.closing ??= new Promise((resolve) => {
      clearTimeout(this.restarting);
      if (this.worker === undefined) {
        resolve();
        return;
      }
      this.worker.once('exit', () => { resolve(); });
      this.post({ kind: 'close' });
    });
  }

  private hear(message: Exclude<FromThread, { kind: 'ready' | 'failed' }>): void {
    const { logger, onMessage, allow, onRefused, onUnknown, onFlowGone } = this.given;
    switch (message.kind) {
      case 'wire': onMessage?.(message.message); break;
      case 'log': logger?.[message.level](message.facts, message.text); break;
      case 'stats': this.latest = message.stats; break;
      case 'refused': onRefused?.(message.address); break;
      case 'flowGone': onFlowGone?.(message.token); break;
      case 'unknown': onUnknown?.(message.address, message.protocol); break;
      case 'judge': this.post({ kind: 'judged', address: message.address, allowed: allow?.(message.address) ?? true }); break;
    }
  }

  private died(error: Error | undefined, ranFor: number): void {
    this.deaths++;
    if (ranFor >= GOOD_RUN) this.pause = FIRST_PAUSE;
    this.lost(error, 'the thread of the SIP server has died and its calls are lost; it is started anew');
  }

  private lost(error: Error | undefined, text: string): void {
    this.worker = undefined;
    this.latest = {};
    this.given.logger?.error({ error: error?.message ?? 'it ended by itself', stack: error?.stack, pauseMs: this.pause }, text);
    this.restarting = setTimeout(() => {
      this.begin().then(() => { this.given.logger?.info({ listening: this.options.listen }, 'the thread of the SIP server is up again'); },
        (why: unknown) => { if (this.closing === undefined) this.lost(why instanceof Error ? why : new Error(String(why)), 'the SIP server does not start again'); });
    }, this.pause);
    this.pause = Math.min(2 * this.pause, LONGEST_PAUSE);
  }
}

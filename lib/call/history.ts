import type { Config } from '../config/types.js';
import { drawLadder } from '../observe/ladder.js';
import { maskNumbers, maskUser, redactSip } from '../observe/redact.js';
import { headerValue, TraceStore, type TraceEntry } from '../observe/trace.js';
import { addressMatcher, type Source } from '../sip/source.js';
import type { Call } from './call.js';
import type { CallTable } from './table.js';
import { BoundedMap } from '../util/boundedMap.js';
import { splitHostPort } from '../util/hostPort.js';

/** Finished calls that can still be asked for, and SIP messages kept for each Call-ID. */
const recentCalls = 500;
const messagesPerCallId = 64;
const kept = { calls: recentCalls * 2, messages: messagesPerCallId, bytes: 64 * 1024 * 1024, messageBytes: 8192 };
/** Messages of those nobody knows, until a call begins with them. */
const unjudged = { ...kept, calls: 200, bytes: 1024 * 1024 };

export interface HistoryRules {
  readonly config: Config;
  readonly judgeSource: (address: string, protocol: string) => Source;
}

/** What is kept of a call: the Call-IDs of its legs and attempts, and its user. */
interface Known {
  readonly callIds: readonly string[];
  readonly user: string | null;
}

/** The SIP messages of live and recent calls, as pages for a person. Users' numbers are masked unless the CDR shows them too. */
export class CallHistory {
  readonly #rules: () => HistoryRules;
  readonly #table: CallTable;
  readonly #trace: TraceStore;
  readonly #strangers = new TraceStore(unjudged);
  /** Finished calls. */
  readonly #recent = new BoundedMap<string, Known>(recentCalls);

  constructor(table: CallTable, rules: () => HistoryRules) {
    this.#table = table;
    this.#rules = rules;
    this.#trace = new TraceStore(kept, () => new Set(table.all().flatMap((call) => known(call).callIds)));
  }

  /** The same from a SIP server that does not ask who sends: what comes from those nobody knows has little room of its own. */
  recordUnjudged(entry: TraceEntry): void {
    const { direction, transport, remote, text } = entry;
    const stranger = direction === 'in' && this.#rules().judgeSource(splitHostPort(remote)?.host ?? remote, transport).kind === 'stranger';
    const store = stranger && !this.#trace.has(headerValue(text, 'call-id', 'i') ?? '') ? this.#strangers : this.#trace;
    store.record(entry);
  }

  /** A SIP message as it crossed the wire, of somebody known or of a call. */
  record(entry: TraceEntry): void {
    this.#trace.record(entry);
  }

  ended(call: Call): void {
    this.#recent.set(call.id, known(call));
  }

  /** The ladder; null when the call is not known. */
  ladder(id: string): string | null {
    const call = this.#find(id);
    return call === null ? null : this.#masked(drawLadder(this.#messages(call), this.#namer()), call);
  }

  /** The messages in full, secrets hidden; null when the call is not known. */
  messages(id: string): string | null {
    const call = this.#find(id);
    if (call === null) return null;
    const nameOf = this.#namer();
    const blocks = this.#messages(call).map((entry) => {
      const { time, direction, transport, local, remote, text } = entry;
      const ends = direction === 'in' ? `${remote} -> ${local}` : `${local} -> ${remote}`;
      return `#### ${new Date(time).toISOString()} ${transport} ${ends} (${direction === 'in' ? 'from' : 'to'} ${nameOf(entry)})\n${redactSip(text).replaceAll('\r\n', '\n').trimEnd()}\n`;
    });
    return this.#masked(blocks.join('\n'), call);
  }

  #messages({ callIds }: Known): TraceEntry[] {
    return [...this.#strangers.messages(callIds), ...this.#trace.messages(callIds)].sort((a, b) => a.time - b.time);
  }

  #find(id: string): Known | null {
    const live = this.#table.get(id);
    return live === undefined ? this.#recent.get(id) ?? null : known(live);
  }

  #masked(text: string, { user }: Known): string {
    const { config } = this.#rules();
    if (config.cdr.fullNumbers) return text;
    const masked = maskNumbers(text, new Set(Object.keys(config.numbers)));
    // Display names and digest usernames carry the number without its '+'; a BSUID has none.
    const bare = user?.replace(/^\+/, '') ?? '';
    return bare === '' ? masked : masked.replaceAll(bare, maskUser(bare));
  }

  /** What to call the far end of a message: Meta, a peer by its URI or else by its address, or the address. */
  #namer(): (entry: TraceEntry) => string {
    const { config, judgeSource } = this.#rules();
    const isMeta = addressMatcher(config.meta.sources);
    const peers = Object.entries(config.peers);
    return ({ transport, remote }) => {
      const host = splitHostPort(remote)?.host ?? remote;
      if (transport === 'tls' && (isMeta(host) || host === config.meta.address || host === config.meta.host)) return 'Meta';
      const named = peers.find(([, { uri }]) => uri?.includes(remote))?.[0];
      if (named !== undefined) return named;
      const source = judgeSource(host, transport);
      return source.kind === 'peer' ? source.peer : remote;
    };
  }
}

function known({ facts, attempts }: Call): Known {
  return { callIds: [...new Set([facts.metaCallId, facts.peerCallId, ...attempts].filter((id) => id !== null))], user: facts.user };
}

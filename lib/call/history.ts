import type { Config } from '../config/types.js';
import { capture } from '../observe/capture/pcapng.js';
import { drawLadder, summary } from '../observe/ladder.js';
import { hideDigits, maskUsers, redactSip } from '../observe/redact.js';
import { headerValue, TraceStore, type TraceEntry } from '../observe/trace.js';
import { addressMatcher, type Source } from '../sip/source.js';
import { parseUri } from '../sip/uri.js';
import type { Call } from './call.js';
import type { CallRecord } from './record.js';
import type { CallTable } from './table.js';
import { BoundedMap } from '../util/boundedMap.js';
import { textOf } from '../util/bytes.js';
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

/** A message of a call, for a person. */
export interface Traced {
  /** ISO 8601. */
  readonly time: string;
  readonly direction: 'in' | 'out';
  readonly transport: string;
  /** host:port of our side and of the far side, and what that is called: "Meta", a peer, or its address. */
  readonly local: string;
  readonly remote: string;
  readonly with: string;
  readonly summary: string;
  /** In full, secrets hidden. */
  readonly text: string;
}

/** A finished call: its record, and its user in full. */
export interface Finished { readonly record: CallRecord; readonly user: string | null }

/** The SIP messages of live and recent calls, as pages for a person. Users' numbers are masked unless the CDR shows them too. */
export class CallHistory {
  readonly #rules: () => HistoryRules;
  readonly #table: CallTable;
  readonly #trace: TraceStore;
  readonly #strangers = new TraceStore(unjudged);
  #hear: ((entry: TraceEntry) => void) | null = null;
  /** Finished calls. */
  readonly #recent = new BoundedMap<string, Known>(recentCalls);
  readonly #records = new BoundedMap<string, Finished>(recentCalls);
  /** Those that are over and have no record yet: their media is being closed. */
  readonly #ending = new Map<string, Call>();

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
    if (store === this.#trace) this.#hear?.(entry);
  }

  /** A SIP message as it crossed the wire, of somebody known or of a call. */
  record(entry: TraceEntry): void {
    this.#trace.record(entry);
    this.#hear?.(entry);
  }

  /** Whoever is told of each message of somebody known, or of a call. */
  observe(hear: (entry: TraceEntry) => void): void {
    this.#hear = hear;
  }

  /** Call-IDs of live and recent calls, each with the id of its call. */
  owners(): ReadonlyMap<string, string> {
    const owners = new Map<string, string>();
    for (const [id, { callIds }] of this.#recent.entries()) for (const callId of callIds) owners.set(callId, id);
    for (const call of this.#table.all()) for (const callId of known(call).callIds) owners.set(callId, call.id);
    return owners;
  }

  /** The first message kept under this Call-ID. */
  firstOf(callId: string): TraceEntry | null {
    return this.#trace.messages([callId])[0] ?? null;
  }

  /** The text with users' numbers masked as on the pages; `call`: its user too, null: of no call. */
  masked(text: string, call: string | null): string {
    return this.#masked(text, (call === null ? null : this.#find(call)) ?? { callIds: [], user: null });
  }

  ended(call: Call): void {
    this.#recent.set(call.id, known(call));
    this.#ending.set(call.id, call);
  }

  /** Its record is made. */
  recorded(call: Call, record: CallRecord): void {
    this.#ending.delete(call.id);
    this.#records.set(call.id, { record, user: call.facts.user });
  }

  /** A call that is over, and has no record yet. */
  ending(id: string): Call | null {
    return this.#ending.get(id) ?? null;
  }

  /** A call that has ended lately; null: it is up, ending, or not known. */
  finished(id: string): Finished | null {
    return this.#records.get(id) ?? null;
  }

  /** Calls that have ended lately, the latest first. */
  lately(): Finished[] {
    return [...this.#records.values()].reverse();
  }

  /** The ladder; null when the call is not known. `full`: users' numbers are shown; left out: as in the CDR. */
  ladder(id: string, full?: boolean): string | null {
    const call = this.#find(id);
    return call === null ? null : this.#masked(drawLadder(this.#messages(call).map((entry) => ({ ...entry, text: textOf(entry.text) })), this.#namer()), call, full);
  }

  /** The messages in full, secrets hidden; null when the call is not known. `full` as of the ladder. */
  messages(id: string, full?: boolean): string | null {
    return this.traced(id, full)?.map(({ time, direction, transport, local, remote, with: name, text }) => {
      const ends = direction === 'in' ? `${remote} -> ${local}` : `${local} -> ${remote}`;
      return `#### ${time} ${transport} ${ends} (${direction === 'in' ? 'from' : 'to'} ${name})\n${text}\n`;
    }).join('\n') ?? null;
  }

  /** The same one by one. */
  traced(id: string, full?: boolean): Traced[] | null {
    const call = this.#find(id);
    if (call === null) return null;
    const nameOf = this.#namer();
    const shown = (text: string): string => this.#masked(text, call, full);
    return this.#messages(call).map((entry) => ({
      time: new Date(entry.time).toISOString(), direction: entry.direction, transport: entry.transport, local: entry.local, remote: entry.remote, with: nameOf(entry),
      summary: shown(textOf(summary(entry.text))), text: shown(redactSip(textOf(entry.text)).replaceAll('\r\n', '\n').trimEnd()),
    }));
  }

  /** Its messages as a pcapng file, secrets hidden; null when the call is not known. `program`: what wrote it; `full` as of the ladder. */
  capture(id: string, program: string, full?: boolean): Buffer | null {
    const call = this.#find(id);
    if (call === null) return null;
    return capture(this.#messages(call), { program, nameOf: this.#namer(), mask: (text) => this.#masked(text, call, full) });
  }

  #messages({ callIds }: Known): TraceEntry[] {
    return [...this.#strangers.messages(callIds), ...this.#trace.messages(callIds)].sort((a, b) => a.time - b.time);
  }

  #find(id: string): Known | null {
    const live = this.#table.get(id);
    return live === undefined ? this.#recent.get(id) ?? null : known(live);
  }

  #masked(text: string, { user }: Known, full = this.#rules().config.cdr.fullNumbers): string {
    return full ? text : maskUsers(hideDigits(text), new Set(Object.keys(this.#rules().config.numbers)), user);
  }

  /** What to call the far end of a message: Meta, a peer by its URI or else by its address, or the address. */
  #namer(): (entry: TraceEntry) => string {
    const { config, judgeSource } = this.#rules();
    const isMeta = addressMatcher(config.meta.sources);
    const peers = Object.entries(config.peers);
    return ({ transport, remote }) => {
      const host = splitHostPort(remote)?.host ?? remote;
      if (transport === 'tls' && (isMeta(host) || host === config.meta.address || host === config.meta.host || host === parseUri(config.meta.proxy?.uri ?? '')?.host)) return 'Meta';
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

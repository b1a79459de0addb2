/** One SIP message as it crossed the wire. */
export interface TraceEntry {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly direction: 'in' | 'out';
  readonly transport: string;
  /** host:port of our side and of the far side. */
  readonly local: string;
  readonly remote: string;
  /** A binary string: one character a byte. */
  readonly text: string;
}

export interface TraceLimits {
  /** Call-IDs kept besides those of live calls; the oldest goes first. */
  readonly calls: number;
  /** Messages kept for one Call-ID; later ones are left out. */
  readonly messages: number;
  /** Bytes kept in all; a message is counted with what it takes beside its text. */
  readonly bytes: number;
  /** Bytes kept of one message; what is left out is said in its stead. */
  readonly messageBytes: number;
}

interface Kept {
  readonly entries: TraceEntry[];
  bytes: number;
}

/** How long a search for room that found none is not repeated, in milliseconds. */
const SEARCH_AGAIN = 1000;

/** What a message takes besides its text. */
const overhead = 300;

/** The SIP messages of the latest calls, by Call-ID, in bounded memory. Those of live calls are never given up for others. */
export class TraceStore {
  readonly #limits: TraceLimits;
  readonly #live: () => ReadonlySet<string>;
  /** In the order in which they began. */
  readonly #calls = new Map<string, Kept>();
  #bytes = 0;
  /** When room was last looked for in vain: live calls alone fill it. Milliseconds since the epoch. */
  #searchedAt = -Infinity;
  /** When the calls were last gone through as there were too many; milliseconds since the epoch. */
  #countedAt = -Infinity;

  /** @param live the Call-IDs of live calls */
  constructor(limits: TraceLimits, live: () => ReadonlySet<string> = () => new Set()) {
    this.#limits = limits;
    this.#live = live;
  }

  /** Bytes kept, at most `limits.bytes`. */
  get bytes(): number {
    return this.#bytes;
  }

  record(entry: TraceEntry): void {
    const callId = callIdOf(entry.text);
    if (callId === null) return;
    const known = this.#calls.get(callId);
    if (known !== undefined && known.entries.length >= this.#limits.messages) return;
    const text = cut(entry.text, this.#limits.messageBytes);
    const size = text.length + overhead;
    // Either way: the clock may be set back.
    const mayBeRoom = Math.abs(entry.time - this.#searchedAt) >= SEARCH_AGAIN;
    // Where live calls alone are more than that, each new one would go through all of them.
    const tooMany = known === undefined && this.#calls.size >= this.#limits.calls && Math.abs(entry.time - this.#countedAt) >= SEARCH_AGAIN;
    if ((tooMany || this.#bytes + size > this.#limits.bytes) && mayBeRoom) {
      this.#makeRoom(callId);
      if (this.#calls.size >= this.#limits.calls) this.#countedAt = entry.time;
    }
    if (this.#bytes + size > this.#limits.bytes) {
      if (mayBeRoom) this.#searchedAt = entry.time;
      return;
    }
    const kept = known ?? { entries: [], bytes: 0 };
    if (known === undefined) this.#calls.set(callId, kept);
    kept.entries.push(text === entry.text ? entry : { ...entry, text });
    kept.bytes += size;
    this.#bytes += size;
  }

  has(callId: string): boolean {
    return this.#calls.has(callId);
  }

  /** The messages of these Call-IDs in order of time. */
  messages(callIds: readonly string[]): TraceEntry[] {
    return callIds.flatMap((id) => this.#calls.get(id)?.entries ?? []).sort((a, b) => a.time - b.time);
  }

  /** Gives up a tenth, so that not every message has to look for what may go. */
  #makeRoom(spared: string): void {
    const live = this.#live();
    const [calls, bytes] = [0.9 * this.#limits.calls, 0.9 * this.#limits.bytes];
    let others = [...this.#calls.keys()].filter((id) => !live.has(id)).length;
    for (const [id, kept] of this.#calls) {
      if (others <= calls && this.#bytes <= bytes) return;
      if (id === spared || live.has(id)) continue;
      this.#calls.delete(id);
      this.#bytes -= kept.bytes;
      others -= 1;
    }
  }
}

/** The message without what is too much of it; a copy, as a part of a string keeps all of it in memory. */
function cut(text: string, most: number): string {
  return text.length <= most ? text : Buffer.from(`${text.slice(0, most)}\r\n[${text.length - most} bytes left out]\r\n`, 'latin1').toString('latin1');
}

/** The value of the first such header of a message, without parsing the rest. */
export function headerValue(text: string, name: string, compact: string): string | null {
  const end = text.indexOf('\r\n\r\n');
  const head = end === -1 ? text : text.slice(0, end);
  return matchName(name, compact).exec(head)?.[1]?.trim() ?? null;
}

function matchName(name: string, compact: string): RegExp {
  return new RegExp(`^(?:${name}|${compact})[ \\t]*:[ \\t]*([^\\r\\n]*)`, 'im');
}

const callIdLine = matchName('call-id', 'i');

/** The Call-ID of a message; null when it has none. */
function callIdOf(text: string): string | null {
  const head = text.indexOf('\r\n\r\n');
  // As nearly everybody writes it.
  const at = text.indexOf('\r\nCall-ID: ');
  if (at !== -1 && (head === -1 || at < head)) return text.slice(at + 11, text.indexOf('\r\n', at + 11)).trim();
  return callIdLine.exec(head === -1 ? text : text.slice(0, head))?.[1]?.trim() ?? null;
}

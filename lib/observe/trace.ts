/** One SIP message as it crossed the wire. */
export interface TraceEntry {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly direction: 'in' | 'out';
  readonly transport: string;
  /** host:port of our side and of the far side. */
  readonly local: string;
  readonly remote: string;
  readonly text: string;
}

export interface TraceLimits {
  /** Call-IDs kept; the oldest goes first. */
  readonly calls: number;
  /** Messages kept for one Call-ID; later ones are only counted. */
  readonly messages: number;
}

interface Kept {
  entries: TraceEntry[];
  dropped: number;
}

/** The SIP messages of the latest calls, by Call-ID, in bounded memory. */
export class TraceStore {
  readonly #limits: TraceLimits;
  readonly #calls = new Map<string, Kept>();

  constructor(limits: TraceLimits) {
    this.#limits = limits;
  }

  record(entry: TraceEntry): void {
    const callId = headerValue(entry.text, 'call-id', 'i');
    if (callId === null) return;
    let kept = this.#calls.get(callId);
    if (kept === undefined) {
      if (this.#calls.size >= this.#limits.calls) {
        const oldest = this.#calls.keys().next();
        if (!oldest.done) this.#calls.delete(oldest.value);
      }
      this.#calls.set(callId, (kept = { entries: [], dropped: 0 }));
    }
    if (kept.entries.length < this.#limits.messages) kept.entries.push(entry);
    else kept.dropped++;
  }

  /** The messages of these Call-IDs in order of time. */
  messages(callIds: readonly string[]): TraceEntry[] {
    return callIds.flatMap((id) => this.#calls.get(id)?.entries ?? []).sort((a, b) => a.time - b.time);
  }
}

/** The value of the first such header of a message, without parsing the rest. */
export function headerValue(text: string, name: string, compact: string): string | null {
  const end = text.indexOf('\r\n\r\n');
  const head = end === -1 ? text : text.slice(0, end);
  const match = new RegExp(`^(?:${name}|${compact})[ \\t]*:[ \\t]*([^\\r\\n]*)`, 'im').exec(head);
  return match === null ? null : match[1]!.trim();
}

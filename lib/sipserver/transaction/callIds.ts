// Call-IDs of what is going on, and the Call-ID of a message before it is parsed.

/** A multiset of Call-IDs. */
export class CallIds {
  private readonly counts = new Map<string, number>();

  add(callId: string): void {
    this.counts.set(callId, (this.counts.get(callId) ?? 0) + 1);
  }

  remove(callId: string): void {
    const n = this.counts.get(callId) ?? 0;
    if (n > 1) this.counts.set(callId, n - 1);
    else this.counts.delete(callId);
  }

  has(callId: string): boolean {
    return this.counts.has(callId);
  }
}

/** The value of the first line that looks like a Call-ID; undefined when there is none. Costs a look at each byte, no more. */
export function callIdOf(bytes: Buffer): string | undefined {
  return /\r\n(?:call-id|i)[ \t]*:[ \t]*([^\r\n]*)/i.exec(bytes.toString('latin1'))?.[1]?.trimEnd();
}

/** A dialog as a Replaces header names it, seen by who receives the header (RFC 3891 §6.1). */
export interface Replaces {
  readonly callId: string;
  /** The receiver's own tag. */
  readonly toTag: string;
  /** The tag of the other end of that dialog. */
  readonly fromTag: string;
  /** Only an early dialog is meant (RFC 3891 §3). */
  readonly earlyOnly: boolean;
}

/** Reads the value of a Replaces header, or of a `?Replaces=` with its escapes resolved. Null when malformed. */
export function parseReplaces(value: string): Replaces | null {
  const [callId = '', ...params] = value.split(';').map((part) => part.trim());
  // RFC 3261 §25.1: callid = word [ "@" word ]; a comma would begin a second value, and there may be one only (RFC 3891 §3).
  if (!/^[A-Za-z0-9\-.!%*_+`'~()<>:\\"/[\]?{}]+(?:@[A-Za-z0-9\-.!%*_+`'~()<>:\\"/[\]?{}]+)?$/.test(callId)) return null;
  const tags = new Map<string, string>();
  let earlyOnly = false;
  for (const param of params) {
    const match = /^([A-Za-z0-9\-.!%*_+`'~]+)(?:\s*=\s*([A-Za-z0-9\-.!%*_+`'~]+))?$/.exec(param);
    if (match?.[1] === undefined) return null;
    const name = match[1].toLowerCase();
    if (name === 'early-only') earlyOnly = true;
    if (name !== 'to-tag' && name !== 'from-tag') continue;
    if (tags.has(name) || match[2] === undefined) return null;
    tags.set(name, match[2]);
  }
  const [toTag, fromTag] = [tags.get('to-tag'), tags.get('from-tag')];
  return toTag === undefined || fromTag === undefined ? null : { callId, toTag, fromTag, earlyOnly };
}

/** The same as a header value. */
export function formatReplaces({ callId, toTag, fromTag, earlyOnly }: Replaces): string {
  return `${callId};to-tag=${toTag};from-tag=${fromTag}${earlyOnly ? ';early-only' : ''}`;
}

// Header names: one canonical key (long form, lower case) for each, whatever the case or compact form on the wire.

/** Compact form → long form. RFC 3261 §7.3.3, and the registry entries of RFC 3841, 3892, 4028, 4474, 4916, 6665. */
const COMPACT: Readonly<Record<string, string>> = {
  a: 'accept-contact', b: 'referred-by', c: 'content-type', d: 'request-disposition', e: 'content-encoding', f: 'from',
  i: 'call-id', j: 'reject-contact', k: 'supported', l: 'content-length', m: 'contact', n: 'identity-info', o: 'event',
  r: 'refer-to', s: 'subject', t: 'to', u: 'allow-events', v: 'via', x: 'session-expires', y: 'identity',
};

/** The usual spelling of names that are sent or seen often; anything else is written as the sender wrote it. */
const SPELLING = [
  'Accept', 'Accept-Contact', 'Allow', 'Allow-Events', 'Authorization', 'Call-ID', 'Contact', 'Content-Disposition', 'Content-Encoding',
  'Content-Length', 'Content-Type', 'CSeq', 'Date', 'Event', 'Expires', 'From', 'Identity', 'Identity-Info', 'Max-Forwards', 'Min-Expires',
  'Min-SE', 'P-Asserted-Identity', 'Path', 'Proxy-Authenticate', 'Proxy-Authorization', 'Proxy-Require', 'RAck', 'Reason', 'Record-Route',
  'Refer-To', 'Referred-By', 'Reject-Contact', 'Replaces', 'Request-Disposition', 'Require', 'Retry-After', 'Route', 'RSeq', 'Server',
  'Session-Expires', 'Subject', 'Subscription-State', 'Supported', 'To', 'Unsupported', 'User-Agent', 'Via', 'Warning', 'WWW-Authenticate',
] as const;

const KEY_BY_NAME: ReadonlyMap<string, string> = new Map([
  ...SPELLING.flatMap((name): [string, string][] => [[name, name.toLowerCase()], [name.toLowerCase(), name.toLowerCase()]]),
  ...Object.entries(COMPACT).flatMap(([short, long]): [string, string][] => [[short, long], [short.toUpperCase(), long]]),
]);

const NAME_BY_KEY: ReadonlyMap<string, string> = new Map(SPELLING.map((name) => [name.toLowerCase(), name]));

/** Canonical key of a header name: long form in lower case. `keyOf('v') === 'via'`. */
export function keyOf(name: string): string {
  return KEY_BY_NAME.get(name) ?? longForm(name.toLowerCase());
}

/** Usual long spelling of a name, or the name itself when it is not a well known one. `longName('i') === 'Call-ID'`. */
export function longName(name: string): string {
  return NAME_BY_KEY.get(keyOf(name)) ?? name;
}

function longForm(lower: string): string {
  return lower.length === 1 ? COMPACT[lower] ?? lower : lower;
}

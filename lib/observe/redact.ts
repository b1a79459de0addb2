/** What must not be read in logs, traces, API answers and CDRs (house rule 8). Pure. */

/** A telephone number or BSUID with its middle hidden: "+4477*****01", "US.13*****89". */
export function maskUser(user: string): string {
  return user.length <= 7 ? '*'.repeat(user.length) : `${user.slice(0, 5)}${'*'.repeat(user.length - 7)}${user.slice(-2)}`;
}

/** Hides secrets in the text of a SIP message: digest responses, SDES keys, ICE passwords (RFC 4568 §6.1, RFC 8839 §5.4). */
export function redactSip(text: string): string {
  return text
    .replace(/(\b(?:response|cnonce|nonce|opaque)\s*=\s*")[^"]*"/gi, '$1…"')
    .replace(/(a=crypto:\S+\s+\S+\s+inline:)[^\r\n]*/gi, '$1…')
    .replace(/(a=ice-pwd:)[^\r\n]*/gi, '$1…');
}

/** Hides the middle of every user number that stands in SIP text, except the business numbers given. */
export function maskNumbers(text: string, keep: ReadonlySet<string>): string {
  return text.replace(/\+[1-9]\d{6,14}\b/g, (number) => (keep.has(number) ? number : maskUser(number)));
}

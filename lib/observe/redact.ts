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

/**
 * Hides the middle of everything that reads as a telephone number or BSUID, with or without '+', separators and escapes; business
 * numbers in `keep` ("+44…") and IPv4 addresses stay. For text that has been judged, not for SIP that must stay as it is.
 */
export function maskDigits(text: string, keep: ReadonlySet<string>): string {
  return decodeEscapes(text).replace(/\+?[0-9](?:[-.() ]*[0-9]){6,}/g, (number) => {
    const digits = number.replace(/[^0-9]/g, '');
    if (keep.has(`+${digits}`) || /^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$/.test(number)) return number;
    return maskUser(number);
  });
}

/** A number behind escapes is a number; what cannot be resolved stays. */
function decodeEscapes(text: string): string {
  return text.replace(/(?:%[0-9A-Fa-f]{2})+/g, (escapes) => {
    try {
      const plain = decodeURIComponent(escapes);
      return /^[0-9+\-.() ]+$/.test(plain) ? plain : escapes;
    } catch {
      return escapes;
    }
  });
}

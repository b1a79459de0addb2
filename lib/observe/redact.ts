/** What must not be read in logs, traces, API answers and CDRs (house rule 8). Pure. */

/** A telephone number or BSUID with its middle hidden: "+4477*****01", "US.13*****89". */
export function maskUser(user: string): string {
  return user.length <= 7 ? '*'.repeat(user.length) : `${user.slice(0, 5)}${'*'.repeat(user.length - 7)}${user.slice(-2)}`;
}

/**
 * Parameters whose value is a secret, or lets one be guessed, wherever they stand and however they are written: quoted (RFC 3261 §25.1
 * quoted-string, closed or not, folded or not), as a token, or escaped in a URI. Names are known by their end: nonce is cnonce and nextnonce too. pn-prid is what an app is woken by (RFC 8599).
 */
const secretParameter = /((?:response|nonce|opaque|rspauth|auts|password|passwd|secret|pn-prid)(?:[ \t\r\n]*=[ \t\r\n]*|%3D))("(?:[^"\\\r\n]|\\[^\r\n]|\r?\n[ \t])*"?|[^\s,;"<>]*)/gi;
/** A header field with credentials, its folded lines too (RFC 3261 §7.3.1), and in it those of a scheme without parameters (RFC 7617 §2, RFC 6750 §2.1). */
const credentialLine = /^(?:proxy-)?auth(?:orization|enticate)[ \t]*:[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*/gim;
const bareCredentials = /\b((?:basic|bearer)[ \t\r\n]+)[A-Za-z0-9\-._~+/]+=*(?![A-Za-z0-9\-._~+/]*[ \t]*=[ \t]*")/gi;
/** The password in a SIP URI (RFC 3261 §19.1.1). */
const uriPassword = /(sips?:[^\s:@<>"]{1,256}:)[^\s@<>"]{1,256}@/gi;
/** Lines of SDP that carry keys: the words that stay (RFC 4568 §9.1, RFC 4566 §5.12, RFC 4567 §3, RFC 8839 §5.4). */
const keyLines = [
  /^[ \t]*a[ \t]*=[ \t]*crypto[ \t]*:[ \t]*[^ \t:]*[ \t]*[^ \t:]*(?![^ \t])(?:[ \t]+inline:)?/i, /^[ \t]*a[ \t]*=[ \t]*(?:crypto|ice-pwd)[ \t]*:/i,
  /^[ \t]*k[ \t]*=[ \t]*(?:prompt$|clear:|base64:|uri:)?/i, /^[ \t]*a[ \t]*=[ \t]*key-mgmt[ \t]*:[ \t]*[^ \t]*[ \t]*/i,
];

/** Hides secrets in the text of a SIP message: digest responses, passwords, keys of media, ICE passwords. Linear. */
export function redactSip(text: string): string {
  return text.split(/(\r\n|\r|\n)/).map(redactLine).join('')
    .replace(secretParameter, (_, name: string, value: string) => name + (value.startsWith('"') ? '"…"' : '…'))
    .replace(credentialLine, (line) => line.replace(bareCredentials, '$1…'))
    .replace(uriPassword, '$1…@');
}

function redactLine(line: string): string {
  for (const kept of keyLines) {
    const words = kept.exec(line)?.[0];
    if (words !== undefined) return words.length === line.length ? line : `${words}…`;
  }
  return line;
}

/**
 * Hides users wherever they stand in a text: as in a log line, and this user's number however it is written, without its '+' in display names, digest
 * usernames and reasons say; null: nobody knows who. Business numbers in `keep` stay.
 */
export function maskUsers(text: string, keep: ReadonlySet<string>, user: string | null): string {
  const masked = maskLine(text, keep);
  const bare = user?.replace(/^\+/, '') ?? '';
  return bare.length < 6 || bare.includes('*') || keep.has(`+${bare}`) ? masked : masked.replaceAll(bare, maskUser(bare));
}

/**
 * Hides the middle of every user in a log line: telephone numbers with their '+' or its escape, BSUIDs ("GB.13491208655302741918"), and those in
 * Meta's ids; business numbers in `keep` stay.
 */
export function maskLine(line: string, keep: ReadonlySet<string>): string {
  return maskIds(line, keep).replace(/(?:\+|%2B)[1-9]\d{6,14}(?!\d)/gi, (text) => {
    const number = text.replace(/^%2B/i, '+');
    return keep.has(number) ? text : maskUser(number);
  }).replace(/\b[A-Z]{2}(?:\.ENT)?\.(?=[A-Za-z]*\d)[A-Za-z0-9]{10,128}\b/g, maskUser);
}

/**
 * Meta's ids of calls and messages hold a number in base64: "wacid.HBgMNDQ3NzAw…" is 1C 18 0C and "447700…" (META-SIP §7). What stands for its
 * digits is hidden, all of them; the length stays, and what follows still tells one id from another.
 */
export function maskIds(text: string, keep: ReadonlySet<string> = new Set()): string {
  return text.replace(/\b(wa[cm]id\.)([A-Za-z0-9+/_-]{12,})/g, (all, name: string, id: string) => {
    const bytes = Buffer.from(id.slice(0, 64), 'base64').toString('latin1');
    // The older form has two digits in each byte.
    const found = bytes.startsWith('\0\x11') ? { index: 2, 0: bytes.slice(2, 11) } : /[1-9][0-9]{6,14}/.exec(bytes);
    if (found === null || keep.has(`+${found[0]}`)) return all;
    const [begin, end] = [Math.floor((found.index * 4) / 3), Math.ceil(((found.index + found[0].length) * 4) / 3)];
    return name + id.slice(0, begin) + '*'.repeat(Math.min(end, id.length) - begin) + id.slice(end);
  });
}

const dtmfType = /^(?:content-type|c)[ \t]*:[ \t]*application\/dtmf(?:-relay)?[ \t]*(?:;|$)/im;

/** A SIP message without the digits that an INFO carries (application/dtmf-relay, application/dtmf): a PIN is nobody's to read. Lengths stay. */
export function hideDigits(message: string): string {
  const end = /\r?\n\r?\n/.exec(message)?.index ?? -1;
  if (end < 0 || !dtmfType.test(message.slice(0, end))) return message;
  return message.slice(0, end) + message.slice(end).replace(/[^\r\n]+/g, (line) => {
    const equals = line.indexOf('=');
    if (equals >= 0 && line.slice(0, equals).trim().toLowerCase() !== 'signal') return line;
    return line.slice(0, equals + 1) + line.slice(equals + 1).replace(/\S/g, '*');
  });
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

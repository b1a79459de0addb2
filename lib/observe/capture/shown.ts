import { redactSip } from '../redact.js';

/** What stands for a master key and salt of 30 bytes in base64 (RFC 4568 §6.1), and for an ICE password (RFC 8839 §5.4: 22 characters at least). */
const KEY = 'A'.repeat(40);
const ICE_PASSWORD = 'A'.repeat(24);

/**
 * A SIP message (binary string) without secrets that programs still read: in place of each secret stands something of its form, and Content-Length
 * changes with the body. A length that was wrong stays wrong by as much. `mask`: what else is hidden; it keeps lengths.
 */
export function shownMessage(text: string, mask: (text: string) => string = (all) => all): string {
  const hidden = mask(redactSip(text)).replace(/inline:…/g, `inline:${KEY}`).replace(/(ice-pwd:)…/g, `$1${ICE_PASSWORD}`).replaceAll('…', 'redacted');
  const more = bodyLength(hidden) - bodyLength(text);
  if (more === 0) return hidden;
  const end = hidden.indexOf('\r\n\r\n');
  const head = hidden.slice(0, end).replace(/^((?:content-length|l)[ \t]*:[ \t]*)(\d{1,9})/im, (_, name: string, length: string) => `${name}${Number(length) + more}`);
  return head + hidden.slice(end);
}

function bodyLength(text: string): number {
  const end = text.indexOf('\r\n\r\n');
  return end === -1 ? 0 : text.length - end - 4;
}

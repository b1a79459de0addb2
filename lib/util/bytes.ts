// SIP servers handle bytes, as strings of one character each ("binary strings"); programs handle text.

const beyondAscii = /[^\x00-\x7f]/;

/** The text of bytes in UTF-8; what is no UTF-8 becomes U+FFFD. */
export function textOf(bytes: string): string {
  return beyondAscii.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;
}

/** The bytes of a text in UTF-8. */
export function bytesOf(text: string): string {
  return beyondAscii.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text;
}

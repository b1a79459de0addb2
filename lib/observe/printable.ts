/**
 * Text that others wrote, shown so that a terminal does nothing but print it: control characters (C0 but for line feed and tab, DEL, C1),
 * line separators and those that turn the writing direction become `\x1b`, `\u202e`. Pure and linear.
 */
export function printable(text: string): string {
  return text.replace(unprintable, (char) => {
    const code = char.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** The same for text that is JSON already: a string in it keeps its value. */
export function printableJson(json: string): string {
  return json.replace(unprintable, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

// U+061C, U+200E, U+200F, U+202A to U+202E and U+2066 to U+2069 are the bidirectional controls (Unicode UAX #9).

const unprintable = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

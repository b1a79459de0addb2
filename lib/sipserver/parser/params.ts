// `;name=value` parameters of URIs and headers, kept as raw text; looked up without building maps.
import { indexOutside, trimBlanks } from './text.js';

/** One parameter: `name` as written, `value` undefined for a bare flag (quotes, if any, are kept). */
export interface Param { name: string; value: string | undefined }

/** Parses `;a=b;c` (a leading semicolon is optional). Quoted values may contain semicolons. Empty parameters are skipped. */
export function parseParams(raw: string): Param[] {
  const out: Param[] = [];
  let start = 0;
  while (start < raw.length) {
    let end = indexOutside(raw, ';', start);
    if (end < 0) end = raw.length;
    if (end > start) {
      const part = raw.slice(start, end);
      const eq = part.indexOf('=');
      const name = trimBlanks(eq < 0 ? part : part.slice(0, eq));
      if (name !== '') out.push({ name, value: eq < 0 ? undefined : trimBlanks(part.slice(eq + 1)) });
    }
    start = end + 1;
  }
  return out;
}

/** Value of a parameter, compared without case: undefined when absent, '' for a bare flag. */
export function paramOf(raw: string, name: string): string | undefined {
  let start = 0;
  let eq = -1;
  while (start < raw.length) {
    let end = indexOutside(raw, ';', start);
    if (end < 0) end = raw.length;
    // Looked for once, however many parameters have none.
    if (eq < start) {
      eq = raw.indexOf('=', start);
      if (eq < 0) eq = raw.length;
    }
    const stop = Math.min(eq, end);
    // Only what can be it is cut out.
    if (stop - start >= name.length) {
      const found = trimBlanks(raw.slice(start, stop));
      if (found.length === name.length && found.toLowerCase() === name) return stop === end ? '' : trimBlanks(raw.slice(stop + 1, end));
    }
    start = end + 1;
  }
  return undefined;
}

/** The raw text with the parameter set: replaced where it stands, else appended. `value` undefined writes a bare flag. */
export function withParam(raw: string, name: string, value: string | undefined): string {
  const written = value === undefined ? name : `${name}=${value}`;
  let found = false;
  const parts = parseParams(raw).map((p) => {
    if (p.name.toLowerCase() !== name) return p.value === undefined ? p.name : `${p.name}=${p.value}`;
    found = true;
    return written;
  });
  if (!found) parts.push(written);
  return parts.map((p) => `;${p}`).join('');
}

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** A fenced block of a page that is (a part of) a file: the comment above it says which, and inside which element of it, if not at its end. */
export interface Block {
  readonly file: string;
  readonly inside: string | null;
  readonly text: string;
}

const marked = /^<!-- file: (\S+?)(?:, inside: (\S+))? -->\n(```|~~~)\w*\n([\s\S]*?)^\3$/gm;
const fences = /^(```|~~~)(\w+)\n/gm;
/** What a fence may be without being part of a configuration: a command line, or what a program says. */
const noConfiguration = ['sh', 'text'];

/** Text of a file of this repository. */
export function pageText(path: string): Promise<string> {
  return readFile(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), 'utf8');
}

export function blocksOf(page: string): Block[] {
  return [...page.matchAll(marked)].map(([, file = '', inside, , text = '']) => ({ file, inside: inside ?? null, text }));
}

/** Configuration in a page that no test could run, because it does not say which file it belongs to: first lines. */
export function unmarked(page: string): string[] {
  const all = [...page.matchAll(fences)].filter(([, , language = '']) => !noConfiguration.includes(language));
  const known = new Set([...page.matchAll(marked)].map((match) => match.index + match[0].indexOf('\n') + 1));
  return all.filter(({ index }) => !known.has(index)).map(({ index }) => page.slice(index, index + 60));
}

/** Literal replacements, in their order. */
export type Places = readonly (readonly [written: string, here: string])[];

/**
 * Puts what runs here in the place of what a page or an example says: `places`, then each of the pages' hosts, 10.0.0.N, becomes 127.0.0.N,
 * so that who is who stays told by the address.
 */
export function putHere(text: string, places: Places): string {
  return places.reduce((so, [written, here]) => so.replaceAll(written, here), text).replaceAll('10.0.0.', '127.0.0.').replaceAll('10\\.0\\.0\\.', '127\\.0\\.0\\.');
}

/** The files of a program's own configuration with the blocks added to them: at the end, or before the end of an element. */
export function withBlocks(vanilla: ReadonlyMap<string, string>, blocks: readonly Block[]): Map<string, string> {
  const files = new Map(vanilla);
  for (const { file, inside, text } of blocks) {
    const before = files.get(file) ?? '';
    if (inside === null) {
      files.set(file, `${before}\n${text}`);
      continue;
    }
    const at = before.lastIndexOf(`</${inside}>`);
    if (at < 0) throw new Error(`${file} has no element ${inside}`);
    files.set(file, `${before.slice(0, at)}${text}${before.slice(at)}`);
  }
  return files;
}

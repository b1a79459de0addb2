import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..', '..', '..');

/** A row of a Markdown table: the heading it stands under, its cells, and what the first one names. */
export interface Row { readonly heading: string; readonly cells: readonly string[]; readonly name: string; readonly line: number }

/** Every row of every table of a page in docs/, head rows left out. */
export function rowsOf(page: string): Row[] {
  const rows: Row[] = [];
  let heading = '';
  let body = false;
  let fenced = false;
  for (const [index, line] of readFileSync(join(root, 'docs', page), 'utf8').split('\n').entries()) {
    if (line.startsWith('```')) fenced = !fenced;
    if (fenced) continue;
    if (line.startsWith('#')) heading = line.replace(/^#+ /, '');
    if (!line.startsWith('|')) body = false;
    else if (/^\|[-|: ]+\|$/.test(line)) body = true;
    else if (body) {
      const cells = line.slice(1, -1).split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|').replaceAll('\\*', '*'));
      rows.push({ heading, cells, name: (cells[0] ?? '').replaceAll('`', ''), line: index + 1 });
    }
  }
  return rows;
}

/** The rows below headings of that text. */
export function under(rows: readonly Row[], ...headings: readonly string[]): Row[] {
  return rows.filter(({ heading }) => headings.includes(heading.replaceAll('`', '')));
}

/** In the order of the alphabet, each once. */
export function sorted(names: Iterable<string>): string[] {
  return [...new Set(names)].sort();
}

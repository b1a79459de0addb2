// The facts of docs/meta-sip.md and docs/meta-graph.md with their ids, and docs/assumptions.md: those that are not certain, or that no test holds.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');
const file = (name: string): string => readFileSync(join(root, name), 'utf8');

export interface Fact {
  readonly id: string;
  readonly section: string;
  readonly text: string;
  /** The letters behind it, such as "H" or "H/M"; of a row of a table those that stand behind the table where it has none of its own. */
  readonly sure: string;
}

/** An entry of test/facts.json: "file: title" of tests, and what is assumed beyond them. */
export interface Held { readonly tests: readonly string[]; readonly assumed?: string }

export function held(): Readonly<Record<string, Held>> {
  return JSON.parse(file('test/facts.json')) as Readonly<Record<string, Held>>;
}

/** Of SIP sections 1 to 12, as what follows is what we make of it, and all of the Graph API. Lines that list something and have no id come as `unnamed`. */
export function facts(): { facts: Fact[]; unnamed: string[] } {
  const page = [/^## 1\. [\s\S]*?(?=^## 13\.)/m.exec(file('docs/meta-sip.md'))?.[0], /^## g0\. [\s\S]*/m.exec(file('docs/meta-graph.md'))?.[0]].join('\n');
  const found: Fact[] = [];
  const unnamed: string[] = [];
  for (const part of page.split(/^(?=#{2,3} )/m)) {
    const section = /^#+ (g?\d+(?:\.\d+)?)/.exec(part)?.[1] ?? '';
    const whole = /\*\*[HML]\*\*, as is the table/.exec(part)?.[0] ?? '';
    // A fact may go on in the next lines.
    for (const line of part.replace(/\n {2,}(?=\S)/g, ' ').split('\n')) {
      const numbered = section === '1' ? /^(\d+)\. (.*)$/.exec(line) : null;
      const named = /^(?:- |\| )\*\*(g?[\d.]+[a-z])\*\* (.*)$/.exec(line);
      const id = numbered !== null ? `1.${numbered[1] ?? ''}` : named?.[1];
      const text = numbered?.[2] ?? named?.[2] ?? '';
      if (id !== undefined) found.push({ id, section, text: textOf(text), sure: sureness(text) || sureness(whole) });
      else if (/^(?:[-*] |\d+\. |\| (?!id \|))/.test(line)) unnamed.push(line);
    }
  }
  return { facts: found, unnamed };
}

function sureness(text: string): string {
  return [...new Set([...text.matchAll(/\*\*([HML](?:\/[HML])?)\*\*/g)].map(([, letters = '']) => letters))].join(', ');
}

/** A cell of a table: without marks of sources and sureness, and without the edges of the row it may come from. */
function textOf(text: string): string {
  return text.replace(/^\| | \|$/g, '').replace(/ \| /g, ': ').replace(/(?:;? ?(?:\[[A-Z0-9]+\])+)*[ ,;]*\*\*[HML](?:\/[HML])?\*\*/g, '').replace(/(?: ?\[[A-Z0-9]+\])+\.?$/, '').replace(/; the `\+`:$/, '').replace(/\.,$/, '.').replace(/\., /, '; ').trim();
}

export function assumptionsPage(): string {
  const manifest = held();
  const rows = facts().facts.map((fact) => ({ ...fact, held: manifest[fact.id] ?? { tests: [] } }));
  const unsure = rows.filter(({ sure }) => /[ML]/.test(sure));
  const free = rows.filter(({ held: { tests }, sure }) => tests.length === 0 && !/[ML]/.test(sure));
  const cell = (text: string): string => text.replaceAll('|', '\\|');
  const count = (tests: readonly string[]): string => (tests.length === 0 ? 'none' : String(tests.length));
  return `# What we assume of Meta

Made by \`scripts/reference\` from the facts [of SIP](meta-sip.md) and [of the Graph API](meta-graph.md), and \`test/facts.json\`; a test holds it. Of ${rows.length} facts, ${rows.length - unsure.length} are **H**: Meta's own page or a published trace of a
real call. ${rows.filter(({ held: { tests } }) => tests.length > 0).length} are held by at least one test, against stand-ins: no test has met Meta ([what is proven, and how](readiness.md)).

## Not certain

**M**: one credible third party, or Meta's text at second hand. **L**: a claim or an inference. The first call with a real number should look at these.

| id | fact | how sure | tests | what follows if it is wrong, or what no test holds |
|---|---|---|---|---|
${unsure.map(({ id, text, sure, held: { tests, assumed } }) => `| ${id} | ${cell(text)} | ${sure} | ${count(tests)} | ${cell(assumed ?? '')} |`).join('\n')}

## Certain, and held by no test

| id | fact | why no test holds it |
|---|---|---|
${free.map(({ id, text, held: { assumed } }) => `| ${id} | ${cell(text)} | ${cell(assumed ?? '')} |`).join('\n')}
`;
}

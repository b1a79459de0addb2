// config/default.yaml from the schema: every key in its order with its default, or an example where there is none, and what its doc says beside it.
import { parse } from 'yaml';
import { about, isLeaf, schema, type Group, type Leaf } from '../../lib/config/schema.js';

const commentAt = 30;
const widest = 150;

export function defaultYaml(): string {
  const head = [
    '# wa-b2bua: every key with its default, except where a value is required (marked). Copy it, keep what you change.',
    '# ${NAME} in a value is replaced by that environment variable; a literal ${ is written $${.',
    '# Judge it with: wa-b2bua check -c FILE. A table of all keys: docs/reference/configuration.md',
    '# Made by scripts/reference from lib/config/schema.ts.',
  ];
  const sections = Object.entries(schema).map(([key, child]) => {
    const doc = docOf(child);
    return [...doc === '' ? [] : wrap(doc, 0), ...linesOf(key, child, '', false)].join('\n');
  });
  return `${[head.join('\n'), ...sections].join('\n\n')}\n`;
}

function docOf(node: Group | Leaf): string {
  if (!isLeaf(node)) return node[about]?.doc ?? '';
  return `${node.required === true ? 'Required. ' : ''}${node.doc}`;
}

/** A key, and below it what it holds. */
function linesOf(key: string, node: Group | Leaf, indent: string, commented = true): string[] {
  const doc = commented ? docOf(node) : '';
  const below = `${indent}  `;
  if (!isLeaf(node)) {
    const shared = node[about]?.shorthand === true ? sharedValue(node) : null;
    return shared === null ? [...beside(`${indent}${key}:`, doc), ...children(node, below)] : beside(`${indent}${key}: ${shared}`, doc);
  }
  if (node.children !== undefined && node.keys !== undefined && node.example !== undefined) {
    return [...beside(`${indent}${key}:`, doc), `${below}${node.example}:`, ...children(node.children, `${below}  `)];
  }
  if (node.children !== undefined && node.list === true && node.example === '-') {
    const [first = '', ...rest] = children(node.children, `${below}  `);
    return [...beside(`${indent}${key}:`, doc), first.replace(/^( *)  /, '$1- '), ...rest];
  }
  const flow = node.example ?? yamlOf(node.list === true && node.word !== undefined && isWord(node) ? node.word : node.default);
  const block = node.example === undefined && Array.isArray(node.default) && flow.length > 45;
  return block
    ? [...beside(`${indent}${key}:`, doc), ...(node.default as unknown[]).map((item) => `${below}- ${yamlOf(item)}`)]
    : beside(`${indent}${key}: ${flow}`, doc);
}

function children(group: Group, indent: string): string[] {
  return Object.entries(group).flatMap(([key, child]) => linesOf(key, child, indent));
}

/** The one value that all keys of a group have. */
function sharedValue(group: Group): string | null {
  const values = new Set(Object.values(group).map((child) => (isLeaf(child) ? yamlOf(child.default) : '')));
  return values.size === 1 ? [...values][0] ?? null : null;
}

function isWord({ default: value, word }: Leaf): boolean {
  return Array.isArray(value) && value.length === 1 && value[0] === word;
}

/** `text`, and the comment beside it; what does not fit goes on below. */
function beside(text: string, doc: string): string[] {
  if (doc === '') return [text];
  const start = text.length + 2 > commentAt ? `${text}  ` : text.padEnd(commentAt);
  const [first = '', ...rest] = wrap(doc, commentAt, start.length);
  return [`${start}${first}`, ...rest.map((line) => `${' '.repeat(commentAt)}${line}`)];
}

/** Comment lines that fit behind `column`, the first behind `first`. */
function wrap(doc: string, column: number, first = column): string[] {
  const lines = ['#'];
  // An example in braces stays whole.
  for (const word of doc.match(/\{ .* \}\S*|\S+/g) ?? []) {
    const room = widest - (lines.length === 1 ? first : column);
    const line = lines.at(-1) ?? '';
    if (line !== '#' && line.length + 1 + word.length > room) lines.push(`# ${word}`);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
}

/** A value as YAML on one line, text without quotes where it stays text. */
function yamlOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(yamlOf).join(', ')}]`;
  if (typeof value !== 'string') return JSON.stringify(value);
  return /^[A-Za-z0-9./][A-Za-z0-9._/-]*$/.test(value) && parse(value) === value ? value : JSON.stringify(value);
}

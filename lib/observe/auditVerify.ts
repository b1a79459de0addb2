import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { WabError } from '../errors.js';
import { auditLine, auditStart } from './audit.js';

export interface AuditVerdict {
  readonly ok: boolean;
  /** Good lines. */
  readonly lines: number;
  /** Hash before the first line: `auditStart` of a log's first file. */
  readonly start: string;
  /** Hash of the last good line. */
  readonly head: string;
  /** Lines that a crash cut short, vouched for by the line after them. */
  readonly torn: number;
  readonly fault: { readonly file: string; readonly line: number; readonly why: string } | null;
}

/** Follows the chain through one log, or through the files it was moved away to, oldest first. @throws WabError FILE_UNREADABLE. */
export async function verifyAudit(paths: readonly string[]): Promise<AuditVerdict> {
  const chain = new Chain();
  for (const path of paths) {
    let number = 0;
    try {
      for await (const { text, ended } of linesOf(path)) {
        number += 1;
        const why = chain.take(text, ended);
        if (why !== null) return chain.verdict({ file: path, line: number, why });
      }
    } catch (error) {
      throw new WabError('FILE_UNREADABLE', `${path}: ${(error as Error).message}`, { cause: error });
    }
    if (chain.pending !== null) return chain.verdict({ file: path, line: number, why: 'is no line of an audit log' });
  }
  return chain.verdict(null);
}

class Chain {
  start: string | null = null;
  head = auditStart;
  lines = 0;
  torn = 0;
  /** A line that cannot be read; the next one must vouch for it. */
  pending: string | null = null;

  /** What is wrong with the next line; null: nothing yet. */
  take(text: string, ended: boolean): string | null {
    if (!ended) return 'is cut short: the log was being written, or its end is missing';
    const [, content, hash] = auditLine.exec(text) ?? [];
    const record = content === undefined ? null : parse(text);
    if (hash === undefined || record === null) {
      if (this.pending !== null) return 'follows another line that is no line of an audit log';
      this.pending = text;
      return null;
    }
    if (sha256(`${content}}`) !== hash) return 'was changed: its hash is not that of its content';
    if (this.start === null) this.start = this.head = String(record['prev']);
    if (record['prev'] !== this.head) return 'does not follow the line before it: lines are missing, added or moved';
    if (this.pending !== null) {
      if (record['torn'] !== sha256(this.pending)) return 'follows a line that was changed';
      this.pending = null;
      this.torn += 1;
    }
    this.head = hash;
    this.lines += 1;
    return null;
  }

  verdict(fault: AuditVerdict['fault']): AuditVerdict {
    return { ok: fault === null, lines: this.lines, start: this.start ?? auditStart, head: this.head, torn: this.torn, fault };
  }
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value as Record<string, unknown> : null;
  } catch {
    return null;
  }
}

/** Lines by \n alone: JSON may hold the other line ends of Unicode. */
async function* linesOf(path: string): AsyncGenerator<{ text: string; ended: boolean }> {
  let rest = '';
  for await (const chunk of createReadStream(path, 'utf8') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const text of lines) yield { text, ended: true };
  }
  if (rest !== '') yield { text: rest, ended: false };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

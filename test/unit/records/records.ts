// Records as a service writes them, for tests of what reads them.
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Records } from '../../../lib/records/service.js';
import type { RecordQuery } from '../../../lib/records/types.js';

export const any: RecordQuery = { from: null, to: null, number: null, user: null, peer: null, reason: null, limit: 50, cursor: null };

/** The same number gives the same UUID. */
export function uuid(i: number): string {
  const hex = createHash('sha256').update(String(i)).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

export const start = Date.UTC(2026, 10, 1);

/** A line of a CDR without its end. */
export function line(i: number, more: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    id: uuid(i), time: new Date(start + i * 60_000).toISOString(), direction: 'user-initiated', number: '+447700900001', user: '+4477******01', userKey: null, peer: 'pbx', country: 'GB',
    termination: { by: 'user', reason: 'hangup', result: 'success', status: 200, text: 'the user hung up' }, setupMs: 2000, durationMs: 60_000, metaDuration: null, ...more,
  });
}

export interface Stage { readonly dir: string; readonly file: string; readonly told: string[]; open(rates?: string | null, index?: string): Promise<Records> }

/** A folder for a CDR, removed with the test; everything opened is closed. */
export async function stage(t: { after(work: () => Promise<void>): void }): Promise<Stage> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-records-'));
  const opened: Records[] = [];
  const told: string[] = [];
  t.after(async () => {
    for (const one of opened) await one.close().catch(() => undefined);
    await rm(dir, { recursive: true, force: true });
  });
  const file = join(dir, 'cdr.jsonl');
  return {
    dir, file, told,
    open: async (rates = null, index = join(dir, 'index')) => {
      const records = await Records.open({ file, index, rates }, ({ text }) => { told.push(text); });
      opened.push(records);
      return records;
    },
  };
}

/** Their ids, in the order of the answer, as the numbers that line() was given. */
export function numbersOf(records: readonly string[], known = 2000): number[] {
  const ids = new Map(Array.from({ length: known }, (_, i) => [uuid(i), i]));
  return records.map((record) => ids.get((JSON.parse(record) as { id: string }).id) ?? -1);
}

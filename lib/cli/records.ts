import { existsSync } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { recordsPlace } from '../app/records.js';
import { loadConfig } from '../config/load.js';
import { WabError } from '../errors.js';
import { analyticsDefaults } from '../http/api/records.js';
import { printable, printableJson } from '../observe/printable.js';
import { Records, type RecordsPlace } from '../records/service.js';
import { sourceFiles } from '../records/sources.js';
import { groupings, QueryError, type Analytics, type Figures, type Grouping } from '../records/types.js';
import { readIsoTime } from '../util/isoTime.js';

interface Span { readonly config: string; readonly from?: string; readonly to?: string; readonly json?: boolean }
interface RecordOptions extends Span { readonly number?: string; readonly user?: string; readonly peer?: string; readonly reason?: string; readonly limit: string; readonly cursor?: string }
interface AnalyticsOptions extends Span { readonly by: string }

/** A portion of work between two lines of progress, milliseconds. */
const portionMs = 500;

/** `wa-b2bua records` and `wa-b2bua analytics`: over the CDR file and what was rotated away from it, with or without a running service. */
export function registerRecordsCommands(program: Command): void {
  program.command('records').description('call records: searched, the latest first')
    .requiredOption('-c, --config <file>', 'configuration file')
    .option('--from <time>', 'calls that began then or later: 2026-11-01, or 2026-11-01T10:00:00Z').option('--to <time>', 'calls that began before')
    .option('--number <number>', 'business number').option('--user <user>', 'WhatsApp user in full: found in masked records too').option('--peer <name>', 'peer')
    .option('--reason <reason>', 'why it ended: busy, or by whom and why: "peer busy"').option('--limit <n>', 'records at most, to 200', '50').option('--cursor <cursor>', 'goes on where a page ended')
    .option('--json', 'machine-readable output')
    .action(async ({ config, from, to, number, user, peer, reason, limit, cursor, json }: RecordOptions) => {
      const most = Number(limit);
      if (!Number.isInteger(most) || most < 1 || most > 200) throw new WabError('CONFIG_INVALID', '--limit must be a whole number from 1 to 200');
      if (number !== undefined && !/^\+[1-9][0-9]{6,14}$/.test(number)) throw new WabError('CONFIG_INVALID', '--number is E.164 with +, as +447700900001');
      const page = await over(placeOf(config, false), (records) => records.search({
        from: timeOf('--from', from), to: timeOf('--to', to), number: number ?? null, user: user ?? null, peer: peer ?? null, reason: reason ?? null, limit: most, cursor: cursor ?? null,
      }, null));
      if (json === true) process.stdout.write(printableJson(`{"records":[${page.records.join(',')}],"next":${JSON.stringify(page.next)}}\n`));
      else process.stdout.write(printable(`${page.records.map(line).join('\n')}${page.records.length === 0 ? 'No record fits.' : ''}\n${page.next === null ? '' : `more: --cursor ${page.next}\n`}`));
    });
  program.command('analytics').description('calls added up: how many, answered, how long, what they may have cost')
    .requiredOption('-c, --config <file>', 'configuration file')
    .option('--from <time>', 'calls that began then or later; default: 30 days before --to').option('--to <time>', 'calls that began before; default: now')
    .option('--by <what>', groupings.join(', '), 'day').option('--json', 'machine-readable output')
    .action(async ({ config, from, to, by, json }: AnalyticsOptions) => {
      if (!isGrouping(by)) throw new WabError('CONFIG_INVALID', `--by must be one of ${groupings.join(', ')}`);
      const { upToDate: _, ...analytics } = await over(placeOf(config, true), (records) => records.analyse(analyticsDefaults({ from: timeOf('--from', from), to: timeOf('--to', to), by }, Date.now())));
      process.stdout.write(json === true ? printableJson(`${JSON.stringify(analytics)}\n`) : printable(table(analytics)));
    });
}

function isGrouping(word: string): word is Grouping {
  return groupings.some((one) => one === word);
}

function timeOf(option: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const ms = readIsoTime(text);
  if (ms === null) throw new WabError('CONFIG_INVALID', `${option} is no time: 2026-11-01, or 2026-11-01T10:00:00Z`);
  return ms;
}

/** `priced`: the rate card is wanted; a search does without, whatever is wrong with it. */
function placeOf(path: string, priced: boolean): RecordsPlace {
  const place = recordsPlace(loadConfig(path));
  if (place === null) throw new WabError('CONFIG_INVALID', 'cdr.file is null: no records are written');
  return priced ? place : { ...place, rates: null };
}

/** Everything in the files is taken in first. */
async function over<T>(place: RecordsPlace, ask: (records: Records) => Promise<T>): Promise<T> {
  if (!existsSync(place.index) && (await sourceFiles(place.file)).length === 0) {
    throw new WabError('FILE_UNREADABLE', `cdr.file: there is no ${resolve(place.file)}, nor one that was rotated away from it; a relative path is below the folder in which the command is started`);
  }
  const { records, close } = await opened(place);
  try {
    let taken = 0;
    for (const shown = process.stderr.isTTY; !await records.catchUp(portionMs, (octets) => { taken += octets; });) {
      if (shown) process.stderr.write(`\r${Math.round(taken / 1e6)} MB of records taken into the index`);
    }
    if (process.stderr.isTTY && taken > 50e6) process.stderr.write('\n');
    return await ask(records);
  } catch (error) {
    throw error instanceof QueryError ? new WabError('CONFIG_INVALID', error.message, { cause: error }) : error;
  } finally {
    await close();
  }
}

/** The index beside the file; while a service has it, or where it would be another user's, one beside that; where nothing can be written, one that is thrown away again. */
async function opened(place: RecordsPlace): Promise<{ readonly records: Records; readonly close: () => Promise<void> }> {
  const tell = ({ text }: { readonly text: string }): void => { process.stderr.write(`${printable(text)}\n`); };
  for (const index of await mayOwn(place) ? [place.index, `${place.index}-cli`] : [`${place.index}-cli`]) {
    try {
      const records = await Records.open({ ...place, index }, tell);
      return { records, close: () => records.close() };
    } catch (error) {
      if (!(error instanceof WabError) || (error.code !== 'FILE_IN_USE' && error.code !== 'FILE_UNWRITABLE')) throw error;
    }
  }
  const folder = await mkdtemp(join(tmpdir(), 'wa-b2bua-records-'));
  try {
    const records = await Records.open({ ...place, index: join(folder, 'index') }, tell);
    return { records, close: () => records.close().finally(() => rm(folder, { recursive: true, force: true })) };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Whether what is written there belongs to whom it should: files of root would keep the service from its index. */
async function mayOwn({ index, file }: RecordsPlace): Promise<boolean> {
  for (const path of [index, file, dirname(file)]) {
    const owner = await stat(path).then(({ uid }) => uid, () => null);
    if (owner !== null) return owner === (process.getuid?.() ?? owner);
  }
  return true;
}

interface Shown {
  readonly id: string; readonly time: string; readonly direction: string; readonly number: string | null; readonly user: string | null; readonly peer: string | null;
  readonly durationMs: number | null; readonly termination: { readonly by: string; readonly reason: string };
}

function line(record: string): string {
  const { id, time, direction, number, user, peer, durationMs, termination: { by, reason } } = JSON.parse(record) as Shown;
  const [from, to] = direction === 'user-initiated' ? [user, number] : [number, user];
  return [time, id, `${from ?? '?'} -> ${to ?? '?'}`.padEnd(34), (peer ?? '-').padEnd(12), durationMs === null ? 'not answered' : `${(durationMs / 1000).toFixed(1)} s`.padEnd(12), `${by} ${reason}`].join('  ');
}

function table({ from, to, by, total, groups, leftOut }: Analytics): string {
  const rows = [...groups.map(({ key, ...figures }) => cells(key ?? '-', figures)), cells('total', total)];
  const head = [by, 'calls', 'answered', 'of users', 'picked up', 'minutes', 'average', 'estimated price'];
  const widths = head.map((word, i) => Math.max(word.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const lines = [head, ...rows].map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ').trimEnd());
  const notes = [...(leftOut === 0 ? [] : [`${leftOut} more are in the total only.`]), ...unpriced(total)];
  return `${from} to ${to}\n${lines.join('\n')}\n${notes.map((note) => `${note}\n`).join('')}`;
}

function cells(key: string, { calls, answered, answerRate, userInitiated, businessInitiated: { estimatedPrice }, seconds }: Figures): string[] {
  const percent = (rate: number | null): string => (rate === null ? '-' : `${(100 * rate).toFixed(1)} %`);
  return [
    key.replace('T00:00:00.000Z', ''), String(calls), `${answered} (${percent(answerRate)})`, String(userInitiated.calls), percent(userInitiated.pickUpRate), (seconds.total / 60).toFixed(1),
    seconds.average === null ? '-' : `${seconds.average} s`, estimatedPrice === null ? '-' : `${estimatedPrice.amount.toFixed(4)} ${estimatedPrice.currency}`,
  ];
}

function unpriced({ businessInitiated: { estimatedPrice } }: Figures): string[] {
  if (estimatedPrice === null || estimatedPrice.minutesWithoutRate === 0) return [];
  return [`The rate card has no rate for ${estimatedPrice.minutesWithoutRate} of ${estimatedPrice.minutes} charged minutes: they are not in the price.`];
}

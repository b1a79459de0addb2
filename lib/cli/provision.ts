import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { loadConfig } from '../config/load.js';
import type { Config } from '../config/types.js';
import { WabError } from '../errors.js';
import { announcementSeconds } from '../graph/announcement.js';
import { graphClient } from '../graph/client.js';
import { applyNumber, provisionedNumbers, verifyNumber, type NumberReport } from '../graph/provision/provision.js';
import { printable, printableJson } from '../observe/printable.js';

interface Options { readonly config: string; readonly number?: string; readonly json?: boolean }

type Action = 'plan' | 'apply' | 'verify';

const about: Readonly<Record<Action, string>> = {
  plan: 'what differs between the configuration and the settings of each number at Meta; changes nothing',
  apply: 'make the settings at Meta so, in one request a number, and read them back; writes passwordFile',
  verify: 'are the settings at Meta as the configuration wants them; changes nothing',
};

/** `wa-b2bua provision plan|apply|verify|announcement`. Exit status 0 when nothing differs (any more), 2 when something does, 1 on a fault. */
export function registerProvisionCommand(program: Command): void {
  const provision = program.command('provision').description('the settings of your numbers at Meta (numbers.*.settings)');
  for (const action of ['plan', 'apply', 'verify'] as const) {
    provision.command(action).description(about[action])
      .requiredOption('-c, --config <file>', 'configuration file')
      .option('--number <number>', 'this number alone; default: all that have settings')
      .option('--json', 'machine-readable output')
      .action(async (options: Options) => {
        const reports = await run(action, options);
        process.stdout.write(options.json === true ? printableJson(`${JSON.stringify({ ok: reports.every(isRight), numbers: reports })}\n`) : printable(print(action, reports)));
        process.exitCode = reports.some(({ fault }) => fault !== null) ? 1 : reports.every(isRight) ? 0 : 2;
      });
  }
  registerAnnouncement(provision);
}

/** `provision announcement`: what Meta's voicemail says; its id goes into numbers.*.settings.voicemail. */
function registerAnnouncement(provision: Command): void {
  provision.command('announcement').description("upload what Meta's voicemail says (Ogg Opus, less than a minute); gives its id for numbers.*.settings.voicemail.announcement")
    .requiredOption('-c, --config <file>', 'configuration file')
    .requiredOption('--number <number>', 'number that it is for')
    .requiredOption('--file <file>', 'Ogg file with Opus')
    .option('--json', 'machine-readable output')
    .action(async ({ config: path, number, file, json }: { config: string; number: string; file: string; json?: boolean }) => {
      const config = loadConfig(path);
      const id = Object.hasOwn(config.numbers, number) ? config.numbers[number]?.id ?? null : null;
      if (id === null) throw new WabError('CONFIG_INVALID', `numbers."${number}" is not there, or has no id`);
      if (config.graph === null) throw new WabError('CONFIG_INVALID', 'graph is missing: its token is needed to ask Meta');
      const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => { throw new WabError('FILE_UNREADABLE', `${file}: ${error.code ?? error.message}`); });
      const seconds = announcementSeconds(bytes);
      const announcement = await graphClient(config.graph).uploadAnnouncement(id, bytes, `announcement of ${number}`);
      process.stdout.write(json === true ? `${JSON.stringify({ number, id, announcement, seconds })}\n`
        : `${number} (${id}): ${Math.round(seconds * 10) / 10} s uploaded. For numbers."${number}".settings, then provision apply:\n  voicemail: { announcement: "${announcement}" }\n`);
    });
}

async function run(action: Action, { config: path, number }: Options): Promise<NumberReport[]> {
  const config = loadConfig(path);
  const numbers = chosen(config, number);
  if (config.graph === null) throw new WabError('CONFIG_INVALID', 'graph is missing: its token is needed to ask Meta');
  const provisioning = { client: graphClient(config.graph), config, now: Date.now };
  const reports: NumberReport[] = [];
  // One after the other: the fault of one does not keep the rest from being done.
  for (const one of numbers) reports.push(await (action === 'apply' ? applyNumber : verifyNumber)(provisioning, one));
  return reports;
}

function chosen(config: Config, number: string | undefined): readonly string[] {
  const all = provisionedNumbers(config);
  if (number !== undefined && !all.includes(number)) throw new WabError('CONFIG_INVALID', `numbers."${number}" has no settings`);
  if (all.length === 0) throw new WabError('CONFIG_INVALID', 'no number has settings: add numbers.*.settings: {} and id');
  return number === undefined ? all : [number];
}

function isRight({ differences, fault }: NumberReport): boolean {
  return fault === null && differences.length === 0;
}

function print(action: Action, reports: readonly NumberReport[]): string {
  const lines = reports.flatMap((report) => [`${report.number} (${report.id})`, ...body(report), '']);
  const open = reports.reduce((sum, { differences }) => sum + differences.length, 0);
  const faults = reports.filter(({ fault }) => fault !== null).length;
  const end = faults > 0 ? `${faults} of ${reports.length} numbers could not be looked at.`
    : open === 0 ? 'Nothing differs.' : `${open} ${open === 1 ? 'setting differs' : 'settings differ'}${action === 'apply' ? ' still.' : '; wa-b2bua provision apply makes them so.'}`;
  return `${[...lines, end].join('\n')}\n`;
}

function body({ differences, changed, facts, fault }: NumberReport): string[] {
  if (fault !== null) return [`  FAULT  ${fault.text}`, ...todoOf(fault.todo)];
  return [
    ...changed.map((key) => `  done   ${key}`),
    ...differences.flatMap(({ key, is, wanted }) => [`  ${key}`, `    - ${is}`, `    + ${wanted}`]),
    ...facts.flatMap(({ level, text, todo }) => [`  ${level === 'ok' ? 'ok    ' : 'warn  '} ${text}`, ...todoOf(todo)]),
  ];
}

function todoOf(todo: string | null): string[] {
  return todo === null ? [] : [`         → ${todo}`];
}

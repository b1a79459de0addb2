import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { loadConfig } from '../config/load.js';
import { comparePrefixes, readPrefixes, type PrefixChange } from '../config/sourcesFile.js';
import { WabError } from '../errors.js';

interface Options { readonly config: string; readonly from: string; readonly apply?: boolean; readonly json?: boolean }

/** Of the prefixes of now so large a part must be in a new list: one that has lost more is half a download, or another network's. */
const leastKept = 0.5;

/** `wa-b2bua sources update`: Meta's prefixes from a file, or from what whois prints. Exit status 0 when the list is good, 1 when it is refused. */
export function registerSourcesCommand(program: Command): void {
  const sources = program.command('sources').description('the addresses that Meta calls from (meta.sources)');
  sources.command('update').description("compare a newer list of Meta's prefixes with the one in use; with --apply write it to meta.sourcesFile")
    .requiredOption('-c, --config <file>', 'configuration file')
    .requiredOption('--from <file>', "a prefix a line, or the output of whois -h whois.radb.net -- '-i origin AS32934'")
    .option('--apply', 'write it; default: show what would change')
    .option('--json', 'machine-readable output')
    .action(async (options: Options) => {
      const { change, prefixes, written } = await update(options);
      process.stdout.write(options.json === true ? `${JSON.stringify({ ...change, prefixes, written })}\n` : print(change, prefixes.length, written));
    });
}

async function update({ config: path, from, apply }: Options): Promise<{ change: PrefixChange; prefixes: readonly string[]; written: string | null }> {
  const { meta: { sources, sourcesFile } } = loadConfig(path);
  const { prefixes, faults } = readPrefixes(await readFile(from, 'utf8').catch((error: NodeJS.ErrnoException) => { throw new WabError('FILE_UNREADABLE', `${from}: ${error.code ?? error.message}`); }));
  if (faults.length > 0) throw new WabError('CONFIG_INVALID', `${from}: ${faults.slice(0, 5).join('; ')}`);
  const change = comparePrefixes(sources, prefixes);
  if (change.kept < sources.length * leastKept) {
    throw new WabError('CONFIG_INVALID', `${from} holds ${change.kept} of the ${sources.length} prefixes in use: a list that has lost so many is not Meta's; correct it, or set meta.sources by hand`);
  }
  if (apply !== true) return { change, prefixes, written: null };
  if (sourcesFile === null) throw new WabError('CONFIG_INVALID', 'meta.sourcesFile is not set: name the file that the list is to be in');
  await write(sourcesFile, `# Meta's prefixes, by wa-b2bua sources update on ${new Date().toISOString().slice(0, 10)}\n${prefixes.join('\n')}\n`);
  return { change, prefixes, written: sourcesFile };
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  } catch (error) {
    throw new WabError('FILE_UNWRITABLE', `${path}: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`, { cause: error });
  }
}

function print({ added, removed, kept }: PrefixChange, count: number, written: string | null): string {
  const end = written !== null ? `${written} has ${count} prefixes now; a running service takes them with SIGHUP` : added.length + removed.length === 0 ? 'Nothing differs.' : 'With --apply they are written to meta.sourcesFile.';
  return `${[...removed.map((prefix) => `- ${prefix}`), ...added.map((prefix) => `+ ${prefix}`), `${kept} stay, ${removed.length} go, ${added.length} come.`, end].join('\n')}\n`;
}

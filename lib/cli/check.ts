import type { Command } from 'commander';
import { judgeCa, judgeCertificate, judgeHttpTls } from '../config/certificate.js';
import { ConfigFaults } from '../config/faults.js';
import { judgePasswords, judgeRecords, judgeSocketFiles, judgeSounds } from '../config/files.js';
import type { Judgement } from '../config/judgement.js';
import { loadConfig, readAgain } from '../config/load.js';
import { plainListens } from '../config/plainListens.js';
import { openSockets } from '../config/sockets.js';
import type { Config } from '../config/types.js';
import type { Proof } from '../policy/index.js';
import { compilePolicy, prove } from '../policy/index.js';
import { openLegs } from '../media/openLegs.js';
import { countryWarnings } from '../policy/warnings.js';
import { judgeRates } from '../records/rateCard.js';
import { forgeablePeers } from '../sip/forgeable.js';
import { routingFaults } from '../routing/index.js';
import { judgeState } from '../state/shared/judgeState.js';
import { routeWarnings } from '../routing/warnings.js';

interface Place { readonly path: string; readonly line: number | null; readonly message: string }

interface Fault extends Place { readonly steps: readonly string[] }

interface Checked { readonly ok: boolean; readonly faults: readonly Fault[]; readonly warnings: readonly Place[]; readonly proof: Omit<Proof, 'faults'> | null }

/**
 * `wa-b2bua check -c FILE [--strict] [--json]`: every fault with its key path; proves that no path reaches the telephone network; and warnings: what
 * can be used and is probably not what was meant, or not there on this machine. Exit status 0 or 1; with --strict 1 for a warning too.
 */
export function registerCheckCommand(program: Command): void {
  program.command('check').description('validate a configuration and prove that no path in it reaches the telephone network')
    .requiredOption('-c, --config <file>', 'configuration file').option('--strict', 'exit status 1 for warnings too').option('--json', 'machine-readable output')
    .action(async ({ config: path, json, strict }: { config: string; json?: boolean; strict?: boolean }) => {
      const checked = await check(path);
      process.stdout.write(json === true ? `${JSON.stringify(checked)}\n` : print(path, checked));
      process.exitCode = checked.ok && (strict !== true || checked.warnings.length === 0) ? 0 : 1;
    });
}

async function check(path: string): Promise<Checked> {
  try {
    const config = loadConfig(path);
    const { faults: leaks, ...proof } = prove(compilePolicy(config));
    const { lineOf, warnings } = readAgain(path);
    const files = await judgeFiles(config);
    const faults = [
      ...routingFaults(config).map((fault) => ({ ...fault, steps: [] })), ...leaks,
      ...files.filter(({ kind }) => kind === 'bad').map((judged) => ({ ...sentence(judged), steps: [] })),
    ];
    const more = [
      ...faults.length === 0 ? routeWarnings(config) : [], ...countryWarnings(config), ...plainListens(config), ...openLegs(config), ...forgeablePeers(config), ...openSockets(config),
      ...files.filter(({ kind, level }) => level !== 'ok' && kind !== 'bad').map(sentence),
    ];
    return {
      ok: faults.length === 0, faults: faults.map((fault) => ({ ...fault, line: lineOf(fault.path) })),
      warnings: [...warnings, ...more.map(({ path: key, message }) => ({ path: key, message, line: lineOf(key) }))], proof,
    };
  } catch (error) {
    const faults = error instanceof ConfigFaults ? error.faults : [{ path: '', line: null, message: (error as Error).message }];
    return { ok: false, faults: faults.map((fault) => ({ ...fault, steps: [] })), warnings: [], proof: null };
  }
}

/** Certificate, key and the files that calls read and write, as they are on this machine. */
async function judgeFiles(config: Config): Promise<readonly Judgement[]> {
  const { server, listen, tls } = config.sip;
  const shown = server === 'embedded' && tls.cert !== null && tls.key !== null && listen.some((socket) => socket.startsWith('tls:'));
  const now = Date.now();
  const all = await Promise.all([
    shown ? judgeCertificate(config, now) : [], judgeCa(config, now), judgeHttpTls(config, now), judgeSounds(config), judgeSocketFiles(config), judgeRecords(config), judgeRates(config.cdr),
    judgeState(config),
  ]);
  return [...all.flat(), ...judgePasswords(config)];
}

function sentence({ key, text, todo }: Judgement): { path: string; message: string } {
  return { path: key, message: `${text}${todo === null ? '' : `: ${todo}`}` };
}

function print(path: string, { faults, warnings, proof }: Checked): string {
  const warned = warnings.map((warning) => `${place(path, warning, 'warning: ')}\n`).join('');
  if (faults.length > 0 || proof === null) return faults.map((fault) => `${printFault(path, fault)}\n`).join('') + warned;
  const stated = proof.statedExtensions === 0 ? '' : `; ${proof.statedExtensions} are on-net because you state so (extensions)`;
  return `${warned}${path}: good. No path leads anywhere but to an on-net user: ${proof.targets} route targets, ${proof.peers} peers within reach, `
    + `${proof.transfers} ways to send a call on, ${proof.probes} forbidden targets refused; ${proof.listedNumbers} on-net users are telephone numbers that you listed${stated}.\n`;
}

function printFault(file: string, { steps, ...fault }: Fault): string {
  return steps.length === 0 ? place(file, fault, '') : `${place(file, fault, '')}\n    path: ${steps.join(' -> ')}`;
}

function place(file: string, { path, line, message }: Place, kind: string): string {
  return [line === null ? file : `${file}:${line}`, path, `${kind}${message}`].filter((part) => part !== '').join(': ');
}

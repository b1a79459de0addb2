import type { Command } from 'commander';
import { ConfigFaults } from '../config/faults.js';
import { keyLines, loadConfig } from '../config/load.js';
import type { Proof } from '../policy/index.js';
import { compilePolicy, prove } from '../policy/index.js';
import { routingFaults } from '../routing/index.js';

interface Fault { readonly path: string; readonly line: number | null; readonly message: string; readonly steps: readonly string[] }

interface Checked { readonly ok: boolean; readonly faults: readonly Fault[]; readonly proof: Omit<Proof, 'faults'> | null }

/** `wa-b2bua check -c FILE [--json]`: every fault with its key path; proves that no path reaches the telephone network. Exit status 0 or 1. */
export function registerCheckCommand(program: Command): void {
  program.command('check').description('validate a configuration and prove that no path in it reaches the telephone network')
    .requiredOption('-c, --config <file>', 'configuration file').option('--json', 'machine-readable output')
    .action(({ config: path, json }: { config: string; json?: boolean }) => {
      const checked = check(path);
      process.stdout.write(json === true ? `${JSON.stringify(checked)}\n` : print(path, checked));
      process.exitCode = checked.ok ? 0 : 1;
    });
}

function check(path: string): Checked {
  try {
    const config = loadConfig(path);
    const { faults: leaks, ...proof } = prove(compilePolicy(config));
    const faults = [...routingFaults(config).map((fault) => ({ ...fault, steps: [] })), ...leaks];
    const lineOf = keyLines(path);
    return { ok: faults.length === 0, faults: faults.map((fault) => ({ ...fault, line: lineOf(fault.path) })), proof };
  } catch (error) {
    const faults = error instanceof ConfigFaults ? error.faults : [{ path: '', line: null, message: (error as Error).message }];
    return { ok: false, faults: faults.map((fault) => ({ ...fault, steps: [] })), proof: null };
  }
}

function print(path: string, { faults, proof }: Checked): string {
  if (faults.length > 0) return faults.map((fault) => `${printFault(path, fault)}\n`).join('');
  return `${path}: good. No path leads anywhere but to an on-net user: ${proof!.targets} route targets, ${proof!.peers} peers within reach, `
    + `${proof!.transfers} ways to send a call on, ${proof!.probes} forbidden targets refused; ${proof!.listedNumbers} on-net users are telephone numbers that you listed.\n`;
}

function printFault(file: string, { path, line, message, steps }: Fault): string {
  const place = [line === null ? file : `${file}:${line}`, path, message].filter((part) => part !== '').join(': ');
  return steps.length === 0 ? place : `${place}\n    path: ${steps.join(' -> ')}`;
}

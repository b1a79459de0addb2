import type { Command } from 'commander';
import { ConfigFaults } from '../config/faults.js';
import { loadConfig } from '../config/load.js';
import { compilePolicy, judgeTarget } from '../policy/index.js';
import { compileRouting } from '../routing/index.js';

interface Fault { readonly path: string; readonly message: string }

/** `wa-b2bua check -c FILE [--json]`: every fault with its key path; every route target judged by policy. Exit status 0 or 1. */
export function registerCheckCommand(program: Command): void {
  program.command('check').description('validate a configuration; no route may reach the PSTN')
    .requiredOption('-c, --config <file>', 'configuration file').option('--json', 'machine-readable output')
    .action(({ config: path, json }: { config: string; json?: boolean }) => {
      const faults = faultsOf(path);
      if (json === true) process.stdout.write(`${JSON.stringify({ ok: faults.length === 0, faults })}\n`);
      else if (faults.length === 0) process.stdout.write(`${path}: good; every route target is an on-net user\n`);
      else for (const fault of faults) process.stdout.write(`${fault.path}: ${fault.message}\n`);
      process.exitCode = faults.length === 0 ? 0 : 1;
    });
}

function faultsOf(path: string): Fault[] {
  try {
    const config = loadConfig(path);
    const policy = compilePolicy(config);
    return [...compileRouting(config).byNumber].flatMap(([number, routes]) => routes.flatMap(({ route, targets }) => targets.flatMap((target, i) => {
      const verdict = judgeTarget(policy, { origin: 'route', number, route: route.name, peer: target.peer, by: null, uri: target.uri });
      return verdict.allow ? [] : [{ path: `routes ${route.name} to[${i}]`, message: `${verdict.code}: ${verdict.text}` }];
    })));
  } catch (error) {
    if (error instanceof ConfigFaults) return error.faults.map(({ path: at, message }) => ({ path: at, message }));
    return [{ path, message: (error as Error).message }];
  }
}

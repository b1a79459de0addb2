import type { Command } from 'commander';
import { loadConfig } from '../config/load.js';
import { examine } from '../doctor/index.js';
import { printable, printableJson } from '../observe/printable.js';

const words = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' };

/** `wa-b2bua doctor -c FILE`: looks at the live surroundings; exit status 1 when something would keep calls from working. */
export function registerDoctorCommand(program: Command): void {
  program.command('doctor').description('check certificate, DNS, ports, engines, peers, files and numbers at Meta as they are now')
    .requiredOption('-c, --config <file>', 'configuration file').option('--json', 'machine-readable output')
    .action(async ({ config: path, json }: { config: string; json?: boolean }) => {
      const findings = await examine(loadConfig(path));
      if (json === true) process.stdout.write(printableJson(`${JSON.stringify(findings, null, 2)}\n`));
      else {
        for (const { check, level, text, todo } of findings) {
          process.stdout.write(printable(`${words[level]} ${check.padEnd(12)} ${text}\n${todo === null ? '' : `${' '.repeat(18)}→ ${todo}\n`}`));
        }
      }
      process.exitCode = findings.some(({ level }) => level === 'fail') ? 1 : 0;
    });
}

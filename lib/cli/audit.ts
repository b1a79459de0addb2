import type { Command } from 'commander';
import { auditStart } from '../observe/audit.js';
import type { AuditVerdict } from '../observe/auditVerify.js';
import { verifyAudit } from '../observe/auditVerify.js';

/** `wa-b2bua audit verify FILE…`: follows the chain of hashes. Exit status 0 when no line is missing or changed, else 1. */
export function registerAuditCommand(program: Command): void {
  program.command('audit').description('the log of policy verdicts')
    .command('verify').description('check that no line is missing or changed')
    .argument('<files...>', 'the log, or the files it was moved away to, oldest first').option('--head <hash>', 'hash that the last line must have: shows a cut end').option('--json', 'machine-readable output')
    .action(async (files: string[], { head, json }: { head?: string; json?: boolean }) => {
      const verdict = await verifyAudit(files);
      const cut = verdict.ok && head !== undefined && head !== verdict.head;
      process.stdout.write(json === true ? `${JSON.stringify(cut ? { ...verdict, ok: false, wanted: head } : verdict)}\n` : print(files, verdict, cut));
      process.exitCode = verdict.ok && !cut ? 0 : 1;
    });
}

function print(files: readonly string[], { fault, lines, head, start, torn }: AuditVerdict, cut: boolean): string {
  if (fault !== null) return `${fault.file}:${fault.line}: this line ${fault.why}. ${lines} good lines before it, the last with hash ${head}\n`;
  const from = start === auditStart ? '' : `, going on from ${start}`;
  const crashes = torn === 0 ? '' : `, ${torn} cut short by a crash`;
  return `${files.join(' ')}: ${cut ? 'the end is missing, or the hash given is of another log' : 'good'}. ${lines} lines${crashes}${from}, the last with hash ${head}\n`;
}

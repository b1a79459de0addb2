#!/usr/bin/env node
import { WabError } from '../errors.js';
import { printable } from '../observe/printable.js';
import { createProgram } from './program.js';

const program = await createProgram({ standIns: [undefined, 'simulate', 'help', '-h', '--help'].includes(process.argv[2]) });

program.parseAsync().catch((error: unknown) => {
  const code = error instanceof WabError ? `${error.code}: ` : '';
  process.stderr.write(printable(`wa-b2bua: ${code}${error instanceof Error ? error.message : String(error)}\n`));
  process.exitCode = 1;
});

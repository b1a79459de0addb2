#!/usr/bin/env node
import { Command } from 'commander';
import { readVersion } from '../config/version.js';
import { WabError } from '../errors.js';
import { registerAuditCommand } from './audit.js';
import { registerCheckCommand } from './check.js';
import { registerDoctorCommand } from './doctor.js';
import { registerRouteCommand } from './route.js';
import { registerRunCommand } from './run.js';
import { registerSimulateCommands } from './simulate.js';
import { registerSipserverCommand } from './sipserver.js';

const program = new Command('wa-b2bua')
  .description('SIP back-to-back user agent between Meta\'s WhatsApp calling and the SIP systems of a business')
  .version(readVersion())
  .showHelpAfterError();
registerRunCommand(program);
registerCheckCommand(program);
registerRouteCommand(program);
registerAuditCommand(program);
registerDoctorCommand(program);
registerSimulateCommands(program);
registerSipserverCommand(program);

program.parseAsync().catch((error: unknown) => {
  const code = error instanceof WabError ? `${error.code}: ` : '';
  process.stderr.write(`wa-b2bua: ${code}${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});

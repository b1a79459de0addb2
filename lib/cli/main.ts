#!/usr/bin/env node
import { Command } from 'commander';
import { readVersion } from '../config/version.js';
import { WabError } from '../errors.js';
import { registerAuditCommand } from './audit.js';
import { registerCheckCommand } from './check.js';
import { registerDoctorCommand } from './doctor.js';
import { registerRouteCommand } from './route.js';
import { registerRunCommand } from './run.js';
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
// The stand-ins and what they stand on (werift) are loaded for their own command and for the help only, never by the service.
if ([undefined, 'simulate', 'help', '-h', '--help'].includes(process.argv[2])) (await import('./simulate.js')).registerSimulateCommands(program);
registerSipserverCommand(program);

program.parseAsync().catch((error: unknown) => {
  const code = error instanceof WabError ? `${error.code}: ` : '';
  process.stderr.write(`wa-b2bua: ${code}${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});

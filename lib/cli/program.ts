import { Command } from 'commander';
import { readVersion } from '../config/version.js';
import { registerAuditCommand } from './audit.js';
import { registerCheckCommand } from './check.js';
import { registerDoctorCommand } from './doctor.js';
import { registerDrainCommand } from './drain.js';
import { registerPermissionCommand } from './permission.js';
import { registerProvisionCommand } from './provision.js';
import { registerQuickstartCommand } from './quickstart.js';
import { registerRecordsCommands } from './records.js';
import { registerRouteCommand } from './route.js';
import { registerRunCommand } from './run.js';
import { registerSourcesCommand } from './sources.js';
import { registerSipserverCommand } from './sipserver.js';
import { loadStandIns, needsWerift } from './standIns.js';

/**
 * All commands (docs/reference/cli.md). The stand-ins and what they stand on (werift) are loaded where they are wanted only: for their own
 * command and for the help, never by the service.
 */
export async function createProgram({ standIns }: { readonly standIns: boolean }): Promise<Command> {
  const program = new Command('wa-b2bua')
    .description('SIP back-to-back user agent between Meta\'s WhatsApp calling and the SIP systems of a business')
    .version(readVersion())
    .showHelpAfterError();
  registerQuickstartCommand(program);
  registerRunCommand(program);
  registerDrainCommand(program);
  registerCheckCommand(program);
  registerRouteCommand(program);
  registerProvisionCommand(program);
  registerPermissionCommand(program);
  registerSourcesCommand(program);
  registerAuditCommand(program);
  registerRecordsCommands(program);
  registerDoctorCommand(program);
  if (standIns) await registerStandIns(program);
  registerSipserverCommand(program);
  return program;
}

async function registerStandIns(program: Command): Promise<void> {
  const simulate = await loadStandIns(() => import('./simulate.js'));
  if (simulate !== null) simulate.registerSimulateCommands(program);
  else program.command('simulate').description(needsWerift).allowUnknownOption().allowExcessArguments().action(() => { throw new Error(`simulate ${needsWerift}`); });
}

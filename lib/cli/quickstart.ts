import type { Command } from 'commander';
import { readVersion } from '../config/version.js';
import { withTimeout } from '../util/withTimeout.js';
import { demonstrate, linger } from './quickstart/demonstration.js';
import { demonstrateAll } from './quickstart/full.js';
import { openPlace } from './quickstart/place.js';
import { say } from './quickstart/show.js';

/** Exit status of a command that Ctrl-C has ended, as a shell has it. */
const INTERRUPTED = 130;

/** A demonstration that takes longer than this many seconds is ended: on a machine that is far too busy, or where something hangs. */
const MOST_SECONDS = 180;

/**
 * `wa-b2bua quickstart [--full] [--stay] [--dir DIR]`: a demonstration on loopback. Exit status 0 when audio went both ways in all four calls, with --full when
 * each step worked, else 1; 130 when it was interrupted before. Nothing that it started runs on, and a temporary folder is gone.
 */
export function registerQuickstartCommand(program: Command): void {
  program.command('quickstart').description('place four calls on loopback: starts the service and stand-ins of Meta and of a PBX, shows each call, stops everything')
    .option('--full', 'instead: a number is set up at Meta, a user asked for permission, called and calling, with webhooks: seven steps')
    .option('--stay', 'leave everything running after the calls, with the API, and say what to try').option('--dir <dir>', 'put the files into this folder and leave them there; default: a temporary one')
    .action(async ({ full, stay, dir }: { full?: boolean; stay?: boolean; dir?: string }) => {
      const interruption = interrupted();
      const place = openPlace(dir);
      const ending: (() => Promise<void>)[] = [];
      let status = 1;
      try {
        say(`wa-b2bua ${readVersion()} on Node.js ${process.version}: ${full === true ? 'a number from nothing to calls' : 'four calls'} on loopback; nothing leaves this machine. Its configuration:\n`);
        const shown = withTimeout((full === true ? demonstrateAll : demonstrate)(place, ending, stay === true), 1000 * MOST_SECONDS, () => { throw new Error(`the demonstration has taken longer than ${MOST_SECONDS} s`); });
        const stage = await Promise.race([shown, interruption]);
        if (stage === INTERRUPTED) status = INTERRUPTED;
        else if (stage !== null) {
          if (stay === true) await Promise.race([linger(stage), interruption]);
          status = 0;
        }
      } catch (error) {
        process.stderr.write(`wa-b2bua: ${error instanceof Error ? error.message : String(error)}\n`);
        status = 1;
      }
      // One that cannot be ended is no reason to leave the others.
      await Promise.allSettled(ending.map((end) => end()));
      place.remove();
      // Calls that were interrupted would go on to their end.
      process.exit(status);
    });
}

/** Resolves at the first signal that asks for the end, and when nobody reads any more. Later signals change nothing: everything is being ended. */
function interrupted(): Promise<typeof INTERRUPTED> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => resolve(INTERRUPTED));
    process.stdout.on('error', () => resolve(INTERRUPTED));
  });
}

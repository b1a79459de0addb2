import type { Command } from 'commander';
import { loadConfig, readAgain } from '../config/load.js';
import { readVersion } from '../config/version.js';
import { startService } from '../app/compose.js';
import { routeConsole } from '../observe/console.js';
import { createLogger } from '../observe/logger.js';
import { maskLine } from '../observe/redact.js';
import { letHeapGrow } from './heap.js';
import { PasswordWatch } from './passwordWatch.js';
import { ProcessFaults } from './processFaults.js';

/** `wa-b2bua run -c FILE`: the service, until SIGTERM (drains; a second one ends the calls) or SIGINT. SIGHUP reloads. */
export function registerRunCommand(program: Command): void {
  program.command('run').description('run the service')
    .requiredOption('-c, --config <file>', 'configuration file')
    .action(async ({ config: path }: { config: string }) => {
      letHeapGrow();
      const config = loadConfig(path);
      let numbers: ReadonlySet<string> = new Set(Object.keys(config.numbers));
      const log = createLogger(config.log.level, undefined, config.log.fullNumbers ? undefined : (line) => maskLine(line, numbers));
      routeConsole(log);
      // SIGTERM is how the service is asked to drain, by whomever.
      const faults = new ProcessFaults(log, () => { process.exitCode = 1; process.kill(process.pid, 'SIGTERM'); });
      for (const { path: key, line, message } of readAgain(path).warnings) log.warn({ key, line }, `${path}: ${key} ${message}`);
      const service = await startService(config, log, { faults: () => faults.count, stop: () => process.kill(process.pid, 'SIGTERM') });
      faults.listen();
      process.stdout.write(`${JSON.stringify({ ready: true, version: readVersion(), listening: service.listening, sip: config.sip.server, media: config.media.engine, http: service.http, webhooks: service.webhooks, api: service.api })}\n`);

      const reload = (): void => {
        void Promise.resolve().then(async () => {
          const next = loadConfig(path);
          await service.reload(next);
          numbers = new Set(Object.keys(next.numbers));
          passwords.follow(next);
        }).catch((error: Error) => {
          log.error({ err: error.message }, 'the new configuration is not valid; the old one stays in force');
        });
      };
      const passwords = new PasswordWatch(reload);
      passwords.follow(config);
      process.on('SIGHUP', reload);
      await new Promise<void>((resolve) => {
        let draining = false;
        // A second SIGTERM is an operator who does not want to wait for the last call.
        process.on('SIGTERM', () => {
          if (draining) return resolve();
          draining = true;
          void service.drain().then(resolve);
        });
        process.on('SIGINT', () => resolve());
      });
      await service.close();
    });
}

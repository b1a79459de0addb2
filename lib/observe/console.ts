import { inspect } from 'node:util';
import type { Logger } from './logger.js';
import { redactSip } from './redact.js';

/** Characters of a line; a message may have 64 kB. */
const longest = 1000;

const levels = { log: 'info', info: 'info', debug: 'debug', trace: 'debug', warn: 'warn', error: 'error' } as const;

/**
 * Sends what libraries say on the console to the log: as one field, secrets hidden, cut (house rule 8). Some say whole SIP messages there,
 * which then stand in the log as lines of their own, forged ones too. Gives the means to take that back.
 */
export function routeConsole(log: Logger, target: Console = console): () => void {
  const methods = Object.keys(levels) as (keyof typeof levels)[];
  const before = methods.map((name) => [name, target[name]] as const);
  for (const name of methods) {
    target[name] = (...args: unknown[]): void => {
      const text = args.map((arg) => (typeof arg === 'string' ? arg.slice(0, 10 * longest) : inspect(arg, { depth: 2, maxStringLength: longest }))).join(' ');
      log[levels[name]]({ part: 'library', text: redactSip(text).slice(0, longest) }, 'a library wrote to the console');
    };
  }
  return () => { for (const [name, method] of before) target[name] = method; };
}

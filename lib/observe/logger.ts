import type { DestinationStream, Logger } from 'pino';
import { pino } from 'pino';
import type { LogLevel } from '../config/types.js';

export type { Logger } from 'pino';

/** Keys that are never written, at any depth that our log lines have. */
const secretKeys = ['password', 'secret', 'authorization', 'response', 'crypto', 'icePwd', 'ice-pwd', 'key'];

/** The program's logger: JSON lines on standard output unless told otherwise; secrets are replaced (house rule 8). */
export function createLogger(level: LogLevel, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { name: 'wa-b2bua' },
    redact: { paths: secretKeys.flatMap((key) => [`["${key}"]`, `*["${key}"]`, `*.*["${key}"]`]), censor: '…' },
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

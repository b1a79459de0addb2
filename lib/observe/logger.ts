import type { DestinationStream, Logger } from 'pino';
import { pino } from 'pino';
import type { LogLevel } from '../config/types.js';
import { printableJson } from './printable.js';

export type { Logger } from 'pino';

/** What is never written, by where it can stand in our log lines: keys that name nothing but a secret, at any depth that our lines have. */
const secretKeys = ['password', 'secret', 'token', 'icePwd', 'ice-pwd'];
/** And the places of secrets under names that mean other things elsewhere: header fields of a SIP message, the pair of sip.tls, keys of SRTP. */
const secretPaths = ['headers.authorization', '*.headers.authorization', 'headers["proxy-authorization"]', '*.headers["proxy-authorization"]', 'digest.response', '*.digest.response', 'crypto.key', '*.crypto.key', 'srtp.key', '*.srtp.key'];

/**
 * The program's logger: JSON lines on standard output unless told otherwise; secrets are replaced (house rule 8), and what others wrote does
 * nothing to a terminal. `show` makes of each line what is written, to hide users' numbers.
 */
export function createLogger(level: LogLevel, destination?: DestinationStream, show: (line: string) => string = (line) => line): Logger {
  const options = {
    level,
    base: { name: 'wa-b2bua' },
    redact: { paths: [...secretKeys.flatMap((key) => [`["${key}"]`, `*["${key}"]`, `*.*["${key}"]`]), ...secretPaths], censor: '…' },
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  const out = destination ?? together();
  return pino(options, { write: (line: string) => { out.write(printableJson(show(line))); } });
}

/** Lines of so many milliseconds go to standard output in one write: each costs a turn of another thread. */
const TOGETHER_MS = 20;

/** Standard output; what is not written when the process ends is written then. */
function together(): DestinationStream {
  const out = pino.destination({ dest: 1, minLength: 8192, sync: false });
  let flushing = false;
  return {
    write: (text) => {
      out.write(text);
      if (flushing) return;
      flushing = true;
      setTimeout(() => {
        flushing = false;
        out.flush();
      }, TOGETHER_MS);
    },
  };
}

import { WabError } from '../errors.js';

/** One thing wrong in a configuration file. */
export interface ConfigFault {
  /** Key path as in the file, e.g. `peers.pbx.users[1]`; '' for the file as a whole. */
  readonly path: string;
  /** Line in the file, counted from 1; null where no line can be named (a missing key of the top level). */
  readonly line: number | null;
  /** One sentence; never holds a secret or an expanded ${…} value. */
  readonly message: string;
}

/** One line for people: `FILE:LINE: PATH: MESSAGE`. */
export function formatFault(file: string, fault: ConfigFault): string {
  const place = fault.line === null ? file : `${file}:${fault.line}`;
  return fault.path === '' ? `${place}: ${fault.message}` : `${place}: ${fault.path}: ${fault.message}`;
}

/** Everything that is wrong with a configuration, in the order of the file. */
export class ConfigFaults extends WabError {
  readonly file: string;
  readonly faults: readonly ConfigFault[];

  constructor(file: string, faults: readonly ConfigFault[]) {
    super('CONFIG_INVALID', `\n${faults.map((fault) => formatFault(file, fault)).join('\n')}`);
    this.name = 'ConfigFaults';
    this.file = file;
    this.faults = faults;
  }
}

import type { Config } from '../config/types.js';
import type { Logger } from '../observe/logger.js';
import type { Guard } from '../util/guard.js';
import type { Undo } from './undo.js';

/** What every step of the start is given. */
export interface Start {
  /** As the service was started with; what a reload changes is in `State.rules`. */
  readonly config: Config;
  readonly version: string;
  readonly log: Logger;
  /** Takes what a message, an event or a timer makes somebody throw. */
  readonly faults: Guard;
  readonly undo: Undo;
}

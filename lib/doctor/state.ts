import type { Config } from '../config/types.js';
import { judgeState } from '../state/shared/judgeState.js';
import type { Findings } from './finding.js';

/** The Redis that nodes share, where there is one. */
export async function examineState(config: Config): Promise<Findings> {
  return (await judgeState(config)).map(({ level, text, todo }) => ({ check: 'state', level, text, todo }));
}

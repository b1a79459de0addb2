import { judgeRecords, judgeSounds } from '../config/files.js';
import type { Judgement } from '../config/judgement.js';
import type { Config } from '../config/types.js';
import type { Finding, Findings } from './finding.js';

/** Files that calls read, and places that records are written to. */
export async function examineFiles(config: Config): Promise<Findings> {
  const finding = ({ level, text, todo }: Judgement): Finding => ({ check: 'file', level, text, todo });
  const records = await judgeRecords(config);
  return [...(await judgeSounds(config)).map(finding), ...records.map((record) => finding({ ...record, text: `${record.key}: ${record.text}` }))];
}

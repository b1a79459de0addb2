import { judgeCa, judgeHttpTls } from '../config/certificate.js';
import { judgePasswords, judgeRecords, judgeSounds } from '../config/files.js';
import type { Judgement } from '../config/judgement.js';
import type { Config } from '../config/types.js';
import { judgeRates } from '../records/rateCard.js';
import type { Finding, Findings } from './finding.js';

/** Files that calls read, and places that records are written to, as they are at `now` (milliseconds). */
export async function examineFiles(config: Config, now: number): Promise<Findings> {
  const finding = ({ level, text, todo }: Judgement): Finding => ({ check: 'file', level, text, todo });
  const records = [...await judgeRecords(config), ...await judgeRates(config.cdr), ...await judgeCa(config, now), ...await judgeHttpTls(config, now), ...judgePasswords(config)];
  return [...(await judgeSounds(config)).map(finding), ...records.map((record) => finding({ ...record, text: `${record.key}: ${record.text}` }))];
}

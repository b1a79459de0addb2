import { judgeCertificate } from '../config/certificate.js';
import type { Config } from '../config/types.js';
import type { Findings } from './finding.js';
import { ok } from './finding.js';

const check = 'certificate';

/** The certificate that Meta sees, as it is on the disk at `now` (milliseconds). */
export async function examineCertificate(config: Config, now: number): Promise<Findings> {
  if (config.sip.server === 'drachtio') return [ok(check, 'drachtio-server keeps it: see its configuration')];
  return (await judgeCertificate(config, now)).map(({ level, text, todo }) => ({ check, level, text, todo }));
}

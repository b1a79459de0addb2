import type { Config } from '../config/types.js';
import { examineCertificate } from './certificate.js';
import { examineEngines } from './engines.js';
import { examineFiles } from './files.js';
import type { Findings } from './finding.js';
import { examineNumbers, examineSources } from './graph.js';
import { examineListeners, examineMeta, examineNames } from './network.js';
import { examinePeers } from './peers.js';
import { examineState } from './state.js';

export type { Finding, Findings } from './finding.js';

/** Looks at everything a call needs around the service, as it is now. Changes nothing; takes a few seconds. Never rejects for what it finds. */
export async function examine(config: Config): Promise<Findings> {
  const all = [
    examineCertificate(config, Date.now()), examineNames(config), examineMeta(config), examineListeners(config), examineEngines(config), examinePeers(config), examineFiles(config, Date.now()),
    examineState(config),
    examineNumbers(config), examineSources(config, Date.now()),
  ];
  return (await Promise.all(all)).flat();
}

// Throw-away certificates for tests, in a directory of their own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issueLeaf, makeCa, type LeafFiles } from '../../../lib/cli/quickstart/certificates.js';

export interface TestCertificates {
  dir: string;
  ca: string;
  /** Makes a certificate for these DNS names; gives its files. */
  issue(file: string, ...names: string[]): LeafFiles;
  remove(): void;
}

export function makeCertificates(): TestCertificates {
  const dir = mkdtempSync(join(tmpdir(), 'wab-cert-'));
  return {
    dir, ca: makeCa(dir),
    issue: (file, ...names) => issueLeaf(dir, file, names),
    remove() { rmSync(dir, { recursive: true, force: true }); },
  };
}

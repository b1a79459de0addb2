import { readFileSync, statSync } from 'node:fs';
import type { Server as TlsServer } from 'node:https';
import { WabError } from '../errors.js';

/** PEM files of a certificate. */
export interface TlsFiles { readonly cert: string; readonly key: string }

/** They are looked at again so often, ms. */
const every = 60_000;

/** @throws WabError CERTIFICATE_UNUSABLE; `key`: of the configuration, that names them */
export function readPair(key: string, files: TlsFiles): { cert: Buffer; key: Buffer } {
  try {
    return { cert: readFileSync(files.cert), key: readFileSync(files.key) };
  } catch (error) {
    throw new WabError('CERTIFICATE_UNUSABLE', `${key}: ${(error as Error).message}`, { cause: error });
  }
}

/** Takes a new certificate when the files have changed; a pair that does not fit leaves the old one. The result stops that. */
export function renewed(server: TlsServer, files: TlsFiles): () => void {
  const changed = (): string => [files.cert, files.key].map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0).join(' ');
  let last = changed();
  const timer = setInterval(() => {
    try {
      const now = changed();
      if (now === last) return;
      server.setSecureContext(readPair('', files));
      last = now;
    } catch { /* half of a pair is there yet, or nobody may look at it yet: tried again in a minute */ }
  }, every).unref();
  return () => clearInterval(timer);
}

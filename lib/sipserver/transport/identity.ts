// Our certificate and key, read again when the files change.
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { Guard } from '../../util/guard.js';

export interface IdentityFiles { cert: string; key: string }
export interface Pem { cert: Buffer; key: Buffer }

/**
 * Watches a certificate and its key by looking at both files every `interval` ms. Looking, not listening: it sees a rename, a swapped symbolic
 * link and a network file system alike. A pair that does not load (half written, key of another certificate) leaves the old one in use.
 */
export class TlsIdentity {
  private timer: NodeJS.Timeout | undefined;
  private stamp = '';
  private busy = false;

  private constructor(
    private readonly files: IdentityFiles, public pem: Pem,
    private readonly changed: (pem: Pem) => void, private readonly refused: (error: Error) => void,
  ) {}

  /** Reads the files once; rejects when they are missing or do not belong together. */
  static async load(files: IdentityFiles, interval: number, guard: Guard, changed: (pem: Pem) => void, refused: (error: Error) => void): Promise<TlsIdentity> {
    const stamp = await stampOf(files);
    const identity = new TlsIdentity(files, await readPair(files), changed, refused);
    identity.stamp = stamp;
    identity.timer = setInterval(() => { guard.spawn('certificate', identity.look()); }, interval);
    identity.timer.unref();
    return identity;
  }

  close(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private async look(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      const stamp = await stampOf(this.files);
      if (stamp === this.stamp) return;
      // Remembered before reading: a bad pair is reported once, and tried again when the files change again.
      this.stamp = stamp;
      const pem = await readPair(this.files);
      if (this.timer === undefined || (pem.cert.equals(this.pem.cert) && pem.key.equals(this.pem.key))) return;
      this.pem = pem;
      this.changed(pem);
    } catch (error) {
      if (this.timer !== undefined) this.refused(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.busy = false;
    }
  }
}

async function readPair(files: IdentityFiles): Promise<Pem> {
  const [cert, key] = await Promise.all([readFile(files.cert), readFile(files.key)]);
  createSecureContext({ cert, key });
  return { cert, key };
}

/** Changes whenever either file is replaced or rewritten; a missing file counts as a state of its own. */
async function stampOf(files: IdentityFiles): Promise<string> {
  const one = async (path: string): Promise<string> => {
    try {
      const s = await stat(path, { bigint: true });
      return `${s.dev}:${s.ino}:${s.size}:${s.mtimeNs}`;
    } catch {
      return 'missing';
    }
  };
  return `${await one(files.cert)} ${await one(files.key)}`;
}

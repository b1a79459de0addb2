import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A sample of Meta's, rewritten with reserved numbers: where it is from, how sure it is (H, M, L), and what is sent and answered. */
export interface Fixture {
  readonly origin: string;
  readonly confidence: 'H' | 'M' | 'L';
  readonly status?: number;
  readonly request?: Record<string, unknown>;
  readonly response?: Record<string, unknown>;
  readonly body?: Record<string, unknown>;
}

const folder = join(import.meta.dirname, '..', '..', 'fixtures', 'graph');

export const fixtureNames = readdirSync(folder).map((file) => file.replace(/\.json$/, ''));

export function fixture(name: string): Fixture {
  return JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Fixture;
}

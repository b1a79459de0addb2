import { readFileSync } from 'node:fs';

/** The version in the package's own package.json, two folders above this one in the sources and three in the build; 'unknown' where it is missing. */
export function readVersion(): string {
  for (const place of ['../../package.json', '../../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')) as { name?: string; version?: string };
      if (name === 'whatsapp-sip-b2bua' && version !== undefined) return version;
    } catch { /* not there */ }
  }
  return 'unknown';
}

import { readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { WabError } from '../errors.js';
import type { ConfigFile, Config } from './types.js';

/** The password in a file: its first line. Null when there is no such file, or nothing in it. @throws the system's error when it cannot be read */
export function readPasswordFile(path: string): string | null {
  try {
    const [line = ''] = readFileSync(path, 'utf8').split(/\r?\n/);
    return line === '' ? null : line;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Numbers with the passwords of their files; '' where there is none yet. */
export function fillNumbers(numbers: ConfigFile['numbers']): Config['numbers'] {
  return Object.fromEntries(Object.entries(numbers).map(([number, config]) => [number, { ...config, password: config.password ?? fromFile(config.passwordFile) }]));
}

function fromFile(path: string | null | undefined): string {
  try {
    return path === null || path === undefined ? '' : readPasswordFile(path) ?? '';
  } catch {
    // checkPasswords says why.
    return '';
  }
}

/** Each number has its password in one place. */
export function checkPasswords(numbers: ConfigFile['numbers'], report: (path: string, message: string) => void): void {
  for (const [number, { password, passwordFile }] of Object.entries(numbers)) {
    const at = `numbers.${number}`;
    if (password !== null && passwordFile !== null) report(`${at}.passwordFile`, 'and password are given: one of the two');
    if (password === null && passwordFile === null) report(`${at}.password`, 'is required, or passwordFile');
    if (password !== null || passwordFile === null) continue;
    try {
      readPasswordFile(passwordFile);
    } catch (error) {
      report(`${at}.passwordFile`, `cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`);
    }
  }
}

/**
 * Writes a password so that only the user of this process can read it, and so that there is always the old one or the new one.
 * @throws WabError FILE_UNWRITABLE
 */
export async function writePasswordFile(path: string, password: string): Promise<void> {
  const beside = `${path}.${process.pid}.new`;
  try {
    await rm(beside, { force: true });
    await writeFile(beside, `${password}\n`, { mode: 0o600, flag: 'wx' });
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => undefined);
    throw new WabError('FILE_UNWRITABLE', `${path}: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`, { cause: error });
  }
}

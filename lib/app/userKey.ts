import type { Logger } from '../observe/logger.js';
import { keyFileOf, openUserKey, type UserKey } from '../records/userKey.js';

/** How users are found in the records. A service that cannot keep a key writes records without. */
export async function openKey(file: string | null, log: Logger): Promise<UserKey | null> {
  if (file === null) return null;
  try {
    return await openUserKey(keyFileOf(file));
  } catch (error) {
    log.warn({ part: 'cdr', err: (error as Error).message }, 'records are written without a key of their user: they cannot be searched by user where numbers are masked');
    return null;
  }
}

import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { link, open, readFile, unlink } from 'node:fs/promises';
import { WabError } from '../errors.js';

/** Gives the keyed hash by which a user is found in records that hide the middle of the number. */
export type UserKey = (user: string) => string;

/** Characters of a key, hexadecimal: enough that no two users share one. */
const keyLength = 32;
const secretPattern = /^[0-9a-f]{64}$/;

/** The one spelling of a user that is searched for or hashed: E.164 with '+', or a BSUID as it is. */
export function userName(text: string): string {
  const bare = text.replace(/[\s().-]/g, '');
  return /^\+?[1-9][0-9]{6,14}$/.test(bare) ? `+${bare.replace('+', '')}` : text.trim();
}

/** HMAC-SHA256 (RFC 2104) of the user's one spelling, shortened. A hash without a key could be undone by trying every number. */
export function userKeyOf(secret: string): UserKey {
  return (user) => createHmac('sha256', secret).update(userName(user)).digest('hex').slice(0, keyLength);
}

/** The file of the secret beside the records. */
export function keyFileOf(records: string): string {
  return `${records}.key`;
}

/** The hash under the secret in `path`; null where there is no such file, or nothing in it. @throws WabError FILE_UNREADABLE */
export async function readUserKey(path: string): Promise<UserKey | null> {
  try {
    const secret = (await readFile(path, 'utf8')).trim();
    // Left by one that was killed before it had written it.
    if (secret === '') return null;
    if (!secretPattern.test(secret)) throw new WabError('FILE_UNREADABLE', `${path} does not hold 64 hexadecimal digits: it has been changed or cut; without the one that was, users are not found in older records`);
    return userKeyOf(secret);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error instanceof WabError ? error : new WabError('FILE_UNREADABLE', `${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** The same; where there is no such file, one is made, for its owner alone. @throws WabError FILE_UNREADABLE, or as open(2) */
export async function openUserKey(path: string): Promise<UserKey> {
  const there = await readUserKey(path);
  if (there !== null) return there;
  const secret = randomBytes(32).toString('hex');
  const mine = `${path}.${randomUUID()}`;
  try {
    const file = await open(mine, 'wx', 0o600);
    // On the disk before it has its name: records that are hashed with it outlive a power cut.
    await file.writeFile(`${secret}\n`).then(() => file.datasync()).finally(() => file.close());
    await emptied(path);
    // A link is there as a whole or not at all, and never in the place of another.
    await link(mine, path);
    return userKeyOf(secret);
  } catch (error) {
    // Somebody else has made it meanwhile.
    const theirs = (error as NodeJS.ErrnoException).code === 'EEXIST' ? await readUserKey(path) : null;
    if (theirs === null) throw error;
    return theirs;
  } finally {
    await unlink(mine).catch(() => undefined);
  }
}

/** A file with nothing in it is in the way of one with a secret. */
async function emptied(path: string): Promise<void> {
  const there = await readFile(path, 'utf8').catch(() => null);
  if (there?.trim() === '') await unlink(path);
}

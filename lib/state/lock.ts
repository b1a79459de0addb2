import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, readFile, realpath, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { WabError } from '../errors.js';

/** A lock that was left behind is taken over at the second try; more are others that do the same. */
const mostTries = 5;
const settlingMs = 50;

/** A file of ours that no other process may use at the same time. */
export interface FileLock {
  /** May be called twice. */
  release(): Promise<void>;
}

/**
 * Takes `path` for this process: a file PATH.lock beside it names the process and when that began, so that one left behind by a process
 * that was killed counts for nothing, not even when its number has been given away again.
 * @throws WabError FILE_IN_USE with the process that has it; the system's error when the lock cannot be written
 */
export async function lockFile(path: string): Promise<FileLock> {
  const lock = `${join(await realpath(dirname(path)), basename(path))}.lock`;
  const own = `${process.pid} ${beginning(process.pid) ?? ''} ${randomUUID()}\n`;
  const mine = `${lock}.${randomUUID()}`;
  await writeFile(mine, own, { flag: 'wx', mode: 0o640 });
  try {
    for (let tries = 0; tries < mostTries; tries += 1) {
      // A link is there as a whole or not at all, and never in the place of another.
      const linked = await link(mine, lock).then(() => true, (error: NodeJS.ErrnoException) => {
        if (error.code === 'EEXIST') return false;
        throw error;
      });
      // Who takes over a lock that was left behind might take ours for it, having looked a moment ago.
      if (linked && await stands(lock, own)) return { release: () => release(lock, own) };
      const text = await readFile(lock, 'utf8').catch(() => '');
      const [, pid, began] = /^(\d{1,10}) (\d*) /.exec(text) ?? [];
      if (pid !== undefined && text !== own && isAlive(Number(pid), began ?? '')) throw new WabError('FILE_IN_USE', `${path} is in use by process ${pid}`);
      if (text !== own) await unlink(lock).catch(() => undefined);
    }
  } finally {
    await unlink(mine).catch(() => undefined);
  }
  throw new WabError('FILE_IN_USE', `${path}: other processes take ${lock} at the same time`);
}

/** Whether the lock is still ours a moment later. */
async function stands(lock: string, own: string): Promise<boolean> {
  await wait(settlingMs);
  return await readFile(lock, 'utf8').catch(() => '') === own;
}

async function release(lock: string, own: string): Promise<void> {
  // Never the lock of one that came after us.
  if (await readFile(lock, 'utf8').catch(() => '') === own) await unlink(lock).catch(() => undefined);
}

function isAlive(pid: number, began: string): boolean {
  const now = beginning(pid);
  if (now !== null) return now === began;
  if (began !== '') return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** When a process began, in ticks since the machine did (proc(5), field 22 of stat); null where there is no such process, or no /proc. */
function beginning(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A process that has ended and was not waited for has nothing open any more.
    return fields[0] === 'Z' || fields[0] === 'X' ? null : fields[19] ?? null;
  } catch {
    return null;
  }
}

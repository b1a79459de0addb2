// Random bytes in small pieces: the system is asked for many at a time, as each question costs a system call or two.
import { randomFillSync } from 'node:crypto';

/** Bytes that are asked for at once. */
const POOL = 4096;

let pool = Buffer.alloc(0);
let used = 0;

/** So many bytes of a CSPRNG, in a buffer of their own; none is given twice, and what has been given is not kept. */
export function randomBytes(count: number): Buffer {
  if (count > POOL) return randomFillSync(Buffer.alloc(count));
  if (used + count > pool.length) {
    pool = randomFillSync(pool.length === 0 ? Buffer.alloc(POOL) : pool);
    used = 0;
  }
  const given = Buffer.alloc(count);
  pool.copy(given, 0, used, used + count);
  pool.fill(0, used, used + count);
  used += count;
  return given;
}

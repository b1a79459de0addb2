// In processes of their own: the flag is one of the whole process. V8 itself tells how far the heap may grow after a full collection.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { nodeOptions } from '../../helpers/runnable.js';
import { letHeapGrow } from '../../../lib/cli/heap.js';

if (process.argv[2] === 'inside') {
  if (process.argv[3] === 'grow') letHeapGrow();
  const live = Array.from({ length: 400_000 }, (_, i) => ({ i, name: `x${i}` }));
  global.gc?.();
  process.exit(live.length > 0 ? 0 : 1);
}

/** How many times the live heap the next full collection is put off to. */
async function room(how: string): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, [...nodeOptions, '--expose-gc', '--trace-gc', '--trace-gc-verbose', fileURLToPath(import.meta.url), 'inside', how]);
  const [, live = NaN, limit = NaN] = [...stdout.matchAll(/\[HeapController\] Limit: old size: (\d+) KB, new limit: (\d+) KB/g)].at(-1) ?? [];
  return Number(limit) / Number(live);
}

t.test('the heap may grow to three times what lives, whatever V8 makes of the load', async (t) => {
  const [grown, usual] = [await room('grow'), await room('usual')];
  t.ok(grown >= 2.9, `${grown}`);
  t.not(grown, usual, 'the flag is what decides');
});

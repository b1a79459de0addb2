import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openAudit } from '../../../lib/observe/audit.js';
import { verifyAudit } from '../../../lib/observe/auditVerify.js';

t.test('L11: what waits for the disk is bounded in bytes, what was lost is counted in the log, and the chain holds', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'wab-audit-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, 'audit');
  const audit = await openAudit(file, (error) => { throw error; });
  // All in one turn of the event loop: nothing can be written meanwhile.
  const text = 'x'.repeat(10_000);
  for (let i = 0; i < 10_000; i += 1) audit.write({ i, text });
  await new Promise((resolve) => { setTimeout(resolve, 300); });
  audit.write({ last: true });
  await audit.close();
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as { i?: number; kind?: string; lines?: number; last?: boolean });
  t.ok(lines.length > 1500 && lines.length < 1700, `${lines.length} lines of 10 kB were kept`);
  const lost = lines.find(({ kind }) => kind === 'lost');
  t.equal(lost?.lines, 10_000 - (lines.length - 2), 'the others are counted');
  t.equal(lines.at(-1)?.last, true);
  t.match(await verifyAudit([file]), { ok: true });
  t.equal((await stat(file)).mode & 0o777, 0o640);
});

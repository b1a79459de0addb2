// Certificates of the API and of webhooks are looked at again now and then; files that cannot be looked at leave the old ones.
import t from 'tap';
import { mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock } from 'node:test';
import { renewed } from '../../../lib/http/tlsFiles.js';

t.test('files whose rights or links went wrong are no fault, and are taken when they are right again', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'wab-tls-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const files = { cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem') };
  for (const file of Object.values(files)) writeFileSync(file, 'first');
  const taken: string[] = [];
  let refused = false;
  mock.timers.enable({ apis: ['setInterval'] });
  t.teardown(() => mock.timers.reset());
  const stop = renewed({ setSecureContext: ({ cert }: { cert: Buffer }) => { if (refused) throw new Error('not for us to read'); taken.push(cert.toString()); } } as unknown as Server, files);
  t.teardown(stop);
  rmSync(files.cert);
  // As a folder that may not be looked into: stat(2) fails otherwise than for a file that is not there.
  symlinkSync(files.cert, files.cert);
  t.doesNotThrow(() => mock.timers.tick(120_000));
  t.same(taken, []);
  rmSync(files.cert);
  writeFileSync(files.cert, 'second');
  mock.timers.tick(60_000);
  t.same(taken, ['second']);
  mock.timers.tick(60_000);
  t.same(taken, ['second'], 'once');
  refused = true;
  writeFileSync(files.cert, 'third');
  utimesSync(files.cert, 1, 1);
  mock.timers.tick(60_000);
  refused = false;
  mock.timers.tick(60_000);
  t.same(taken, ['second', 'third'], 'rights that were set after the file was written do not change its time');
  t.end();
});

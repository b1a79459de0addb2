// N10, M5: what others wrote reaches the log as text in one field: no control character, no secret, no line of its own, whoever logs it.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { routeConsole } from '../../../lib/observe/console.js';
import { chainLine } from '../../../lib/observe/audit.js';
import { openLineWriter } from '../../../lib/observe/lineWriter.js';
import { createLogger } from '../../../lib/observe/logger.js';

const nasty = 'a\u009b31mb\u001b]0;x\u0007c\u007fd\u0085e\u2028f\u202eg\r\nh';

const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/;

t.test('log, CDR and audit lines keep the text and hold no control character', async (t) => {
  const lines: string[] = [];
  createLogger('debug', { write: (line: string) => { lines.push(line); } }).info({ text: nasty, err: new Error(nasty) }, nasty);
  const file = join(t.testdir(), 'cdr.jsonl');
  const writer = await openLineWriter(file, { onTrouble: () => undefined, onRecovered: () => undefined });
  writer.write({ text: nasty });
  await writer.close();
  lines.push(await readFile(file, 'utf8'), `${chainLine({ text: nasty }, '0').line}\n`);
  t.equal(lines.length, 3);
  for (const line of lines) {
    t.notMatch(line.slice(0, -1), controls);
    t.equal(line.split('\n').length, 2, 'one line');
    t.equal((JSON.parse(line) as { text: string }).text, nasty);
  }
});

t.test('the console of libraries is part of the log', async (t) => {
  const lines: { level: number; text: string; part: string }[] = [];
  const target = { ...console };
  const back = routeConsole(createLogger('debug', { write: (line: string) => { lines.push(JSON.parse(line) as never); } }), target as Console);
  const message = 'INVITE sip:a@b SIP/2.0\r\nAuthorization: Digest response="cafe", nonce="beef"\r\n\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0\r\n{"level":60,"msg":"forged"}\n';
  target.error(new Error('x'), `unable to parse incoming message: ${message}`);
  target.log('%s', { password: 1 });
  target.error('y'.repeat(200_000));
  t.equal(lines.length, 3);
  t.match(lines[0], { level: 50, part: 'library' });
  t.notMatch(lines[0]?.text, /cafe|beef|c2VjcmV0/);
  t.match(lines[1], { level: 30 });
  t.ok((lines[2]?.text.length ?? 0) <= 1000);
  back();
  t.equal(target.error, console.error);
});

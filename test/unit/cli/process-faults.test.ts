import { EventEmitter } from 'node:events';
import t from 'tap';
import { ProcessFaults } from '../../../lib/cli/processFaults.js';
import { createLogger } from '../../../lib/observe/logger.js';

t.test('what nobody caught is counted and told once; too many of it drain the service', (t) => {
  const lines: string[] = [];
  let broken = 0;
  let now = 1_000_000;
  const source = new EventEmitter();
  const faults = new ProcessFaults(createLogger('info', { write: (line: string) => { lines.push(line); } }), () => { broken += 1; }, () => now);
  const stop = faults.listen(source);
  const error = new Error('a fault of ours');
  for (let i = 0; i < 3; i++) source.emit('uncaughtException', error);
  source.emit('unhandledRejection', 'a text');
  t.equal(faults.count, 4);
  t.equal(lines.filter((line) => line.includes('a fault of ours')).length, 1, 'once');
  t.match(lines[0], /process-faults\.test/, 'with its stack');
  now += 61_000;
  source.emit('uncaughtException', error);
  t.equal(lines.filter((line) => line.includes('a fault of ours')).length, 2, 'again a minute later');
  for (let i = 0; i < 200; i++) source.emit('uncaughtException', error);
  t.equal(broken, 1);
  stop();
  t.equal(source.listenerCount('uncaughtException'), 0);
  t.end();
});

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';

/** Modules that are loaded with this one, by their import statements; dynamic imports are loaded by those who come to them. */
function loadedWith(entry: string): { files: Set<string>; packages: Set<string> } {
  const files = new Set<string>();
  const packages = new Set<string>();
  const todo = [entry];
  for (let file = todo.pop(); file !== undefined; file = todo.pop()) {
    if (files.has(file)) continue;
    files.add(file);
    for (const [, type, name = ''] of readFileSync(file, 'utf8').matchAll(/^(?:import|export)( type)?\b[^;'"]*?(?:from )?'([^']+)';/gm)) {
      if (type !== undefined) continue;
      if (name.startsWith('.')) todo.push(join(dirname(file), name).replace(/\.js$/, '.ts'));
      else packages.add(name);
    }
  }
  return { files, packages };
}

t.test('L6: neither the command line nor the service loads the stand-ins, nor what only they need', (t) => {
  for (const entry of ['lib/cli/main.ts', 'lib/app/compose.ts', 'lib/cli/run.ts', 'lib/cli/check.ts', 'lib/cli/doctor.ts', 'lib/sipserver/threadMain.ts', 'lib/media/relay/worker.ts']) {
    const { files, packages } = loadedWith(entry);
    t.same([...files].filter((file) => file.startsWith('lib/simulator/') || file.endsWith('cli/simulate.ts')), [], entry);
    t.notOk(packages.has('werift'), entry);
  }
  const service = loadedWith('lib/cli/main.ts');
  t.ok(service.files.size > 150 && service.packages.has('pino'), 'the walk finds what is there');
  t.ok(loadedWith('lib/cli/simulate.ts').packages.has('werift'), 'and what is behind the command');
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as Record<'dependencies' | 'optionalDependencies', Record<string, string>>;
  t.notOk('werift' in dependencies);
  t.ok('werift' in optionalDependencies);
  t.end();
});

// Whoever installs the package on the oldest Node.js that it promises is not warned of one of its packages (npm's EBADENGINE).
import { readFileSync } from 'node:fs';
import t from 'tap';

const json = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'));

/** Whether a range of npm's takes a release of this major: of the forms that packages write. */
function takes(range: string, major: number): boolean {
  return range.split('||').some((one) => {
    const [, sign = '', first = ''] = /^\s*(>=|>|\^|~|)\s*v?(\d+|\*)/.exec(one) ?? [];
    if (first === '*') return true;
    return sign.startsWith('>') ? Number(first) <= major : Number(first) === major;
  });
}

t.test('every package that is installed with ours takes Node.js 20', async (t) => {
  const { engines } = json('package.json') as { engines: { node: string } };
  t.equal(engines.node, '>=20');
  const { packages } = json('package-lock.json') as { packages: Record<string, { dev?: boolean; engines?: { node?: string } }> };
  const installed = Object.entries(packages).filter(([name, { dev }]) => name !== '' && dev !== true);
  t.ok(installed.length > 50);
  t.same(installed.filter(([, { engines: { node = '*' } = {} }]) => !takes(node, 20)).map(([name, { engines }]) => `${name} ${engines?.node}`), []);
  for (const [range, taken] of [['>=22', false], ['>= 16', true], ['^14 || ^20.9', true], ['18.x', false], ['*', true], ['>=20.19 || >=22.12', true]] as const) t.equal(takes(range, 20), taken, range);
});

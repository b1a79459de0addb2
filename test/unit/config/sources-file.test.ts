// A newer list of Meta's addresses: read from a list or from whois, compared, and refused where it cannot be Meta's.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { stringify } from 'yaml';
import { metaSources } from '../../../lib/config/metaSources.js';
import { comparePrefixes, readPrefixes } from '../../../lib/config/sourcesFile.js';
import { loadConfig } from '../../../lib/config/load.js';
import { examineSources } from '../../../lib/doctor/graph.js';
import { Command } from '../../helpers/command.js';

t.test('a prefix a line, or what whois prints; those within others are left out', (t) => {
  t.same(readPrefixes('# of today\n157.240.0.0/16\r\n157.240.1.0/24 # inner\n\n2a03:2880::/32\n31.13.64.0/18\n'), { prefixes: ['31.13.64.0/18', '157.240.0.0/16', '2a03:2880::/32'], faults: [] });
  const whois = '% comment 10.0.0.0/8\nroute:      31.13.24.0/21\ndescr:      192.0.2.1 of nobody\norigin:     AS32934\n\nroute6:     2a03:2880::/32\n';
  t.same(readPrefixes(whois), { prefixes: ['31.13.24.0/21', '2a03:2880::/32'], faults: [] });
  for (const [line, wrong] of [['0.0.0.0/0', /wider/], ['10.0.0.0/16', /private/], ['::/0', /wider/], ['what', /no prefix/], ['31.13.24.0', /no prefix/], ['127.0.0.0/24', /loopback/], ['x'.repeat(100_000), /no prefix/]] as const) {
    t.match(readPrefixes(`31.13.64.0/18\n${line}`).faults, [wrong], line.slice(0, 20));
  }
  t.same(readPrefixes('31.13.70.1/18').prefixes, ['31.13.64.0/18'], 'bits beyond the prefix are nothing');
  t.same(comparePrefixes(['31.13.64.0/18', '157.240.0.0/16', '66.220.149.16'], ['31.13.0.0/16', '66.220.144.0/20', '57.144.0.0/14']), { added: ['31.13.0.0/16', '66.220.144.0/20', '57.144.0.0/14'], removed: ['157.240.0.0/16'], kept: 2 });
  t.end();
});

t.test('the command shows, refuses and writes; the file is what default means from then on; the doctor says how old it is', async (t) => {
  const dir = t.testdir();
  const [config, list, sourcesFile] = ['c.yaml', 'list', 'sources'].map((name) => join(dir, name)) as [string, string, string];
  writeFileSync(config, stringify({
    domain: 'sbc.example.net', sip: { listen: ['udp:127.0.0.1:5060'] }, meta: { sourcesFile }, numbers: { '+447700900001': { password: 'x' } },
    peers: { pbx: { uri: 'sip:127.0.0.1', pstn: 'none', users: ['6001'] } }, routes: [{ name: 'all', number: '+447700900001', to: [{ peer: 'pbx', user: '6001' }] }],
  }));
  const run = async (...args: string[]): Promise<{ code: number | null; out: string; err: string }> => {
    const command = new Command('sources', 'update', '-c', config, '--from', list, ...args);
    return { code: await command.exit, out: command.out.join('\n'), err: command.err.join('\n') };
  };
  writeFileSync(list, metaSources.slice(0, 5).join('\n'));
  const lost = await run('--apply');
  t.equal(lost.code, 1);
  t.match(lost.err, /holds 5 of the 23 prefixes/);
  t.same(loadConfig(config).meta.sources, metaSources);
  t.match(await examineSources(loadConfig(config), Date.parse('2026-11-29')), [{ level: 'warn', text: /built-in.*2024-12-11/ }]);
  t.match(await examineSources(loadConfig(config), Date.parse('2025-01-01')), [{ level: 'ok' }]);
  writeFileSync(list, [...metaSources.slice(1), '2a03:2880::/32'].join('\n'));
  const shown = await run();
  t.same([shown.code, shown.out.split('\n').slice(0, 3)], [0, [`- ${metaSources[0]}`, '+ 2a03:2880::/32', '22 stay, 1 go, 1 come.']]);
  t.same(loadConfig(config).meta.sources, metaSources, 'dry by default');
  t.equal((await run('--apply')).code, 0);
  t.match(readFileSync(sourcesFile, 'utf8'), /^# Meta's prefixes/);
  t.same(new Set(loadConfig(config).meta.sources), new Set([...metaSources.slice(1), '2a03:2880::/32']));
  t.match(await examineSources(loadConfig(config), Date.now()), [{ level: 'ok', text: /sources is of/ }]);
  t.match(await examineSources(loadConfig(config), Date.now() + 200 * 86_400_000), [{ level: 'warn' }]);
});

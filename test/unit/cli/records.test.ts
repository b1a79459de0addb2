// `wa-b2bua records` and `analytics`: where there is nothing to search, whose files they leave behind, and times that are none.
import t, { type Test } from 'tap';
import { chownSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { createProgram } from '../../../lib/cli/program.js';
import { line } from '../records/records.js';

const number = '+447700900001';

function place(t: Test, cdr: object = {}): { dir: string; file: string; run(...args: string[]): Promise<{ out: string; err: string }> } {
  const dir = t.testdir();
  const file = join(dir, 'cdr.jsonl');
  const config = join(dir, 'c.yaml');
  writeFileSync(config, stringify({
    domain: 'sbc.example.net', sip: { listen: ['udp:127.0.0.1:0'] }, http: { listen: null }, cdr: { file, ...cdr }, numbers: { [number]: { password: 'p' } },
    peers: { pbx: { uri: 'sip:127.0.0.1:5060', pstn: 'none', users: ['6001'], sources: ['127.0.0.1'] } }, routes: [{ name: 'all', number, to: [{ peer: 'pbx', user: '6001' }] }],
  }));
  return {
    dir, file,
    async run(command, ...args) {
      const write = process.stdout.write.bind(process.stdout);
      const said: string[] = [];
      process.stdout.write = (text: string | Uint8Array) => said.push(String(text)) > 0;
      try {
        await (await createProgram({ standIns: false })).parseAsync([command ?? '', '-c', config, ...args], { from: 'user' });
        return { out: said.join(''), err: '' };
      } catch (error) {
        return { out: said.join(''), err: (error as Error).message };
      } finally {
        process.stdout.write = write;
      }
    },
  };
}

t.test('a file that is not there is no file without records', async (t) => {
  const { dir, file, run } = place(t);
  t.match(await run('records'), { out: '', err: new RegExp(`cdr\\.file: there is no ${file}, nor one that was rotated away from it`) });
  t.match((await run('analytics')).err, /cdr\.file: there is no /);
  t.same(readdirSync(dir), ['c.yaml'], 'nothing is made there');
  writeFileSync(`${file}.1`, `${line(0)}\n`);
  t.match((await run('records')).out, /user hangup/);
});

t.test('root leaves nothing in the way of the service', { skip: process.getuid?.() === 0 ? false : 'only root can make files of others' }, async (t) => {
  const { dir, file, run } = place(t);
  writeFileSync(file, `${line(0)}\n`);
  chownSync(file, 65534, 65534);
  t.match((await run('records')).out, /user hangup/);
  t.same(readdirSync(dir).filter((name) => name.includes('index')), ['cdr.jsonl.index-cli']);
  chownSync(file, 0, 0);
  t.match((await run('records')).out, /user hangup/);
  t.ok(readdirSync(dir).includes('cdr.jsonl.index'), 'its own it has beside the file');
});

t.test('a rate card that cannot be used keeps nobody from searching', async (t) => {
  const { file, run } = place(t, { rates: 'rates.yaml' });
  writeFileSync(file, `${line(0)}\n`);
  t.match((await run('records')).out, /user hangup/);
  t.match((await run('analytics')).err, /cdr\.rates: .*ENOENT/);
});

t.test('a time is a date, or a time with its zone', async (t) => {
  const { file, run } = place(t);
  writeFileSync(file, `${line(0)}\n`);
  for (const good of ['2026-11-01', '2026-11-01T00:00Z', '2026-11-01T01:00:00+01:00', '2026-11-01T00:00:00.000Z']) {
    t.match(await run('records', '--from', good, '--to', '2026-11-02'), { out: /user hangup/, err: '' }, good);
  }
  for (const bad of ['2026-11-01T10:00', '2026-11-01 10:00', '2026-11-01x', '2026-02-31', '2026-13-01', '2026-11-31T10:00:00Z', '2026-11-01T25:00Z', 'yesterday', '']) {
    t.match((await run('records', '--from', bad)).err, /--from is no time/, bad);
  }
  t.match((await run('records', '--number', number)).out, /user hangup/);
  t.match(await run('records', '--number', number.slice(1)), { out: '', err: /--number is E\.164 with \+/ }, 'a number that no record can have is no number without records');
});

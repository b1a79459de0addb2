// Paths of the files that Meta's other side needs, and what is listened for in the clear: as the file says, as check and doctor tell.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { loadConfig } from '../../../lib/config/load.js';
import { plainListens } from '../../../lib/config/plainListens.js';
import type { Config } from '../../../lib/config/types.js';
import { createProgram } from '../../../lib/cli/program.js';
import { examine } from '../../../lib/doctor/index.js';
import { examineFiles } from '../../../lib/doctor/files.js';
import { makeCertificates } from '../../helpers/certificates.js';

const number = '+447700900001';

/** A file in a folder of its own, not that of this process. */
function file(t: Test, more: object, own: object = { password: 'of the number' }): { path: string; dir: string; load: () => Config } {
  const dir = join(t.testdir(), 'etc');
  mkdirSync(dir, { recursive: true });
  const path = join(dir, 'c.yaml');
  writeFileSync(path, stringify({
    domain: 'sbc.example.net', sip: { listen: ['udp:127.0.0.1:0'] }, http: { listen: null }, cdr: { file: null }, numbers: { [number]: own },
    peers: { pbx: { uri: 'sip:127.0.0.1:5060', pstn: 'none', users: ['6001'], sources: ['127.0.0.1'] } }, routes: [{ name: 'all', number, to: [{ peer: 'pbx', user: '6001' }] }], ...more,
  }));
  return { path, dir, load: () => loadConfig(path, {}) };
}

const webhooks = { appSecret: 'app secret', verifyToken: 'verify' };

t.test('a relative path is below the folder of the file, an absolute one is as it is', async (t) => {
  const { dir, load } = file(t, { graph: { token: 'EAAtoken' }, meta: { sourcesFile: 'lists/meta' }, webhooks: { ...webhooks, tls: { cert: 'c.pem', key: '/etc/k.pem' }, voicemail: '../spool' } }, { passwordFile: 'the.password' });
  writeFileSync(join(dir, 'the.password'), 'of Meta\n');
  mkdirSync(join(dir, 'lists'));
  writeFileSync(join(dir, 'lists', 'meta'), '157.240.0.0/16\n');
  const config = load();
  t.equal(config.numbers[number]?.password, 'of Meta');
  t.equal(config.numbers[number]?.passwordFile, join(dir, 'the.password'));
  t.same(config.meta.sources, ['157.240.0.0/16']);
  t.match(config.webhooks, { tls: { cert: join(dir, 'c.pem'), key: '/etc/k.pem' }, voicemail: join(dir, '..', 'spool') });
});

t.test('so are certificates, sounds, records and the state; words that are no path stay, and so does the default', async (t) => {
  const { dir, load } = file(t, {
    sip: { listen: ['udp:127.0.0.1:0'], tls: { cert: 'c.pem', key: './k.pem' } }, meta: { ca: 'ca.pem' }, hep: { server: 'tls:127.0.0.1:9060', ca: '../hep.pem' },
    media: { music: 'm.ogg' }, cdr: { file: 'log/cdr.jsonl' }, policy: { audit: 'audit.log' }, state: 'file:state',
    peers: { pbx: { uri: 'sip:127.0.0.1:5060', pstn: 'none', users: ['6001'], music: 'p.wav' } },
    routes: [{ name: 'all', number, to: [{ peer: 'pbx', user: '6001' }], music: 'r.wav', downMessage: 'd.wav' }, { name: 'q', number, queue: 'q', music: 'none' }],
    queues: { q: { to: [{ peer: 'pbx', user: '6001' }], music: 'none' }, other: { to: [{ peer: 'pbx', user: '6001' }], music: 'q.wav' } },
  });
  const at = (name: string): string => join(dir, name);
  t.match(load(), {
    sip: { tls: { cert: at('c.pem'), key: at('k.pem') } }, meta: { ca: at('ca.pem') }, hep: { ca: at('../hep.pem') }, media: { music: at('m.ogg') }, cdr: { file: at('log/cdr.jsonl') },
    policy: { audit: at('audit.log') }, state: { url: `file:${at('state')}` }, peers: { pbx: { music: at('p.wav') } }, routes: [{ music: at('r.wav'), downMessage: at('d.wav') }, { music: 'none' }],
    queues: { q: { music: 'none' }, other: { music: at('q.wav') } },
  });
  t.match(file(t, { state: 'file:/var/lib/state', cdr: { file: './cdr.jsonl' } }).load(), { state: { url: 'file:/var/lib/state' }, cdr: { file: './cdr.jsonl' } }, 'the default is below the folder that the service is started in');
  t.match(file(t, { state: 'memory', cdr: {} }).load(), { state: { url: 'memory' }, cdr: { file: './cdr.jsonl' } });
  const { out } = await check(file(t, { media: { music: 'nowhere.wav' }, routes: [{ name: 'q', number, queue: 'q' }], queues: { q: { to: [{ peer: 'pbx', user: '6001' }], music: 'none.wav' } } }).path);
  t.match(out, new RegExp(`media\\.music: warning: .*${at('nowhere.wav')}: ENOENT`), 'check opens each');
  t.match(out, new RegExp(`queues\\.q\\.music: warning: .*${at('none.wav')}: ENOENT`));
});

t.test('webhooks beyond loopback without TLS, and pages: check warns at the key, the doctor says what to do', async (t) => {
  const rows: readonly [more: object, keys: string[]][] = [
    [{ webhooks: { ...webhooks, listen: '0.0.0.0:8443' } }, ['webhooks.listen']], [{ webhooks: { ...webhooks, listen: '127.0.0.1:8443' } }, []], [{ webhooks: { ...webhooks, listen: '[::1]:8443' } }, []],
    [{ webhooks: { ...webhooks, listen: '[::]:8443' } }, ['webhooks.listen']], [{ webhooks: { ...webhooks, listen: '0.0.0.0:8443', tls: { cert: 'c.pem', key: 'k.pem' } } }, []], [{}, []],
    [{ http: { listen: '0.0.0.0:8080' }, api: { tokens: [{ name: 'one', token: 'a-token-of-16-chars' }] }, webhooks: { ...webhooks, listen: '192.0.2.1:8443' } }, ['http.listen', 'webhooks.listen']],
  ];
  for (const [more, keys] of rows) t.same(plainListens(file(t, more).load()).map(({ path }) => path), keys, JSON.stringify(more));
  const { path, load, dir } = file(t, { webhooks: { ...webhooks, listen: '0.0.0.0:0' } });
  const { out, status } = await check(path);
  t.equal(status, 0, 'it can be used behind a proxy');
  t.match(out, new RegExp(`^${path}:\\d+: webhooks\\.listen: warning: is beyond loopback and webhooks\\.tls is not set`, 'm'));
  const findings = await examine(load());
  t.match(findings.filter(({ text }) => text.includes('webhooks.tls')), [{ check: 'listen', level: 'warn', todo: /webhooks\.tls/ }]);
  t.ok(findings.some(({ check, text }) => check === 'listen' && text.startsWith('tcp:0.0.0.0:0 is free')), 'whether the address is free is looked at too');
  const gone = file(t, { webhooks: { ...webhooks, tls: { cert: 'none.pem', key: 'none.key' } } });
  t.match((await check(gone.path)).out, new RegExp(`webhooks\\.tls\\.cert: warning: ${join(dir, 'none.pem')} cannot be read: ENOENT`), 'check opens the files');
});

t.test('what a start would stumble over is told by check and doctor: pairs that do not belong together, CAs, a password that is not there yet; and a rate card of no use', async (t) => {
  const elsewhere = mkdtempSync(join(tmpdir(), 'wab-files-'));
  t.teardown(() => rmSync(elsewhere, { recursive: true, force: true }));
  const pem = await makeCertificates(join(elsewhere, 'certs'), { domain: 'sbc.example.net' });
  const api = { listen: '127.0.0.1:8081', tokens: [{ name: 'one', token: 'a-token-of-16-chars' }] };
  const hep = { server: 'tls:127.0.0.1:9060' };
  const rows: readonly [more: object, own: object | undefined, status: number, said: RegExp][] = [
    [{ webhooks: { ...webhooks, tls: { cert: pem.cert, key: pem.metaKey } } }, undefined, 1, /:\d+: webhooks\.tls\.key: .*is not the key of /],
    [{ webhooks: { ...webhooks, tls: { cert: pem.key, key: pem.key } } }, undefined, 1, /:\d+: webhooks\.tls\.cert: .*holds no certificate/],
    [{ api: { ...api, tls: { cert: pem.cert, key: pem.cert } } }, undefined, 1, /:\d+: api\.tls\.key: .*does not hold a private key in PEM/],
    [{ api: { ...api, tls: { cert: 'none.pem', key: pem.key } } }, undefined, 0, /:\d+: api\.tls\.cert: warning: .*cannot be read: ENOENT/],
    [{ api: { ...api, tls: { cert: pem.cert, key: pem.key } } }, undefined, 0, /: good\./],
    [{ sip: { listen: ['wss:127.0.0.1:0'], tls: { cert: pem.cert, key: pem.metaKey } } }, undefined, 1, /:\d+: sip\.tls\.key: .*is not the key of /],
    [{ hep: { ...hep, ca: pem.key } }, undefined, 1, /:\d+: hep\.ca: .*holds no certificate/],
    [{ hep: { ...hep, ca: join(elsewhere, 'none.pem') } }, undefined, 0, /:\d+: hep\.ca: warning: .*cannot be read: ENOENT/],
    [{ cdr: { file: join(elsewhere, 'cdr.jsonl'), rates: 'none.yaml' } }, undefined, 0, /:\d+: cdr\.rates: warning: .*none\.yaml: ENOENT: calls are not priced/],
    [{ cdr: { file: join(elsewhere, 'cdr.jsonl'), rates: 'c.yaml' } }, undefined, 0, /:\d+: cdr\.rates: warning: .*c\.yaml: currency must be .*: calls are not priced/],
    [{ cdr: { file: join(elsewhere, 'cdr.jsonl'), index: '/no/such/folder/index' } }, undefined, 0, /:\d+: cdr\.index: warning: .*ENOENT/],
    [{}, { passwordFile: 'none.password' }, 0, /:\d+: numbers\.\+447700900001\.passwordFile: warning: .*none\.password is not there yet, or empty: run wa-b2bua provision apply/],
  ];
  for (const [more, own, status, said] of rows) {
    const one = file(t, more, own);
    const { out, ...checked } = await check(one.path);
    t.match(out, said);
    t.equal(checked.status, status, out);
    if (said.source === ': good\\.') continue;
    const key = /: ([a-z]\S+?): /.exec(out)?.[1] ?? '?';
    t.ok((await examineFiles(one.load(), Date.now())).some(({ level, text }) => level !== 'ok' && text.startsWith(`${key}: `)), `the doctor names ${key}`);
  }
});

/** `wa-b2bua check` in this process. */
async function check(path: string): Promise<{ out: string; status: number }> {
  const write = process.stdout.write.bind(process.stdout);
  const said: string[] = [];
  process.stdout.write = (text: string | Uint8Array) => said.push(String(text)) > 0;
  try {
    await (await createProgram({ standIns: false })).parseAsync(['check', '-c', path], { from: 'user' });
    return { out: said.join(''), status: Number(process.exitCode) };
  } finally {
    process.stdout.write = write;
    process.exitCode = 0;
  }
}

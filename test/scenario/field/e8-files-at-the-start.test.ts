import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { loadConfig } from '../../../lib/config/load.js';
import type { WabError } from '../../../lib/errors.js';
import { startService, type Service } from '../../../lib/app/compose.js';
import { createLogger } from '../../../lib/observe/logger.js';
import { makeCertificates } from '../../helpers/certificates.js';
import { domain, freePort, mediaPorts, metaHost, number, password } from '../../helpers/service.js';
import { runnable } from '../../helpers/runnable.js';

async function stage(t: Test) {
  const dir = await mkdtemp(join(tmpdir(), 'wab-files-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const files = await makeCertificates(join(dir, 'certs'), { domain, metaHost });
  const log: string[] = [];
  const write = async (more: object = {}): Promise<string> => {
    const file = join(dir, `${Math.random()}.yaml`);
    await writeFile(file, stringify({
      domain, sip: { listen: ['tls:127.0.0.1:0', 'udp:127.0.0.1:0'], tls: { cert: files.cert, key: files.key } }, meta: { ca: files.ca },
      media: { rtpengine: { ports: await mediaPorts() } }, numbers: { [number]: { password } }, http: { listen: null }, cdr: { file: null }, ...more,
    }));
    return file;
  };
  /** What a start with this fails with; the service where it does not. */
  const start = async (more: object = {}): Promise<{ fault: string | null; service: Service | null }> => {
    const service = await startService(loadConfig(await write(more), {}), createLogger('info', { write: (line: string) => { log.push(line); } })).catch((error: unknown) => error as WabError);
    if (!('close' in service)) return { fault: `${service.code}: ${service.message}`, service: null };
    t.teardown(() => service.close());
    return { fault: null, service };
  };
  return { dir, files, log, write, start };
}

const tls = (cert: string, key: string): object => ({ sip: { listen: ['tls:127.0.0.1:0'], tls: { cert, key } } });
const check = (file: string, ...more: string[]): { status: number; out: string } => {
  try {
    return { status: 0, out: execFileSync(process.execPath, ['--import=./test/helpers/loader.js', runnable('lib/cli/main.ts'), 'check', '-c', file, ...more], { encoding: 'utf8' }) };
  } catch (error) {
    const { status, stdout } = error as { status: number; stdout: string };
    return { status, out: stdout };
  }
};

t.test('E8: what is wrong with certificate, key and CA is said in words, by key, and nothing is opened before', async (t) => {
  const { dir, files, start } = await stage(t);
  const missing = join(dir, 'none.pem');
  const rubbish = join(dir, 'rubbish.pem');
  await writeFile(rubbish, '-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n');
  for (const [cert, key, code, text] of [
    [files.cert, files.metaKey, 'CERTIFICATE_UNUSABLE', /sip\.tls\.key: .* is not the key of .*: put the key there that the certificate was asked for with/],
    [files.key, files.key, 'CERTIFICATE_UNUSABLE', /sip\.tls\.cert: .* holds no certificate: it must be a PEM file/],
    [files.cert, files.cert, 'CERTIFICATE_UNUSABLE', /sip\.tls\.key: .* does not hold a private key in PEM/],
    [rubbish, files.key, 'CERTIFICATE_UNUSABLE', /sip\.tls\.cert: .* does not hold a certificate in PEM/],
    [missing, files.key, 'FILE_UNREADABLE', /sip\.tls\.cert: .*none\.pem cannot be read: ENOENT: correct sip\.tls\.cert/],
    [files.cert, missing, 'FILE_UNREADABLE', /sip\.tls\.key: .*none\.pem cannot be read: ENOENT/],
  ] as const) {
    const { fault } = await start(tls(cert, key));
    t.match(fault, new RegExp(`^${code}: `));
    t.match(fault, text);
    t.notMatch(fault, /error:[0-9A-F]{8}|PEM routines/, 'no words of OpenSSL');
  }
  t.match((await start({ meta: { ca: missing } })).fault, /^FILE_UNREADABLE: .*meta\.ca: .*none\.pem cannot be read: ENOENT/);
  t.match((await start({ meta: { ca: files.key } })).fault, /^CERTIFICATE_UNUSABLE: .*meta\.ca: .* holds no certificate/);
  const api = { listen: '127.0.0.1:0', tokens: [{ name: 'one', token: 'a-token-of-16-chars' }] };
  t.match((await start({ api: { ...api, tls: { cert: files.cert, key: files.metaKey } } })).fault, /^CERTIFICATE_UNUSABLE: .*api\.tls\.key: .* is not the key of /);
  t.match((await start({ webhooks: { listen: '127.0.0.1:0', appSecret: 's', verifyToken: 'v', tls: { cert: rubbish, key: files.key } } })).fault, /^CERTIFICATE_UNUSABLE: .*webhooks\.tls\.cert: .* does not hold a certificate in PEM/);
  t.match((await start({ hep: { server: 'tls:127.0.0.1:9', ca: files.key } })).fault, /^CERTIFICATE_UNUSABLE: .*hep\.ca: .* holds no certificate/);
});

t.test('E8: check judges the same files: what is of no use anywhere is a fault, what may only be missing here a warning', async (t) => {
  const { dir, files, write } = await stage(t);
  const unfit = check(await write(tls(files.cert, files.metaKey)));
  t.equal(unfit.status, 1);
  t.match(unfit.out, /:\d+: sip\.tls\.key: .* is not the key of /);
  const absent = await write(tls(join(dir, 'none.pem'), files.key));
  t.match(check(absent), { status: 0, out: /:\d+: sip\.tls\.cert: warning: .*none\.pem cannot be read: ENOENT/ });
  t.match(check(absent, '--strict'), { status: 1, out: /none\.pem/ });
});

t.test('E8: a certificate that Meta will not take does not stop the service, and is told in its log', async (t) => {
  const { files, log, start } = await stage(t);
  const { fault } = await start({ ...tls(files.metaCert, files.metaKey) });
  t.equal(fault, null);
  t.ok(log.some((line) => line.includes('"level":50') && line.includes('does not name sbc.example.net')), 'an error line');
});

t.test('E7: every file that will be written is tried at the start, and the message names its key', async (t) => {
  const { dir, start } = await stage(t);
  const there = join(dir, 'no', 'such', 'folder');
  t.match((await start({ cdr: { file: join(there, 'cdr.jsonl') } })).fault, /^FILE_UNWRITABLE: a file cannot be written: cdr\.file: .*cdr\.jsonl: ENOENT: the user of the service must be able to write there$/);
  t.match((await start({ policy: { audit: join(there, 'audit') } })).fault, /^FILE_UNWRITABLE: .*policy\.audit: .*: ENOENT/);
  t.match((await start({ state: `file:${join(there, 'state')}` })).fault, /^FILE_UNWRITABLE: .*state: .*: ENOENT/);
  t.match((await start({ cdr: { file: dir } })).fault, /^FILE_UNWRITABLE: .*cdr\.file: .*: EISDIR/);
  const foreign = join(dir, 'foreign');
  await writeFile(foreign, 'a file of somebody else\n');
  t.match((await start({ state: `file:${foreign}` })).fault, /^FILE_UNREADABLE: .*state: .* is not a state file of wa-b2bua$/);
  t.equal(await readFile(foreign, 'utf8'), 'a file of somebody else\n');
});

t.test('E14: one service a state file and an audit log; a lock that was left behind does not count', async (t) => {
  const { dir, start } = await stage(t);
  const state = `file:${join(dir, 'state')}`;
  const audit = join(dir, 'audit');
  const first = await start({ state, policy: { audit } });
  t.equal(first.fault, null);
  t.match((await start({ state })).fault, new RegExp(`^FILE_IN_USE: a file is in use by another process: state: .*state is in use by process ${process.pid}$`));
  t.match((await start({ policy: { audit } })).fault, /^FILE_IN_USE: .*policy\.audit: /);
  t.equal((await stat(audit)).mode & 0o777, 0o640, 'the audit log is not for everybody');
  await first.service?.close();
  await writeFile(`${join(dir, 'state')}.lock`, `${process.pid} 1\n`);
  const again = await start({ state });
  t.equal(again.fault, null, 'a process of that number that began at another time');
  await again.service?.close();
  await writeFile(`${join(dir, 'state')}.lock`, 'rubbish');
  t.equal((await start({ state })).fault, null);
});

t.test('E13, E14: version and the end of the certificate are told', async (t) => {
  const { log, start, dir } = await stage(t);
  const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
  t.equal(execFileSync(process.execPath, ['--import=./test/helpers/loader.js', runnable('lib/cli/main.ts'), '--version'], { encoding: 'utf8' }).trim(), version);
  const listen = `127.0.0.1:${await freePort()}`;
  const { service } = await start({ http: { listen } });
  t.match(JSON.parse(log[0] ?? ''), { version, msg: `wa-b2bua ${version} starts` });
  t.match(await (await fetch(`http://${listen}/status`)).json(), { version });
  const metrics = await (await fetch(`http://${listen}/metrics`)).text();
  t.match(metrics, new RegExp(`^wab_build_info\\{version="${version}",node="${process.version}"\\} 1$`, 'm'));
  const seconds = Number(/^wab_certificate_expires_seconds (-?\d+)$/m.exec(metrics)?.[1]);
  t.ok(seconds > 86_400 && seconds < 400 * 86_400, `${seconds} s`);
  await service?.close();
  await chmod(dir, 0o755);
});

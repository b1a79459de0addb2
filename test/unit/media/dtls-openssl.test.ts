// The DTLS ends against OpenSSL's, over UDP on loopback: what it exports is what we took for keys.
import t from 'tap';
import type { Test } from 'tap';
import { execFile, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DtlsEndpoint, makeCertificate } from '../../../lib/media/dtls/index.js';
import type { SrtpKeys } from '../../../lib/media/srtp/index.js';
import { freePort } from '../../helpers/ports.js';

const run = promisify(execFile);
const HOST = '127.0.0.1';
const ours = makeCertificate();

interface Pem { readonly cert: string; readonly key: string; readonly fingerprints: { hash: string; value: string }[] }

/** A certificate of OpenSSL's making. */
async function certificate(...newKey: string[]): Promise<Pem> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-dtls-'));
  process.once('exit', () => { rmSync(dir, { recursive: true, force: true }); });
  const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  await run('openssl', ['req', '-x509', '-nodes', '-newkey', ...newKey, '-keyout', key, '-out', cert, '-subj', '/CN=peer', '-days', '2']);
  return { cert, key, fingerprints: [{ hash: 'sha-256', value: new X509Certificate(await readFile(cert)).fingerprint256 }] };
}

const ec = await certificate('ec', '-pkeyopt', 'ec_paramgen_curve:P-256');
const rsa = await certificate('rsa:2048');

/** What `openssl` says until it has said `pattern`, or has ended. */
async function said(child: ChildProcess, pattern: RegExp): Promise<string> {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data: Buffer) => { text += data.toString(); });
  for (let tries = 0; tries < 2000 && !pattern.test(text) && child.exitCode === null; tries++) await new Promise((resolve) => { setTimeout(resolve, 10); });
  if (!pattern.test(text)) throw new Error(`openssl did not say ${String(pattern)}: ${text}`);
  return text;
}

interface Outcome { keys?: { local: SrtpKeys; remote: SrtpKeys }; failure?: string }

/** Our end on a socket, until it is up or has failed; it stays up until the test is over. */
function drive(t: Test, socket: Socket, options: Pick<ConstructorParameters<typeof DtlsEndpoint>[0], 'role' | 'fingerprints' | 'profiles'>, peer?: number): Promise<Outcome> {
  return new Promise((resolve) => {
    let port = peer;
    const endpoint = new DtlsEndpoint({
      certificate: ours, ...options,
      events: {
        send: (datagram) => { socket.send(datagram, port ?? 0, HOST); },
        connected: (keys) => { resolve({ keys }); },
        failed: (reason, kind) => { resolve({ failure: `${kind}: ${reason}` }); },
      },
    });
    socket.on('message', (datagram, from) => {
      port = from.port;
      endpoint.receive(datagram, performance.now());
    });
    const ticks = setInterval(() => { endpoint.tick(performance.now()); }, 5);
    t.teardown(() => { clearInterval(ticks); endpoint.close(); });
    endpoint.start(performance.now());
  });
}

async function socketOf(t: Test): Promise<Socket> {
  const socket = createSocket('udp4').bind(0, HOST);
  await once(socket, 'listening');
  t.teardown(() => new Promise<void>((resolve) => { socket.close(resolve); }));
  return socket;
}

function openssl(t: Test, env: NodeJS.ProcessEnv | undefined, ...args: string[]): ChildProcess {
  const child = spawn('openssl', args, { stdio: 'pipe', env });
  t.teardown(() => { child.kill('SIGKILL'); });
  return child;
}

/** Client's key, server's key, client's salt, server's salt (RFC 5764 §4.2). */
function material(client: SrtpKeys | undefined, server: SrtpKeys | undefined): string {
  return [client?.key, server?.key, client?.salt, server?.salt].map((part) => part?.toString('hex')).join('').toUpperCase();
}

const EXPORT = ['-use_srtp', 'SRTP_AES128_CM_SHA1_80', '-keymatexport', 'EXTRACTOR-dtls_srtp', '-keymatexportlen', '60'];
const exported = /Keying material: ([0-9A-F]+)/;

interface Variant { more?: string[]; profiles?: string[]; bytes?: number; env?: NodeJS.ProcessEnv; says?: RegExp }

async function asClient(t: Test, pem: Pem, { more = [], profiles, bytes = 60, env }: Variant = {}): Promise<void> {
  const port = await freePort();
  const child = openssl(t, env, 's_server', '-dtls1_2', '-accept', `${HOST}:${port}`, '-cert', pem.cert, '-key', pem.key, '-Verify', '1', ...EXPORT.slice(0, -1), String(bytes), ...more);
  const text = said(child, exported);
  await new Promise((resolve) => { setTimeout(resolve, 100); });
  const { keys, failure } = await drive(t, await socketOf(t), { role: 'client', fingerprints: pem.fingerprints, profiles }, port);
  t.equal(failure, undefined);
  t.equal(exported.exec(await text)?.[1], material(keys?.local, keys?.remote));
}

async function asServer(t: Test, pem: Pem, { more = [], profiles, bytes = 60, env, says = /(?:)/ }: Variant = {}): Promise<void> {
  const socket = await socketOf(t);
  const outcome = drive(t, socket, { role: 'server', fingerprints: pem.fingerprints, profiles });
  const child = openssl(t, env, 's_client', '-dtls1_2', '-connect', `${HOST}:${socket.address().port}`, '-cert', pem.cert, '-key', pem.key, ...EXPORT.slice(0, -1), String(bytes), ...more);
  const text = await said(child, exported);
  t.match(text, says);
  const { keys, failure } = await outcome;
  t.equal(failure, undefined);
  t.equal(exported.exec(text)?.[1], material(keys?.remote, keys?.local));
}

const missing = spawnSync('openssl', ['version']).status === 0 ? false : 'openssl is not installed';

t.test('OpenSSL', { skip: missing, timeout: 120_000 }, async (t) => {
  t.test('it reads our certificate', async (t) => {
    const file = join(t.testdir(), 'ours.pem');
    await writeFile(file, new X509Certificate(ours.der).toString());
    const { stdout } = await run('openssl', ['x509', '-in', file, '-noout', '-text', '-fingerprint', '-sha256', '-checkend', '31536000']);
    t.match(stdout, ours.fingerprint.slice('sha-256 '.length));
    t.match(stdout, /Version: 3 .*ASN1 OID: prime256v1/s);
    await run('openssl', ['verify', '-CAfile', file, file]);
  });

  t.test('we are the client, EC certificate', async (t) => { await asClient(t, ec); });
  t.test('we are the client, RSA certificate', async (t) => { await asClient(t, rsa); });
  t.test('we are the client, RSA certificate, PKCS #1', async (t) => { await asClient(t, rsa, { more: ['-sigalgs', 'RSA+SHA256:ECDSA+SHA256'] }); });
  t.test('we are the client, it sends fragments', async (t) => { await asClient(t, rsa, { more: ['-mtu', '256'] }); });
  t.test('we are the client, it asks for a cookie', async (t) => { await asClient(t, ec, { more: ['-listen'] }); });
  t.test('we are the server, EC certificate', async (t) => { await asServer(t, ec); });
  t.test('we are the server, RSA certificate', async (t) => { await asServer(t, rsa); });
  t.test('we are the server, it sends fragments', async (t) => { await asServer(t, rsa, { more: ['-mtu', '256'] }); });

  for (const cipher of ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305']) {
    t.test(cipher, async (t) => {
      await asClient(t, ec, { more: ['-cipher', cipher] });
      await asServer(t, ec, { more: ['-cipher', cipher] });
    });
  }
  for (const cipher of ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-CHACHA20-POLY1305']) {
    t.test(cipher, async (t) => { await asClient(t, rsa, { more: ['-cipher', cipher] }); });
  }
  for (const group of ['P-256', 'X25519', 'P-384']) {
    t.test(group, async (t) => {
      // The curve of our certificate is to be listed with it (RFC 8422 §5.1).
      const more = ['-curves', group === 'P-256' ? group : `${group}:P-256`];
      await asClient(t, rsa, { more: [...more, '-serverpref'] });
      await asServer(t, rsa, { more });
    });
  }
  for (const [name, suite, bytes] of [['SRTP_AEAD_AES_128_GCM', 'AEAD_AES_128_GCM', 56], ['SRTP_AEAD_AES_256_GCM', 'AEAD_AES_256_GCM', 88], ['SRTP_AES128_CM_SHA1_32', 'AES_CM_128_HMAC_SHA1_32', 60]] as const) {
    t.test(suite, async (t) => {
      await asClient(t, ec, { more: ['-use_srtp', name], bytes });
      await asServer(t, ec, { more: ['-use_srtp', `SRTP_AES128_CM_SHA1_80:${name}`], profiles: [suite], bytes });
    });
  }
  t.test('without the extended master secret', async (t) => {
    const file = join(t.testdir(), 'openssl.cnf');
    await writeFile(file, 'openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nOptions = -ExtendedMasterSecret\n');
    const env = { ...process.env, OPENSSL_CONF: file };
    await asServer(t, ec, { env, says: /Extended master secret: no/ });
    await asClient(t, ec, { env });
  });
});

// Certificates by the name that is asked for, and peers that are known by the certificate they show (RFC 5922).
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type ConnectionOptions, type TLSSocket, type TlsOptions } from 'node:tls';
import t, { type Test } from 'tap';
import { issueLeaf, makeCa, type LeafFiles } from '../../../lib/cli/quickstart/certificates.js';
import type { SourceRules } from '../../../lib/sipserver/index.js';
import { start, type Stack } from './harness.js';

interface Files { dir: string; ca: string; leaf(name: string, ...names: string[]): LeafFiles }

async function authority(t: Test): Promise<Files> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-mutual-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return { dir, ca: makeCa(dir), leaf: (name, ...names) => issueLeaf(dir, name, names) };
}

/** Renewal programs put each file there in one step. */
async function replace({ cert, key }: LeafFiles, by: LeafFiles): Promise<void> {
  for (const [from, to] of [[by.key, key], [by.cert, cert]] as const) {
    await copyFile(from, `${to}.new`);
    await rename(`${to}.new`, to);
  }
}

interface Coming { readonly servername?: string; readonly from?: string; readonly shows?: LeafFiles | undefined }

/** A connection; null: it was closed before its handshake was over. */
async function client(t: Test, port: number, { servername = 'a.example.net', from = '127.0.0.1', shows }: Coming = {}): Promise<TLSSocket | null> {
  const own = shows === undefined ? {} : { cert: await readFile(shows.cert), key: await readFile(shows.key) };
  const to: ConnectionOptions & { localAddress: string } = { host: '127.0.0.1', port, servername, localAddress: from, rejectUnauthorized: false, ...own };
  const socket = connect(to);
  t.teardown(() => { socket.destroy(); });
  socket.on('error', () => { /* told by close */ });
  return Promise.race([new Promise<TLSSocket>((resolve) => { socket.once('secureConnect', () => { resolve(socket); }); }), closed(socket).then(() => null)]);
}

/** Whatever closes it. */
function closed(socket: TLSSocket): Promise<void> {
  return new Promise((resolve) => { socket.once('close', () => { resolve(); }); });
}

let asked = 0;

/** 200 where the request was answered so, 'closed' where the connection was closed instead. */
async function options(socket: TLSSocket | null, lines = ''): Promise<string> {
  if (socket === null || socket.destroyed) return 'closed';
  const n = ++asked;
  socket.write(`OPTIONS sip:a.example.net SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:${socket.localPort};branch=z9hG4bKm${n};rport\r\nMax-Forwards: 70\r\nFrom: <sip:x@127.0.0.1>;tag=${n}\r\n`
    + `To: <sip:a.example.net>\r\nCall-ID: m${n}\r\nCSeq: 1 OPTIONS\r\n${lines}Content-Length: 0\r\n\r\n`);
  return Promise.race([new Promise<string>((resolve) => { socket.once('data', (data) => { resolve(String(data).slice(8, 11)); }); }), closed(socket).then(() => 'closed')]);
}

/** Answers OPTIONS, and keeps as whom each sender was known. */
function answering({ srf }: Stack): string[] {
  const known: string[] = [];
  srf.use('options', (req, res) => {
    known.push(req.get('X-WAB-Certified-As') ?? 'nobody');
    res.send(200);
  });
  return known;
}

t.test('each name has its certificate on one socket, and a new one is taken when its files change', async (t) => {
  const files = await authority(t);
  const stack = await start(t, {
    listen: ['tls:127.0.0.1:0'], tls: files.leaf('a', 'a.example.net'),
    domains: { 'B.example.org': files.leaf('b', 'b.example.org'), 'c.example.org': files.leaf('c', 'c.example.org') },
  });
  const named = async (servername: string): Promise<string | undefined> => (await client(t, stack.port('tls'), { servername }))?.getPeerX509Certificate()?.subjectAltName;
  t.equal(await named('a.example.net'), 'DNS:a.example.net');
  t.equal(await named('b.example.org'), 'DNS:b.example.org');
  t.equal(await named('C.EXAMPLE.ORG'), 'DNS:c.example.org');
  t.equal(await named('d.example.org'), 'DNS:a.example.net', 'a name that is none of ours');
  const renewed = files.leaf('renewed', 'b.example.org', 'www.b.example.org');
  await replace({ cert: join(files.dir, 'b.pem'), key: join(files.dir, 'b.key') }, renewed);
  while (!stack.logs.some((line) => line.startsWith('certificate read again'))) await new Promise((resolve) => { setTimeout(resolve, 50); });
  t.equal(await named('b.example.org'), 'DNS:b.example.org, DNS:www.b.example.org');
  t.equal(await named('c.example.org'), 'DNS:c.example.org', 'the others stay');

  const domains = { 'b.example.org': { cert: join(files.dir, 'b.pem'), key: join(files.dir, 'b.key') }, 'd.example.org': files.leaf('d', 'd.example.org') };
  await stack.server.setDomains(domains);
  t.same([await named('b.example.org'), await named('c.example.org'), await named('d.example.org')], ['DNS:b.example.org, DNS:www.b.example.org', 'DNS:a.example.net', 'DNS:d.example.org'], 'names come and go with a reload');
  await t.rejects(stack.server.setDomains({ 'e.example.org': { cert: join(files.dir, 'd.pem'), key: join(files.dir, 'b.key') } }));
  t.equal(await named('d.example.org'), 'DNS:d.example.org', 'a file that does not load leaves all as it was');
});

t.test('a peer is known by its certificate, wherever it comes from', async (t) => {
  const [ours, theirs, others] = [await authority(t), await authority(t), await authority(t)];
  const sources = (more: Partial<SourceRules> = {}): SourceRules => ({
    known: [{ networks: ['127.0.0.9'], protocols: ['tls'] }], guests: [], unasked: ['127.0.0.7'],
    clients: [{ name: 'sbc', hosts: ['sbc.example.org'], ca: theirs.ca }, { name: 'other', hosts: ['other.example.org', '192.0.2.8'], ca: others.ca }], ...more,
  });
  const stack = await start(t, { listen: ['tls:127.0.0.1:0'], tls: ours.leaf('a', 'a.example.net'), sources: sources() });
  const known = answering(stack);
  const ask = async (from: string, shows?: LeafFiles, lines?: string): Promise<string> => {
    return options(await client(t, stack.port('tls'), { from, shows }), lines);
  };
  const right = theirs.leaf('right', 'x.example.org', 'sbc.example.org');
  t.equal(await ask('127.0.0.1', right), '200');
  t.equal(await ask('127.0.0.1', right, 'X-WAB-Certified-As: other\r\n'), '200', 'what it says of itself counts for nothing');
  t.equal(await ask('127.0.0.1', others.leaf('by-address', '192.0.2.8')), '200');
  t.same(known.splice(0), ['sbc', 'sbc', 'other']);
  t.equal(await ask('127.0.0.9', undefined, 'X-WAB-Certified-As: sbc\r\n'), '200', 'known by its address');
  t.same(known.splice(0), ['nobody'], 'and as nobody else');
  for (const [what, shows] of [
    ['no certificate', undefined], ['the name by the CA of another peer', others.leaf('forged', 'sbc.example.org')], ['another name', theirs.leaf('wrong', 'www.example.org')],
    ['a wildcard', theirs.leaf('wild', '*.example.org')], ['a CA of nobody', ours.leaf('stranger', 'sbc.example.org')],
  ] as const) t.equal(await ask('127.0.0.1', shows), 'closed', what);
  for (const why of ['it does not lead to a CA of peers.*.tls.ca or meta.proxy.ca, or is not good now (UNABLE_TO_VERIFY_LEAF_SIGNATURE); its names: DNS:sbc.example.org', 'the CA of peer sbc, which it names, has not issued it; its names: DNS:sbc.example.org',
    'it names no host of a peer that has tls.ca, nor that of meta.proxy; its names: DNS:www.example.org', 'it names no host of a peer that has tls.ca, nor that of meta.proxy; its names: DNS:*.example.org']) {
    t.ok(stack.logs.some((line) => line.startsWith(`the certificate that 127.0.0.1 shows makes nobody known: ${why}`)), why);
  }
  t.equal(await ask('127.0.0.7', right), 'closed', 'who is not to be asked shows nothing');
  t.same(known, []);

  // Rules of a reload hold for connections that are up too.
  const socket = await client(t, stack.port('tls'), { shows: right });
  t.equal(await options(socket), '200');
  stack.server.setSources(sources({ clients: [{ name: 'sbc', hosts: ['new.example.org'], ca: theirs.ca }] }));
  const fresh = theirs.leaf('fresh', 'new.example.org');
  while (await ask('127.0.0.1', fresh) !== '200') await new Promise((resolve) => { setTimeout(resolve, 50); });
  t.equal(await options(socket), 'closed');
});

/** A TLS server that answers OPTIONS with 200. */
async function far(t: Test, given: LeafFiles, more: TlsOptions = {}): Promise<{ port: number; sockets: Set<TLSSocket> }> {
  const sockets = new Set<TLSSocket>();
  const server = createServer({ cert: await readFile(given.cert), key: await readFile(given.key), ...more }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => { /* the server goes */ });
    socket.on('data', (data) => { socket.write(String(data).replace(/^OPTIONS [^\r]*/, 'SIP/2.0 200 OK')); });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => { server.close(); for (const socket of sockets) socket.destroy(); });
  return { port: (server.address() as AddressInfo).port, sockets };
}

/** The status of OPTIONS that we send by TLS. */
function asking({ srf }: Stack, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    srf.request({ uri: `sip:${host}:${port};transport=tls`, method: 'OPTIONS' }, (error, req) => {
      if (error) reject(error as Error);
      else req.on('response', (res: { status: number }) => { resolve(res.status); });
    });
  });
}

t.test('a peer that asks for a certificate is shown ours, and judged by its own CA; changed files are taken', async (t) => {
  const [ours, theirs] = [await authority(t), await authority(t)];
  const shown = ours.leaf('shown', 'a.example.net');
  const { port, sockets } = await far(t, theirs.leaf('sbc', 'localhost'), { ca: await readFile(ours.ca), requestCert: true, rejectUnauthorized: true });
  const seen = (): (string | undefined)[] => [...sockets].map((socket) => socket.getPeerX509Certificate()?.subjectAltName);
  const stack = await start(t, { listen: ['tls:127.0.0.1:0'], tls: ours.leaf('a', 'a.example.net') });
  const ask = (): Promise<number> => asking(stack, 'localhost', port);
  t.equal(await ask(), 503, 'its CA is nobody we know');
  stack.server.setTlsWith({ LocalHost: { ca: theirs.ca } });
  t.not(await ask(), 200, 'it wants a certificate');
  stack.server.setTlsWith({ localhost: { ca: theirs.ca, ...shown } });
  t.equal(await ask(), 200);
  t.same(seen(), ['DNS:a.example.net']);
  const again = async (): Promise<number> => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    return ask();
  };
  await writeFile(shown.cert, 'half of it');
  t.equal(await again(), 200, 'what does not load leaves what was');
  t.equal(await again(), 200);
  t.same(stack.logs.filter((line) => line.includes('do not load')).map((line) => line.replace(/\/[^ ,)]*\//g, '').split(' {')[0]),
    ['changed files for TLS connections of ours do not load, the old ones stay (ca.pem, shown.pem, shown.key)'], 'told once');
  await replace(shown, ours.leaf('newer', 'newer.example.net'));
  t.equal(await again(), 200);
  t.same(seen(), ['DNS:newer.example.net']);
  stack.server.setTlsWith({ localhost: { verify: false, ...shown } });
  t.equal(await ask(), 200, 'not judged where the operator says so');
});

t.test('whom we call is named by its certificate as RFC 5922 has it; Meta also as on the web', async (t) => {
  const theirs = await authority(t);
  for (const [what, host, names, status, ofMeta] of [
    ['dns', 'localhost', ['DNS=localhost'], 200, 200], ['uri', 'localhost', ['URI=sip:LOCALHOST'], 200, 200], ['dns-beside-uri', 'localhost', ['DNS=localhost', 'URI=sip:other.example.org'], 503, 200],
    ['wildcard', 'sbc.example.org', ['DNS=*.example.org'], 503, 200], ['other', 'localhost', ['DNS=www.example.org'], 503, 503], ['address', '127.0.0.1', ['IP=127.0.0.1'], 200, 200], ['address-in-a-uri', '127.0.0.1', ['URI=sip:127.0.0.1'], 200, 503],
    ['subject', 'localhost', [], 503, 200],
  ] as const) {
    const { port } = await far(t, await issued(theirs.dir, what, names, host));
    for (const [reserved, expected] of [[[], status], [[host], ofMeta]] as const) {
      const stack = await start(t, { listen: ['tls:127.0.0.1:0'], tls: theirs.leaf(`own-${what}`, 'a.example.net'), targets: { 'sbc.example.org': { address: '127.0.0.1', port } }, tlsWith: { [host]: { ca: theirs.ca } }, reserved: { hosts: [...reserved], networks: [] } });
      t.equal(await asking(stack, host, port), expected, `${what}${reserved.length > 0 ? ', of Meta' : ''}`);
    }
  }
});

/** By OpenSSL, which writes any name into a certificate; `names` as in its configuration. */
async function issued(dir: string, name: string, names: readonly string[], subject = 'x'): Promise<LeafFiles> {
  const [cert, key, csr, ext] = ['pem', 'key', 'csr', 'ext'].map((end) => join(dir, `${name}.${end}`)) as [string, string, string, string];
  await writeFile(ext, names.length === 0 ? 'basicConstraints=CA:FALSE\n' : `subjectAltName=@names\n[names]\n${names.map((one, i) => one.replace('=', `.${i}=`)).join('\n')}\n`);
  execFileSync('openssl', ['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${subject}`, '-keyout', key, '-out', csr], { stdio: 'pipe' });
  execFileSync('openssl', ['x509', '-req', '-in', csr, '-CA', join(dir, 'ca.pem'), '-CAkey', join(dir, 'ca.key'), '-set_serial', '7', '-days', '2', '-extfile', ext, '-out', cert], { stdio: 'pipe' });
  return { cert, key };
}

t.test('names of a certificate are those of RFC 5922, and no entry is taken for two', async (t) => {
  const [ours, theirs] = [await authority(t), await authority(t)];
  const stack = await start(t, {
    listen: ['tls:127.0.0.1:0'], tls: ours.leaf('a', 'a.example.net'),
    sources: { known: [], guests: [], unasked: [], clients: [{ name: 'sbc', hosts: ['sbc.example.org'], ca: theirs.ca }] },
  });
  answering(stack);
  for (const [what, names, is] of [
    ['uri', ['URI=sip:SBC.example.org'], '200'], ['uri-with-port', ['URI=sip:sbc.example.org:5061'], '200'], ['dns', ['DNS=sbc.example.org'], '200'], ['other-scheme', ['DNS=sbc.example.org', 'URI=https://www.example.org'], '200'],
    ['dns-beside-uri', ['DNS=sbc.example.org', 'URI=sip:www.example.org'], 'closed'], ['user', ['URI=sip:x@sbc.example.org'], 'closed'],
    ['injected-dns', ['DNS=x.example.org\\, URI:sip:sbc.example.org'], 'closed'], ['injected-uri', ['URI=https://x.example.org/a\\, URI:sip:sbc.example.org'], 'closed'],
    ['injected-behind-a-quote', ['URI=https://x.example.org/\\"\\, URI:sip:sbc.example.org'], 'closed'], ['injected-between', ['URI=https://x.example.org/\\, URI:sip:sbc.example.org\\, DNS:x'], 'closed'],
  ] as const) t.equal(await options(await client(t, stack.port('tls'), { shows: await issued(theirs.dir, what, names) })), is, what);
});

t.test('signatures are verified once for a connection', async (t) => {
  const [ours, theirs] = [await authority(t), await authority(t)];
  const stack = await start(t, {
    listen: ['tls:127.0.0.1:0'], tls: ours.leaf('a', 'a.example.net'),
    sources: { known: [], guests: [], unasked: [], clients: [{ name: 'sbc', hosts: ['sbc.example.org'], ca: theirs.ca }] },
  });
  const known = answering(stack);
  const socket = await client(t, stack.port('tls'), { shows: theirs.leaf('right', 'sbc.example.org') });
  t.equal(await options(socket), '200');
  const calls = t.capture(X509Certificate.prototype, 'verify', X509Certificate.prototype.verify);
  for (let i = 0; i < 5; i++) t.equal(await options(socket), '200');
  t.equal(calls().length, 0);
  t.same(known, ['sbc', 'sbc', 'sbc', 'sbc', 'sbc', 'sbc']);
});

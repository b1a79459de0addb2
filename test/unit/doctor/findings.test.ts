import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { parseConfig } from '../../../lib/config/load.js';
import type { Config } from '../../../lib/config/types.js';
import { examineCertificate } from '../../../lib/doctor/certificate.js';
import { examineEngines } from '../../../lib/doctor/engines.js';
import { examineFiles } from '../../../lib/doctor/files.js';
import type { Findings } from '../../../lib/doctor/index.js';
import { examineListeners, examineMeta, examineNames } from '../../../lib/doctor/network.js';
import { examinePeers } from '../../../lib/doctor/peers.js';
import { startPeer } from '../../../lib/simulator/index.js';
import { startSipServer } from '../../../lib/sipserver/index.js';
import { makeCertificates, type CertificateFiles } from '../../helpers/certificates.js';
import { runnable } from '../../helpers/runnable.js';

const number = '+447700900001';
// Certificates of this test are valid from now on, to the second.
const now = Date.now() + 60_000;
const day = 86_400_000;

function configOf(more: object): Config {
  return parseConfig(stringify({ domain: 'sbc.example.net', sip: { listen: ['udp:127.0.0.1:0'] }, numbers: { [number]: { password: 'x' } }, http: { listen: null }, cdr: { file: null }, ...more }), { env: {}, path: 'test' });
}

/** Findings that are not ok, as "level text → todo". */
const troubles = (findings: Findings): string[] => findings.flatMap(({ level, text, todo }) => (level === 'ok' ? [] : [`${level} ${text} → ${todo}`]));
const one = (t: Test, findings: Findings, pattern: RegExp): void => {
  t.equal(troubles(findings).length, 1, JSON.stringify(findings));
  t.match(troubles(findings)[0], pattern);
};

t.test('certificate', async (t) => {
  const dir = t.testdir();
  const files: CertificateFiles = await makeCertificates(dir, { domain: 'sbc.example.net' });
  const look = (tls: { cert: string | null; key: string | null }, at = now, more: object = { meta: { ca: files.ca } }): Promise<Findings> =>
    examineCertificate({ ...configOf(more), sip: { ...configOf({}).sip, tls } }, at);
  const good = { cert: files.cert, key: files.key };
  t.same(troubles(await look(good)), []);
  t.equal((await look(good)).length, 4);
  one(t, await look({ cert: null, key: null }), /^fail there is none → set sip\.tls\.cert and sip\.tls\.key/);
  one(t, await look({ ...good, cert: join(dir, 'none.pem') }), /^fail .*none\.pem cannot be read: ENOENT → correct sip\.tls\.cert/);
  one(t, await look({ ...good, key: files.cert }), /^fail .*cannot be read: .*→ correct sip\.tls\.key/);
  one(t, await look({ ...good, cert: files.key }), /^fail .* holds no certificate → it must be a PEM file/);
  one(t, await look({ ...good, key: files.metaKey }), /^fail .* is not the key of .* → put the key there/);
  one(t, await look({ cert: files.metaCert, key: files.metaKey }), /^fail does not name sbc\.example\.net \(its names: DNS:wa\.meta\.vc.*subjectAltName has DNS:sbc\.example\.net/);
  one(t, await look(good, now + 31 * day), /^fail expired on .* → renew it/);
  one(t, await look(good, now + 25 * day), /^warn valid for [45] more days → renew it now/);
  one(t, await look(good, now - 2 * day), /^fail not valid before .* → wait, or set the clock/);
  one(t, await look(good, now, {}), /^fail its chain ends at CN=sbc\.example\.net, issued by CN=wa-b2bua throw-away CA → add the intermediate certificates/);
  const both = join(dir, 'full.pem');
  writeFileSync(both, readFileSync(files.cert, 'utf8') + readFileSync(files.ca, 'utf8'));
  one(t, await look({ ...good, cert: both }, now, {}), /^fail it is self-signed, or by a CA of your own → get one of a public CA/);
  t.same(troubles(await look({ ...good, cert: both })), []);
  writeFileSync(both, readFileSync(files.cert, 'utf8') + readFileSync(files.metaCert, 'utf8'));
  one(t, await look({ ...good, cert: both }), /^fail certificate 2 of the file did not issue certificate 1 → put them in order/);
  const drachtio = configOf({ sip: { server: 'drachtio', drachtio: [{ secret: 'x' }] } });
  t.match(await examineCertificate(drachtio, now), [{ level: 'ok', text: /drachtio-server keeps it/ }]);
});

t.test('dns', async (t) => {
  const named = (addresses: Record<string, string>, more: object): Promise<Findings> => examineNames(configOf(more), (name) => Promise.resolve([addresses[name]!]));
  t.same(troubles(await named({ 'sbc.example.net': '127.0.0.1', 'wa.meta.vc': '203.0.113.9' }, {})), [], 'an address of this machine');
  const nat = { 'sbc.example.net': '203.0.113.4' };
  one(t, await named(nat, { meta: { address: '127.0.0.1' } }), /^warn sbc\.example\.net is 203\.0\.113\.4: no address of this machine → right only if something in front/);
  t.same(troubles(await named(nat, { meta: { address: '127.0.0.1' }, media: { rtpengine: { interface: '10.0.0.4!203.0.113.4' } } })), [], 'the public address of ours');
  const findings = await examineNames(configOf({ domain: 'no-such-host.invalid', meta: { host: 'neither.invalid' } }));
  t.match(troubles(findings), [/^fail no-such-host\.invalid does not resolve: .* → give it an A or AAAA record/, /^fail neither\.invalid does not resolve: .* → correct meta\.host/]);
});

t.test('the way to Meta', async (t) => {
  const files = await makeCertificates(t.testdir(), { domain: 'sbc.example.net' });
  const server = await startSipServer({ listen: ['tls:127.0.0.1:0', 'tcp:127.0.0.1:0'], admin: { host: '127.0.0.1', port: 0, secret: 's' }, tls: { cert: files.metaCert, key: files.metaKey } });
  t.teardown(() => server.close());
  const port = Number(server.listening[0]!.split(':').pop());
  const at = (meta: object, more: object = {}): Promise<Findings> => examineMeta(configOf({ meta: { address: '127.0.0.1', port, ca: files.ca, ...meta }, ...more }));
  t.same(troubles(await at({})), []);
  one(t, await at({ host: 'other.example.net' }), /^fail TLS to other\.example\.net:\d+ fails: ERR_TLS_CERT_ALTNAME_INVALID → somebody else answers there/);
  one(t, await at({ ca: null }), /^fail .* fails: (UNABLE_TO|SELF_SIGNED).* → somebody else answers there/);
  one(t, await at({ ca: '/no/such/file' }), /^fail \/no\/such\/file cannot be read: ENOENT → correct meta\.ca/);
  one(t, await at({ port: await closedPort() }), /^fail .* fails: ECONNREFUSED → let TCP \d+ out to wa\.meta\.vc/);
  one(t, await at({}, { sip: { server: 'drachtio', drachtio: [{ secret: 'x' }] } }), /^warn drachtio-server does not check the certificate of Meta → /);
});

t.test('listeners', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.teardown(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  const at = (listen: string): Promise<Findings> => examineListeners(configOf({ sip: { listen: [listen] } }));
  for (const transport of ['udp', 'tcp']) t.same(troubles(await at(`${transport}:127.0.0.1:${await closedPort()}`)), [], transport);
  one(t, await at(`tcp:127.0.0.1:${port}`), new RegExp(`^warn tcp:127\\.0\\.0\\.1:${port} is in use → right if it is the running service; who has it: ss -lnp "sport = :${port}"`));
  one(t, await at('udp:192.0.2.77:5060'), /^fail udp:192\.0\.2\.77:5060 is no address of this machine → correct sip\.listen/);
  one(t, await at('tcp:192.0.2.77:5060'), /^fail .* is no address of this machine/);
  one(t, await examineListeners(configOf({ http: { listen: `127.0.0.1:${port}` } })), /^warn tcp:127\.0\.0\.1:\d+ is in use/);
});

t.test('engines', async (t) => {
  const server = await startSipServer({ listen: ['udp:127.0.0.1:0'], admin: { host: '127.0.0.1', port: 0, secret: 'right' } });
  t.teardown(() => server.close());
  const closed = await closedPort();
  const drachtio = (port: number, secret: string): Promise<Findings> => examineEngines(configOf({ sip: { server: 'drachtio', drachtio: [{ port, secret }] } }))
    .then((all) => all.filter(({ check }) => check === 'drachtio'));
  t.same(troubles(await drachtio(server.admin.port, 'right')), []);
  one(t, await drachtio(server.admin.port, 'wrong'), /^fail .* refuses the secret → sip\.drachtio\[\]\.secret must be/);
  one(t, await drachtio(closed, 'x'), /^fail .* does not answer: ECONNREFUSED → start drachtio-server/);
  const talker = async (greeting: string, reply: string): Promise<number> => {
    const listener = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.write(greeting);
      socket.on('data', () => socket.write(reply));
    }).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    t.teardown(() => listener.close());
    return (listener.address() as AddressInfo).port;
  };
  one(t, await drachtio(await talker('SSH-2.0-x\r\n', ''), 'x'), /^fail .* is no drachtio-server → /);

  const freeswitch = (port: number): Promise<Findings> => examineEngines(configOf({ media: { engine: 'freeswitch', freeswitch: [{ port, secret: 'ClueCon' }], webrtc: 'nudge' } }));
  const ask = 'Content-Type: auth/request\n\n';
  t.same(troubles(await freeswitch(await talker(ask, 'Content-Type: command/reply\nReply-Text: +OK accepted\n\n'))), []);
  one(t, await freeswitch(await talker(ask, 'Content-Type: command/reply\nReply-Text: -ERR invalid\n\n')), /^fail .* refuses the secret → media\.freeswitch/);
  one(t, await freeswitch(await talker('Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n', '')), /^fail .* does not let this address in → add it to the ACL/);
  one(t, await freeswitch(await talker('hello', '')), /^fail .* is no event socket → /);
  one(t, await freeswitch(closed), /^fail .* does not answer: ECONNREFUSED → start FreeSWITCH/);

  const rtpengine = (rtp: object): Promise<Findings> => examineEngines(configOf({ media: { engine: 'rtpengine', rtpengine: rtp } }));
  one(t, await rtpengine({ program: '/no/such/rtpengine', interface: { meta: '127.0.0.2', peers: '127.0.0.1' } }).then((all) => all.filter(({ text }) => !text.includes('towards Meta'))), /^fail \/no\/such\/rtpengine is not installed → apt-get install/);
  one(t, await rtpengine({ program: '/bin/false', interface: '127.0.0.1' }).then((all) => all.filter(({ text }) => !text.includes('towards Meta'))), /^fail \/bin\/false does not run: /);
  t.match(troubles(await rtpengine({ program: '/bin/true', interface: '127.0.0.1' })), [/^warn media towards Meta is on 127\.0\.0\.1 → right for trying out only/]);
  t.match(troubles(await rtpengine({ program: '/bin/true', interface: '192.0.2.77' })), [/^fail 192\.0\.2\.77 is no address of this machine → correct media\.rtpengine\.interface/]);
  t.match(troubles(await examineEngines(configOf({ media: { interface: '192.0.2.77' } }))), [/^fail 192\.0\.2\.77 is no address of this machine → correct media\.interface/], 'our own engine needs no program, and an address of this machine');
  one(t, await rtpengine({ spawn: false, control: [`127.0.0.1:${closed}`] }), /^fail 127\.0\.0\.1:\d+ does not answer a ping → start rtpengine/);
  const engine = async (answer: string): Promise<Findings> => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    t.teardown(() => socket.close());
    socket.on('message', (asked, { port }) => socket.send(`${asked.toString('latin1').split(' ')[0]} ${answer}`, port, '127.0.0.1'));
    return rtpengine({ spawn: false, control: [`127.0.0.1:${socket.address().port}`] });
  };
  t.match(await engine('d6:result4:ponge'), [{ level: 'ok', text: /^127\.0\.0\.1:\d+ answers$/ }]);
  one(t, await engine('d6:result5:errore'), /^fail 127\.0\.0\.1:\d+ does not answer a ping/);
});

t.test('peers', async (t) => {
  const files = await makeCertificates(t.testdir(), { domain: 'localhost' });
  const peer = async (uri: string, more: object = {}): Promise<Findings> => examinePeers(configOf({ peers: { pbx: { uri, pstn: 'none', ...more } } }));
  for (const transport of ['udp', 'tcp']) {
    const pbx = await startPeer({ listen: `${transport}:127.0.0.1:0` });
    t.teardown(() => pbx.close());
    t.match(await peer(pbx.uri), [{ level: 'ok', text: /answers OPTIONS with 200/ }], transport);
  }
  const secure = await startPeer({ listen: 'tls:127.0.0.1:0', tls: { cert: files.cert, key: files.key } });
  t.teardown(() => secure.close());
  one(t, await peer(`sip:localhost:${secure.port};transport=tls`), /^fail pbx: tls:localhost:\d+ does not answer OPTIONS: (UNABLE_TO|SELF_SIGNED|DEPTH_ZERO).* → start it, let our address in there, or correct peers\.pbx\.uri/);
  const answering = async (text: string | null): Promise<string> => {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    t.teardown(() => socket.close());
    socket.on('message', (_data, from) => { if (text !== null) socket.send(text, from.port, from.address); });
    return `sip:127.0.0.1:${socket.address().port}`;
  };
  one(t, await peer(await answering('SIP/2.0 503 Busy\r\n\r\n')), /^warn .* answers 503 Busy → it says that it cannot serve/);
  one(t, await peer(await answering('SIP/2.0 403 Forbidden\r\n\r\n')), /^warn .* answers 403 Forbidden → it may not know this address/);
  t.same(troubles(await peer(await answering('SIP/2.0 404 Not Found\r\n\r\n'))), []);
  one(t, await peer(await answering('hello')), /^fail .* what comes back is no SIP → /);
  one(t, await peer(await answering(null)), /^fail .* does not answer OPTIONS: no answer → .* if it ignores OPTIONS, set health\.interval: 0/);
  one(t, await peer(`sip:127.0.0.1:${await closedPort()};transport=tcp`), /^fail .* does not answer OPTIONS: ECONNREFUSED/);
  one(t, await peer('sip:no-such-pbx.invalid'), /^warn pbx: no-such-pbx\.invalid has no address record → /);
  one(t, await peer('sip:127.0.0.1', { pstn: 'gateway' }), /^warn pbx: pstn is gateway, so no call goes there → write peers\.pbx\.pstn: none/);
  t.match(await examinePeers(configOf({ peers: { phones: { register: true, accounts: { 6001: { password: 'x' } } } } })), [{ level: 'ok', text: 'phones: 1 users may register here' }]);
});

t.test('files', async (t) => {
  const dir = t.testdir({ 'closed.wav': 'x' });
  const look = (more: object): Promise<Findings> => examineFiles(configOf({ peers: { pbx: { uri: 'sip:127.0.0.1', pstn: 'none', users: ['6001'] } }, ...more }), Date.now());
  const route = (downMessage: string): object => ({ routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }], downMessage }] });
  t.same(troubles(await look({ ...route(join(dir, 'closed.wav')), cdr: { file: join(dir, 'cdr.jsonl') } })), []);
  one(t, await look(route(join(dir, 'gone.wav'))), /^fail downMessage of route main: .*gone\.wav: ENOENT → the user of the service must be able to read it/);
  one(t, await look({ cdr: { file: '/no/such/dir/cdr.jsonl' } }), /^fail cdr\.file: \/no\/such\/dir: ENOENT → the user of the service must be able to write there/);
  one(t, await look({ state: 'file:/no/such/dir/state' }), /^fail state: \/no\/such\/dir: ENOENT/);
});

t.test('the command prints one line for each finding, what to do below it, and ends with 1 when calls would fail', (t) => {
  const file = join(t.testdir(), 'wab.yaml');
  writeFileSync(file, stringify({ domain: 'no-such-host.invalid', sip: { listen: ['udp:127.0.0.1:0'] }, numbers: { [number]: { password: 'x' } }, http: { listen: null }, cdr: { file: null }, meta: { address: '127.0.0.1', port: 1 }, media: { rtpengine: { program: '/bin/true' } } }));
  const run = (...more: string[]): { status: number; out: string } => {
    try {
      return { status: 0, out: execFileSync(process.execPath, ['--import=./test/helpers/loader.js', runnable('lib/cli/main.ts'), 'doctor', '-c', file, ...more], { encoding: 'utf8' }) };
    } catch (error) {
      const { status, stdout } = error as { status: number; stdout: string };
      return { status, out: stdout };
    }
  };
  const { status, out } = run();
  t.equal(status, 1);
  t.match(out, /^FAIL certificate {2}there is none\n {18}→ set sip\.tls\.cert/m);
  t.match(out, /^ok {3}listen {7}udp:127\.0\.0\.1:0 is free$/m);
  t.ok((JSON.parse(run('--json').out) as Findings).every(({ level, todo }) => (level === 'ok') === (todo === null)));
  t.end();
});

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

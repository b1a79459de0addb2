import { X509Certificate, createPrivateKey, randomBytes } from 'node:crypto';
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { connect as connectTcp, createServer, type AddressInfo } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { loadConfig } from '../config/load.js';
import type { Config } from '../config/types.js';
import { parseUri, uriParam } from '../sip/uri.js';

interface Finding {
  readonly check: string;
  readonly ok: boolean;
  /** What was found, or what to do. */
  readonly text: string;
}

const timeoutMs = 3000;

/** `wa-b2bua doctor -c FILE`: looks at the live surroundings; exit status 1 when something would keep calls from working. */
export function registerDoctorCommand(program: Command): void {
  program.command('doctor').description('check certificate, DNS, ports, engines and peers as they are now')
    .requiredOption('-c, --config <file>', 'configuration file').option('--json', 'machine-readable output')
    .action(async ({ config: path, json }: { config: string; json?: boolean }) => {
      const config = loadConfig(path);
      const findings = (await Promise.all([certificate(config), names(config), meta(config), listeners(config), engines(config), peers(config)])).flat();
      if (json === true) process.stdout.write(`${JSON.stringify(findings, null, 2)}\n`);
      else for (const { check, ok, text } of findings) process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${check.padEnd(12)} ${text}\n`);
      process.exitCode = findings.every((f) => f.ok) ? 0 : 1;
    });
}

async function certificate({ domain, sip: { tls } }: Config): Promise<Finding[]> {
  const check = 'certificate';
  if (tls.cert === null || tls.key === null) return [{ check, ok: false, text: 'sip.tls.cert and sip.tls.key are not set: Meta speaks TLS only' }];
  try {
    const leaf = new X509Certificate(await readFile(tls.cert));
    const key = createPrivateKey(await readFile(tls.key));
    const days = Math.floor((Date.parse(leaf.validTo) - Date.now()) / 86_400_000);
    return [
      { check, ok: leaf.checkPrivateKey(key), text: leaf.checkPrivateKey(key) ? 'certificate and key belong together' : `${tls.key} is not the key of ${tls.cert}` },
      { check, ok: leaf.checkHost(domain) !== undefined, text: leaf.checkHost(domain) !== undefined ? `names ${domain}` : `does not name ${domain}: Meta will not connect (its subjectAltName: ${leaf.subjectAltName ?? 'none'})` },
      { check, ok: days > 7, text: days < 0 ? `expired on ${leaf.validTo}` : `valid for ${days} more days` },
    ];
  } catch (error) {
    return [{ check, ok: false, text: (error as Error).message }];
  }
}

async function names(config: Config): Promise<Finding[]> {
  const wanted = [config.domain, ...(config.meta.address === null ? [config.meta.host] : [])];
  return Promise.all(wanted.map(async (name) => {
    try {
      const found = await lookup(name, { all: true });
      return { check: 'dns', ok: true, text: `${name} is ${found.map((f) => f.address).join(', ')}` };
    } catch (error) {
      return { check: 'dns', ok: false, text: `${name} does not resolve (${(error as NodeJS.ErrnoException).code ?? 'error'})` };
    }
  }));
}

/** The outbound TLS path is needed for our BYE even by a service that only takes calls (META-SIP §3). */
async function meta(config: Config): Promise<Finding[]> {
  const { host, port, address, ca } = config.meta;
  const text = await new Promise<string | null>((resolve) => {
    void (async () => {
      const socket = connectTls({
        host: address ?? host, port, servername: host, minVersion: 'TLSv1.2', timeout: timeoutMs,
        ...(ca === null ? {} : { ca: await readFile(ca, 'utf8') }),
      });
      const done = (result: string | null): void => { socket.destroy(); resolve(result); };
      socket.once('secureConnect', () => done(null)).once('timeout', () => done('no answer')).once('error', (error) => done(error.message));
    })();
  });
  return [{ check: 'meta', ok: text === null, text: text === null ? `TLS to ${host}:${port} is up and its certificate is right` : `TLS to ${host}:${port} fails: ${text}` }];
}

async function listeners(config: Config): Promise<Finding[]> {
  if (config.sip.server !== 'embedded') return [];
  return Promise.all(config.sip.listen.map(async (listen) => {
    const [, transport, host, port] = /^(\w+):(.*):(\d+)$/.exec(listen)!;
    const free = transport === 'udp' ? await udpFree(host!, Number(port)) : await tcpFree(host!, Number(port));
    return { check: 'listen', ok: true, text: free ? `${listen} is free` : `${listen} is taken: by the running service, one hopes` };
  }));
}

const bare = (host: string): string => host.replace(/^\[|\]$/g, '');

function tcpFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, bare(host), () => server.close(() => resolve(true)));
  });
}

function udpFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes('[') ? 'udp6' : 'udp4');
    socket.once('error', () => { socket.close(); resolve(false); });
    socket.bind(port, bare(host), () => socket.close(() => resolve(true)));
  });
}

async function engines(config: Config): Promise<Finding[]> {
  const tcp = (what: string, host: string, port: number): Promise<Finding> => new Promise((resolve) => {
    const socket = connectTcp({ host, port, timeout: timeoutMs });
    const done = (ok: boolean, text: string): void => { socket.destroy(); resolve({ check: what, ok, text: `${host}:${port} ${text}` }); };
    socket.once('connect', () => done(true, 'answers')).once('timeout', () => done(false, 'does not answer')).once('error', (e) => done(false, e.message));
  });
  const out: Promise<Finding>[] = [];
  if (config.sip.server === 'drachtio') out.push(...config.sip.drachtio.map(({ host, port }) => tcp('drachtio', host, port)));
  if (config.media.engine === 'freeswitch') out.push(...config.media.freeswitch.map(({ host, port }) => tcp('freeswitch', host, port)));
  else if (config.media.rtpengine.spawn) out.push(rtpengineProgram(config.media.rtpengine.program));
  else out.push(...config.media.rtpengine.control.map(rtpenginePing));
  return Promise.all(out);
}

async function rtpengineProgram(program: string): Promise<Finding> {
  try {
    const { stdout, stderr } = await promisify(execFile)(program, ['--version'], { timeout: timeoutMs });
    return { check: 'rtpengine', ok: true, text: (stdout || stderr).trim().split('\n')[0] ?? program };
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return { check: 'rtpengine', ok: false, text: missing ? `${program} is not installed: apt-get install --no-install-recommends rtpengine-daemon` : (error as Error).message };
  }
}

async function rtpenginePing(address: string): Promise<Finding> {
  const cookie = randomBytes(6).toString('hex');
  const answer = await ask(address, `${cookie} d7:command4:pinge`);
  const ok = answer?.startsWith(cookie) === true && answer.includes('pong');
  return { check: 'rtpengine', ok, text: ok ? `${address} answers` : `${address} does not answer a ping` };
}

async function peers(config: Config): Promise<Finding[]> {
  return Promise.all(Object.entries(config.peers).map(async ([name, peer]) => {
    const uri = parseUri(peer.uri);
    if (uri === null) return { check: 'peer', ok: false, text: `${name}: ${peer.uri} cannot be read` };
    const transport = (uriParam(uri.params, 'transport') ?? 'udp').toLowerCase();
    const port = uri.port ?? (transport === 'tls' ? 5061 : 5060);
    if (transport !== 'udp') {
      const [found] = await new Promise<Finding[]>((resolve) => {
        const socket = connectTcp({ host: bare(uri.host), port, timeout: timeoutMs });
        const done = (ok: boolean, text: string): void => { socket.destroy(); resolve([{ check: 'peer', ok, text: `${name}: ${text}` }]); };
        socket.once('connect', () => done(true, `${uri.host}:${port} accepts connections`)).once('timeout', () => done(false, `${uri.host}:${port} does not answer`)).once('error', (e) => done(false, e.message));
      });
      return found!;
    }
    const answer = await ask(`${uri.host}:${port}`, (local) => options(uri.host, port, local));
    const status = /^SIP\/2\.0 (\d{3} [^\r\n]*)/.exec(answer ?? '')?.[1];
    return { check: 'peer', ok: status !== undefined, text: status === undefined ? `${name}: ${uri.host}:${port} does not answer OPTIONS` : `${name}: ${uri.host}:${port} answers OPTIONS with ${status}` };
  }));
}

/** RFC 3261 §11: OPTIONS outside a dialog. */
function options(host: string, port: number, local: AddressInfo): string {
  const id = randomBytes(8).toString('hex');
  return [
    `OPTIONS sip:${host}:${port} SIP/2.0`, `Via: SIP/2.0/UDP ${local.address}:${local.port};branch=z9hG4bK${id};rport`, 'Max-Forwards: 70',
    `From: <sip:doctor@${local.address}:${local.port}>;tag=${id}`, `To: <sip:${host}:${port}>`, `Call-ID: ${id}`, 'CSeq: 1 OPTIONS',
    `Contact: <sip:doctor@${local.address}:${local.port}>`, 'Content-Length: 0', '', '',
  ].join('\r\n');
}

/** Sends one datagram (twice, should the first be lost) and gives the first answer; null when none came. */
function ask(address: string, message: string | ((local: AddressInfo) => string)): Promise<string | null> {
  const [, host, port] = /^(.*):(\d+)$/.exec(address)!;
  return new Promise((resolve) => {
    const socket = createSocket(host!.includes('[') ? 'udp6' : 'udp4');
    const timers = [setTimeout(() => send(), timeoutMs / 3), setTimeout(() => done(null), timeoutMs)];
    const done = (answer: string | null): void => {
      timers.forEach((timer) => clearTimeout(timer));
      socket.close();
      resolve(answer);
    };
    const send = (): void => socket.send(typeof message === 'string' ? message : message(socket.address()));
    socket.once('error', () => done(null));
    socket.on('message', (data) => done(data.toString('utf8')));
    socket.connect(Number(port), bare(host!), (error?: Error) => (error === undefined ? send() : done(null)));
  });
}

// What scripts/bench, scripts/siege and scripts/mutations share: a service in a process of its own, sipp as its PBX, sources of calls, figures.
import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { makeCertificates } from '../../dist/lib/cli/quickstart/certificates.js';

const here = dirname(fileURLToPath(import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'wab-bench-'));
export const domain = 'sbc.example.net';
export const number = '+447700900001';
const password = 'bench';
const children = new Set();
const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

export function start(command, args, stdio) {
  const child = spawn(command, args, { stdio });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

export async function freePort(udp) {
  if (udp) {
    const socket = createSocket('udp4');
    await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
    const { port } = socket.address();
    await new Promise((resolve) => socket.close(resolve));
    return port;
  }
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** User plus system CPU seconds a process has used. */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

function childrenOf(pid) {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((candidate) => {
    try {
      return Number(readFileSync(`/proc/${candidate}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')[1]) === pid;
    } catch {
      return false;
    }
  });
}

export const handles = (pid) => readdirSync(`/proc/${pid}/fd`).length;
export const percentile = (values, p) => (values.length === 0 ? null : Math.round(10 * values.sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * p))]) / 10);

/** A service and its PBX, started for one measurement. `overlay`: keys laid over the configuration's first level; `codec`: what the PBX speaks; `program`: service.js of another checkout. */
export class Bench {
  constructor(media, overlay = () => ({}), codec = 'PCMU', program = join(here, 'service.js')) {
    this.media = media;
    this.program = program;
    this.codec = codec;
    this.overlay = overlay;
  }

  async open() {
    const certs = join(dir, 'certs');
    makeCertificates(certs, domain, 'wa.meta.vc');
    const peerPort = await freePort(true);
    this.metaPort = await freePort(false);
    const firstPort = 10_000 + 1000 * Math.floor(Math.random() * 10);
    const config = join(dir, `config-${peerPort}.yaml`);
    writeFileSync(config, JSON.stringify({
      domain,
      sip: { listen: ['tls:127.0.0.1:0', 'udp:127.0.0.1:0'], tls: { cert: `${certs}/service.pem`, key: `${certs}/service.key` } },
      meta: { ca: `${certs}/ca.pem`, address: '127.0.0.1', port: this.metaPort, sources: ['127.0.0.1'], mediaTimeout: 0 },
      media: { ports: `${firstPort}-${firstPort + 11_999}` },
      numbers: { [number]: { password, maxConcurrentCalls: 100_000 } },
      peers: { pbx: this.pbx(peerPort) },
      routes: [{ name: 'all', number, to: [{ peer: 'pbx', user: '6001' }] }],
      limits: { maxCalls: 100_000 }, http: { listen: null }, cdr: { file: join(dir, `cdr-${peerPort}.jsonl`) }, log: { level: 'error' },
      ...this.overlay({ certs, peerPort }),
    }));
    const scenario = this.codec === 'opus' ? ['-sf', join(here, 'opus-pbx.xml')] : ['-sn', 'uas'];
    this.sipp = start('sipp', [...scenario, '-i', '127.0.0.1', '-p', String(peerPort), '-mi', '127.0.0.1', '-mp', String(await freePort(true)), ...(this.media ? ['-rtp_echo'] : []), '-nostdin'], 'ignore');
    this.service = start(process.execPath, ['--expose-gc', this.program, config, ...(this.media ? [] : ['--no-media'])], ['pipe', 'pipe', 'inherit']);
    this.lines = createInterface({ input: this.service.stdout })[Symbol.asyncIterator]();
    const { listening, http, api } = JSON.parse((await this.lines.next()).value);
    this.listening = listening;
    this.http = http;
    this.api = api;
    this.job = {
      to: /^tls:(.*)$/.exec(listening.find((l) => l.startsWith('tls:')))[1], serverName: domain, ca: `${certs}/ca.pem`, number, password,
      media: this.media ? 'light' : 'none', cert: `${certs}/meta.pem`, key: `${certs}/meta.key`,
    };
    this.engines = childrenOf(this.service.pid);
  }

  /** sipp as a peer. */
  pbx(port) {
    return { uri: `sip:127.0.0.1:${port}`, sources: ['127.0.0.2'], pstn: 'none', users: ['6001'], codecs: [this.codec], maxConcurrentCalls: 100_000, health: { interval: 0 } };
  }

  async figures(command = 'figures') {
    this.service.stdin.write(`${command}\n`);
    return JSON.parse((await this.lines.next()).value);
  }

  cpu() {
    return { service: cpuSeconds(this.service.pid), engine: this.engines.reduce((sum, pid) => sum + cpuSeconds(pid), 0) };
  }

  /** Runs a load over `sources` processes; the first also plays wa.meta.vc for our own requests. */
  async load(options, sources = 1) {
    const before = this.cpu();
    const runs = Array.from({ length: sources }, (_, i) => this.source({ ...options, calls: Math.ceil(options.calls / sources), rate: options.rate / sources, listen: i === 0 ? `127.0.0.1:${this.metaPort}` : undefined }));
    const results = await Promise.all(runs.map((run) => run.done));
    const after = this.cpu();
    const sum = (key) => results.reduce((total, r) => total + r[key], 0);
    const latencies = results.flatMap((r) => r.latencies);
    const gaps = results.flatMap((r) => r.gaps);
    const answered = sum('answered');
    return {
      rate: options.rate, placed: sum('placed'), answered, failed: sum('failed'), toneHeard: sum('toneHeard'), lost: sum('lost'), received: sum('received'),
      statuses: Object.assign({}, ...results.map((r) => r.statuses)), violations: Object.assign({}, ...results.map((r) => r.violations)),
      sourceLateMs: Math.max(...results.map((r) => r.lateMs)), seconds: Math.round(Math.max(...results.map((r) => r.seconds)) * 10) / 10,
      gaps, latencies, p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99),
      serviceCpuMsPerCall: Math.round((1e5 * (after.service - before.service)) / Math.max(1, answered)) / 100,
      engineCpuMsPerCall: Math.round((1e5 * (after.engine - before.engine)) / Math.max(1, answered)) / 100,
    };
  }

  source(options) {
    const child = start(process.execPath, [join(here, 'load.js'), JSON.stringify({ ...this.job, ...options })], ['pipe', 'pipe', 'inherit']);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async () => {
      const { value, done } = await lines.next();
      if (done) throw new Error('a source of calls died');
      return JSON.parse(value);
    };
    return { child, next, done: options.onCue ? null : next() };
  }

  /** Holds calls and gives memory and handles without and with them. */
  async hold(calls, rate) {
    const before = await this.figures('gc');
    const handlesBefore = handles(this.service.pid);
    const source = this.source({ calls, rate, holdMs: 0, onCue: true, listen: `127.0.0.1:${this.metaPort}` });
    const { held } = await source.next();
    const cpuBefore = this.cpu();
    const during = await this.figures('gc');
    await new Promise((resolve) => setTimeout(resolve, 5000));
    const cpuAfter = this.cpu();
    const handlesDuring = handles(this.service.pid);
    source.child.stdin.write('now\n');
    const end = await source.next();
    return {
      asked: calls, held, failed: end.failed, kilobytesPerCall: Math.round((during.rss - before.rss) / 1024 / Math.max(1, held) * 10) / 10,
      heapKilobytesPerCall: Math.round((during.heapUsed - before.heapUsed) / 1024 / Math.max(1, held) * 10) / 10,
      serviceCpuPercentPerHeldCall: Math.round(1e4 * (cpuAfter.service - cpuBefore.service) / 5 / Math.max(1, held)) / 100,
      engineCpuPercentPerHeldCall: Math.round(1e4 * (cpuAfter.engine - cpuBefore.engine) / 5 / Math.max(1, held)) / 100,
      handlesBefore, handlesDuring, lost: end.lost, received: end.received, violations: end.violations,
    };
  }

  async close() {
    this.service.stdin.write('stop\n');
    await once(this.service, 'exit');
    this.sipp.kill('SIGKILL');
  }
}

process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});
process.once('SIGINT', () => process.exit(1));
process.once('SIGTERM', () => process.exit(1));

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { CallRecord } from '../../lib/call/record.js';
import { parseConfig } from '../../lib/config/load.js';
import type { Config } from '../../lib/config/types.js';
import { startService, type Service } from '../../lib/app/compose.js';
import { createLogger } from '../../lib/observe/logger.js';
import { makeCertificates, type CertificateFiles } from './certificates.js';
import { startDrachtio, type DrachtioServer } from './drachtio.js';
import { engines } from './engines.js';
import { noChannels, sharedFreeswitch, type FreeswitchProcess } from './freeswitch.js';
import { mediaPorts } from './ports.js';
export { freePort, mediaPorts } from './ports.js';

export const domain = 'sbc.example.net';
export const metaHost = 'wa.meta.vc';
export const number = '+447700900001';
export const password = 'n0t-a-secret';

/** Services of this process that share its FreeSWITCH: the last of them finds no channel left there. */
let sharing = 0;

export interface Running {
  readonly service: Service;
  /** What it was started with. */
  readonly config: Config;
  readonly certificates: CertificateFiles;
  /** host:port of the TLS and UDP listeners. */
  readonly tls: { host: string; port: number };
  readonly udp: { host: string; port: number };
  readonly dir: string;
  /** The SIP servers, when they are not embedded. */
  readonly drachtio: readonly DrachtioServer[];
  /** The media engine, where WAB_MEDIA asks for it. */
  readonly freeswitch: FreeswitchProcess | null;
  /** The log so far, a line each. */
  readonly log: string[];
  /** Resolves with the records once there are `count`. */
  records(count: number): Promise<CallRecord[]>;
  close(): Promise<void>;
}

/** A plain object laid over the configuration below; objects are merged, everything else replaces. */
export type Overlay = { [key: string]: unknown };

export interface ServiceOptions {
  /** Where the stand-in of Meta listens for our requests; null when the test has none. */
  readonly metaPort: number | null;
  /** Peers by name: where their calls go. */
  readonly peers: Record<string, { port: number; transport?: string } & Overlay>;
  readonly overlay?: Overlay;
  /** How many drachtio-server; default one where WAB_SIP asks for it, else none: the embedded server. */
  readonly drachtioServers?: number;
  /** Default WAB_MEDIA. */
  readonly media?: 'rtpengine' | 'embedded' | 'freeswitch';
}

/** A configuration on free loopback ports, with its own certificates in `dir`; the first peer is routed to as user 6001. */
export async function writeConfig(dir: string, options: ServiceOptions, engineKeys: (certificates: CertificateFiles) => Promise<Overlay> = async () => ({})): Promise<{ text: string; certificates: CertificateFiles; cdrFile: string }> {
  const certificates = await makeCertificates(join(dir, 'certs'), { domain, metaHost });
  const cdrFile = join(dir, 'cdr.jsonl');
  const names = Object.keys(options.peers);
  const base: Overlay = {
    domain,
    sip: { listen: ['tls:127.0.0.1:0', 'udp:127.0.0.1:0', 'tcp:127.0.0.1:0'], tls: { cert: certificates.cert, key: certificates.key } },
    meta: { host: metaHost, port: options.metaPort ?? 5061, ca: certificates.ca, address: '127.0.0.1', sources: ['127.0.0.1/32'] },
    media: {
      engine: (options.media ?? engines.media) === 'embedded' ? 'embedded' : 'rtpengine', workers: 1,
      rtpengine: { spawn: true, program: engines.rtpengine, interface: '127.0.0.1', ports: await mediaPorts() },
    },
    numbers: { [number]: { password, keying: 'sdes' } },
    // No OPTIONS where a test does not ask for them. Only the first may call in from loopback: two peers behind one address could not be told apart.
    peers: Object.fromEntries(Object.entries(options.peers).map(([name, { port, transport, ...more }], index) => [name, {
      uri: `sip:127.0.0.1:${port};transport=${transport ?? 'udp'}`, sources: [index === 0 ? '127.0.0.1/32' : `127.0.1.${index}/32`], pstn: 'none', users: ['6[0-9]{3}'], health: { interval: 0 }, ...more,
    }])),
    routes: [{ name: 'main', number, to: names.map((peer) => ({ peer, user: '6001' })), ringTimeout: 20 }],
    http: { listen: '127.0.0.1:0' },
    cdr: { file: cdrFile },
    log: { level: 'debug' },
  };
  return { text: stringify(merge(merge(base, await engineKeys(certificates)), options.overlay ?? {})), certificates, cdrFile };
}

/** A service with that configuration, in this process, on the engines that WAB_SIP and WAB_MEDIA name. */
export async function runService(options: ServiceOptions): Promise<Running> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-test-'));
  const drachtio: DrachtioServer[] = [];
  const freeswitch = (options.media ?? engines.media) === 'freeswitch' ? await sharedFreeswitch(engines.freeswitch, async () => (await mediaPorts()).split('-').map(Number) as [number, number]) : null;
  if (freeswitch !== null) sharing += 1;
  const log: string[] = [];
  const logger = createLogger('debug', { write: (line: string) => { log.push(line); } });
  const stopServers = async (): Promise<void> => { for (const server of drachtio) await server.close(); };
  const startServers = async ({ cert, key }: CertificateFiles): Promise<Overlay> => {
    for (let left = options.drachtioServers ?? (engines.sip === 'drachtio' ? 1 : 0); left > 0; left--) {
      drachtio.push(await startDrachtio({ program: engines.drachtio, cert, key, meta: { host: metaHost, port: options.metaPort ?? 5061 } }));
    }
    return {
      ...(drachtio.length === 0 ? {} : { sip: { server: 'drachtio', drachtio: drachtio.map(({ admin }) => admin) } }),
      ...(freeswitch === null ? {} : { media: { engine: 'freeswitch', freeswitch: [freeswitch.esl] } }),
    };
  };
  const start = async (): Promise<{ service: Service; config: Config; certificates: CertificateFiles; cdrFile: string }> => {
    const { text, ...rest } = await writeConfig(dir, options, startServers);
    const config = parseConfig(text, { env: {}, path: 'test' });
    return { ...rest, config, service: await startService(config, logger) };
  };
  const { service, config, certificates, cdrFile } = await start().catch(async (error: unknown) => {
    await stopServers();
    throw error;
  });
  let closed = false;
  return {
    service, config, certificates, dir, log, drachtio, freeswitch,
    tls: drachtio[0] === undefined ? listener(service, 'tls') : { host: '127.0.0.1', port: drachtio[0].tls },
    udp: drachtio[0] === undefined ? listener(service, 'udp') : { host: '127.0.0.1', port: drachtio[0].plain },
    records: (count) => waitForLines(cdrFile, count),
    async close() {
      if (closed) return;
      closed = true;
      await service.close();
      await stopServers();
      if (freeswitch !== null && (sharing -= 1) === 0) await noChannels(freeswitch);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export function listener(service: Service, transport: string): { host: string; port: number } {
  const match = new RegExp(`^${transport}:(.*):(\\d+)$`).exec(service.listening.find((l) => l.startsWith(`${transport}:`)) ?? '');
  if (match === null) throw new Error(`nothing listens on ${transport}`);
  return { host: match[1]!, port: Number(match[2]) };
}

/** host:port where peers reach the service; drachtio-server takes TCP where it takes UDP. */
export function plainListener({ service, udp }: Pick<Running, 'service' | 'udp'>, transport: 'udp' | 'tcp'): string {
  return transport === 'tcp' && service.listening.some((l) => l.startsWith('tcp:')) ? `127.0.0.1:${listener(service, 'tcp').port}` : `${udp.host}:${udp.port}`;
}

/** The records of a CDR file, once there are `count`. */
export async function waitForLines(file: string, count: number): Promise<CallRecord[]> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    // What has no end yet is still being written.
    const lines = (await readFile(file, 'utf8')).split('\n').slice(0, -1).filter((line) => line !== '');
    if (lines.length >= count) return lines.map((line) => JSON.parse(line) as CallRecord);
    if (Date.now() > deadline) throw new Error(`${lines.length} CDRs instead of ${count}: ${lines.join(' ')}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Objects are merged, everything else replaces. */
export function merge(base: Overlay, over: Overlay): Overlay {
  const out: Overlay = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const old = out[key];
    out[key] = isPlain(old) && isPlain(value) ? merge(old, value) : value;
  }
  return out;
}

function isPlain(value: unknown): value is Overlay {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { CallRecord } from '../../../lib/call/record.js';
import { parseConfig } from '../../../lib/config/load.js';
import type { Config } from '../../../lib/config/types.js';
import { startService, type Service } from '../../../lib/app/compose.js';
import { createLogger } from '../../../lib/observe/logger.js';
import { MetaSide, SimulatedUser, startMeta, type MetaOptions, type SimulatedMeta, type UserOptions } from '../../../lib/simulator/index.js';
import { makeCertificates } from '../../helpers/certificates.js';
import { engines } from '../../helpers/engines.js';
import { freePort, mediaPorts } from '../../helpers/ports.js';
import { domain, merge, metaHost, number, password, waitForLines, type Overlay } from '../../helpers/service.js';
import { pageText, putHere, type Places } from './docs.js';

/** A configuration of config/examples in service, as it is written but for addresses and ports, between the stand-in of Meta and whatever its peer is. */
export interface RecipeStage {
  readonly service: Service;
  readonly config: Config;
  /** What stands for what in the PBX's recipe. */
  readonly places: Places;
  /** Port on 127.0.0.4 where peers reach the service by UDP and TCP. */
  readonly sipPort: number;
  /** The same by TLS, and where Meta is on 127.0.0.1. */
  readonly tlsPort: number;
  readonly metaPort: number;
  readonly log: string[];
  /** File of the CA that has issued the service's certificate. */
  readonly ca: string;
  /** That certificate, and its key. */
  readonly cert: string;
  readonly key: string;
  user(options?: Partial<UserOptions>): SimulatedUser;
  answerAsMeta(options?: Partial<MetaOptions>): Promise<SimulatedMeta>;
  /** The record of the call with this Call-ID at Meta, once it is written. */
  recordOf(call: { readonly callId: string }): Promise<CallRecord>;
  /** Every SIP message of a call. */
  sipOf(id: string): Promise<string>;
  close(): Promise<void>;
}

export interface RecipeOptions {
  /** File of config/examples, or the text of one that a page gives. */
  readonly example: string | { readonly text: string };
  readonly env: Readonly<Record<string, string>>;
  /** What else stands for what in the example: the peer's address. */
  readonly places: Places;
  /** Routes before those of the example: for what a test asks beyond it. */
  readonly routes?: readonly object[];
  readonly overlay?: Overlay;
  /** host:port that Meta connects to, where somebody stands between it and the service. */
  readonly front?: string;
}

/** Address of the service as the pages have it, 10.0.0.4, on this machine. */
export const serviceHost = '127.0.0.4';

export async function openRecipe({ example, env, places: more, routes = [], overlay, front }: RecipeOptions): Promise<RecipeStage> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-recipe-'));
  const [tls, sip, metaPort] = [await freePort(), await freePort(), await freePort()];
  const certificates = await makeCertificates(join(dir, 'certs'), { domain, metaHost });
  await writeFile(join(dir, 'closed.wav'), silence(1));
  const places: Places = [
    ['/etc/wa-b2bua/fullchain.pem', certificates.cert], ['/etc/wa-b2bua/key.pem', certificates.key], ['./certs/service.pem', certificates.cert], ['./certs/service.key', certificates.key],
    ['./certs/ca.pem', certificates.ca], ['/etc/wa-b2bua/', `${dir}/`], ['/var/lib/wa-b2bua/', `${dir}/`], ['/var/log/wa-b2bua/', `${dir}/`],
    ['203.0.113.4', serviceHost], ['0.0.0.0:5061', `${serviceHost}:${tls}`], ['0.0.0.0:5060', `${serviceHost}:${sip}`], ['10.0.0.4:5060', `${serviceHost}:${sip}`], ['10.0.0.4:5061', `${serviceHost}:${tls}`],
    ['127.0.0.1:5061', `${serviceHost}:${tls}`], ['127.0.0.1:5060', `${serviceHost}:${sip}`], ...more,
  ];
  const cdrFile = join(dir, 'cdr.jsonl');
  const around: Overlay = {
    meta: { host: metaHost, port: metaPort, ca: certificates.ca, address: '127.0.0.1', sources: ['127.0.0.1/32'] },
    media: { engine: engines.media === 'rtpengine' ? 'rtpengine' : 'embedded', ports: await mediaPorts(), rtpengine: { program: engines.rtpengine } },
    http: { listen: '127.0.0.1:0' }, cdr: { file: cdrFile }, log: { level: 'debug' },
  };
  const written = parse(putHere(typeof example === 'string' ? await pageText(`config/examples/${example}`) : example.text, places)) as Overlay;
  const all = { ...merge(merge(written, around), overlay ?? {}), routes: [...routes, ...(Array.isArray(written['routes']) ? written['routes'] as object[] : [])] };
  const config = parseConfig(stringify(all), { env: { WA_PASSWORD: password, ...env }, path: typeof example === 'string' ? example : 'page' });
  const log: string[] = [];
  const undo: (() => Promise<void>)[] = [() => rm(dir, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const step of undo.reverse().splice(0)) await step();
  };
  try {
    const service = await startService(config, createLogger('debug', { write: (line: string) => { log.push(line); } }));
    undo.push(() => service.close());
    const meta = await MetaSide.open({
      to: front ?? `${serviceHost}:${tls}`, serverName: domain, ca: certificates.ca, listen: `127.0.0.1:${metaPort}`, cert: certificates.metaCert, key: certificates.metaKey,
    });
    undo.push(() => meta.close());
    const keying = config.numbers[number]?.keying;
    return {
      service, config, places, sipPort: sip, tlsPort: tls, metaPort, log, ca: certificates.ca, cert: certificates.cert, key: certificates.key, close,
      user: (options = {}) => new SimulatedUser(meta, { number, password, keying, ...options }),
      async answerAsMeta(options = {}) {
        const simulated = await startMeta({ side: meta, numbers: [{ number, password, hostname: domain, keying }], byeVia: 'fresh', ...options });
        undo.push(() => simulated.close());
        return simulated;
      },
      async recordOf({ callId }) {
        for (let count = 1; ; count += 1) {
          const records = await waitForLines(cdrFile, count);
          const found = records.find(({ callIds }) => callIds.meta === callId);
          if (found !== undefined) return found;
          count = records.length;
        }
      },
      async sipOf(id) {
        return (await fetch(`http://${service.http}/calls/${id}/sip`)).text();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A WAV of so many seconds of silence: 16-bit PCM, 8 kHz, mono. */
function silence(seconds: number): Buffer {
  const data = Buffer.alloc(seconds * 16_000);
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + data.length, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8000, 24);
  head.writeUInt32LE(16_000, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(data.length, 40);
  return Buffer.concat([head, data]);
}

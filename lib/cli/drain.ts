import { readFileSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { request as tlsRequest, type RequestOptions } from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import { rootCertificates } from 'node:tls';
import type { Command } from 'commander';
import { isAddress } from '../config/checks.js';
import { loadConfig } from '../config/load.js';
import type { Config } from '../config/types.js';
import { WabError } from '../errors.js';
import { printable, printableJson } from '../observe/printable.js';
import { splitListen } from '../util/hostPort.js';

interface Options { readonly config: string; readonly delay?: string; readonly seconds?: string; readonly exit?: boolean; readonly wait: boolean; readonly cancel?: boolean; readonly json?: boolean }
interface Status { readonly state: string; readonly calls: number; readonly endsAt: string | null }

/** Between two looks, and for one answer, milliseconds. */
const lookMs = 500;
const answerMs = 5000;

/** `wa-b2bua drain -c FILE`: asks the running service, by its API, to take no new calls, and waits until none is up. */
export function registerDrainCommand(program: Command): void {
  program.command('drain').description('take the running service out of use without cutting a call, by its API; exit status 0 once no call is up')
    .requiredOption('-c, --config <file>', 'configuration file of the service: api.listen, and a token with the scopes read and admin')
    .option('--delay <seconds>', 'new calls are still taken for so long; default limits.drainDelay').option('--seconds <seconds>', 'calls that are up may go on for so long after that; default limits.drain')
    .option('--exit', 'the service ends once no call is up').option('--no-wait', 'do not wait until no call is up').option('--cancel', 'take calls again')
    .option('--json', 'machine-readable output, a line for each change')
    .action(async (options: Options) => {
      const ask = asker(loadConfig(options.config));
      const show = shower(options.json === true);
      if (options.cancel === true) return void show(await ask('DELETE'));
      let status = await ask('POST', { ...secondsOf('delay', options.delay), ...secondsOf('seconds', options.seconds), ...(options.exit === true ? { exit: true } : {}) });
      show(status);
      while (options.wait && status.state !== 'drained') {
        await pause(lookMs);
        try {
          status = await ask('GET');
        } catch (error) {
          // It may be gone before it was seen drained.
          if (options.exit !== true || error instanceof WabError) throw error;
          status = { state: 'drained', calls: 0, endsAt: null };
        }
        if (status.state === 'taking') throw new Error('somebody has called the drain off: calls are taken again');
        show(status);
      }
    });
}

function secondsOf(name: 'delay' | 'seconds', text: string | undefined): Record<string, number> {
  if (text === undefined) return {};
  if (!/^\d{1,5}$/.test(text)) throw new WabError('CONFIG_INVALID', `--${name} is a whole number of seconds`);
  return { [name]: Number(text) };
}

/** Shows what has changed. */
function shower(json: boolean): (status: Status) => void {
  let last = '';
  return ({ state, calls, endsAt }) => {
    if (`${state} ${calls}` === last) return;
    last = `${state} ${calls}`;
    process.stdout.write(json ? printableJson(`${JSON.stringify({ state, calls, endsAt })}\n`) : printable(`${state}: ${calls} call${calls === 1 ? '' : 's'} up${endsAt === null || state === 'drained' ? '' : `, to be ended at ${endsAt}`}\n`));
  };
}

/** @throws WabError CONFIG_INVALID where the API cannot be asked so; the returned function rejects with what it answered. */
function asker({ api, domain }: Config): (method: 'GET' | 'POST' | 'DELETE', body?: object) => Promise<Status> {
  const place = api.listen === null ? null : splitListen(`tcp:${api.listen}`, ['tcp']);
  const token = api.tokens.find(({ scopes }) => scopes.includes('admin') && scopes.includes('read'))?.token;
  if (place === null || token === undefined) throw new WabError('CONFIG_INVALID', 'api.listen and api.tokens: the service is asked by its API, with a token of the scopes [read, admin]; without one: kill -TERM, which drains and ends it');
  // Where it listens everywhere it is asked on loopback.
  const host = place.host === '0.0.0.0' ? '127.0.0.1' : place.host === '::' ? '::1' : place.host;
  const secure: RequestOptions = api.tls === null ? {} : { ca: [...rootCertificates, readFileSync(api.tls.cert, 'utf8')], ...(isAddress(host) ? { servername: domain } : {}) };
  return (method, body) => new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const options: RequestOptions = {
      ...secure, host, port: place.port, method, path: '/v1/drain', agent: false, signal: AbortSignal.timeout(answerMs),
      headers: { authorization: `Bearer ${token}`, ...(text === '' ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }) },
    };
    const request = (api.tls === null ? plainRequest : tlsRequest)(options, (response) => {
      let back = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => { back += part; });
      response.on('error', reject);
      response.on('end', () => {
        const answer = read(back);
        if (answer?.status !== undefined) resolve(answer.status);
        else reject(new WabError('CONFIG_INVALID', `the service answers ${response.statusCode ?? 0}: ${answer?.message ?? 'nothing that can be read'}`));
      });
    });
    request.on('error', reject);
    request.end(text);
  });
}

function read(text: string): { readonly status?: Status; readonly message?: string } | null {
  try {
    const { state, calls, endsAt = null, error } = JSON.parse(text) as Partial<Status> & { error?: { message?: string } };
    return state !== undefined && calls !== undefined ? { status: { state, calls, endsAt } } : { message: error?.message ?? text };
  } catch {
    return null;
  }
}

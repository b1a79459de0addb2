import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { connect as connectTls } from 'node:tls';
import { identities } from '../config/domains.js';
import { plainListens } from '../config/plainListens.js';
import type { Config } from '../config/types.js';
import type { Finding, Findings } from './finding.js';
import { fail, ok, reasonOf, warn } from './finding.js';
import { mediaInterface, relayHasPorts } from '../media/interfaces.js';
import { parseUri, portOf } from '../sip/uri.js';
import { splitListen, udpFamily, unbracketed } from '../util/hostPort.js';
import { peerTls } from './peerTls.js';

const timeoutMs = 3000;

/** The addresses of a name; rejects when it has none. */
export type NameService = (name: string) => Promise<readonly string[]>;

/** As any program on this machine sees it: hosts file and DNS. */
const systemNames: NameService = async (name) => (await lookup(name, { all: true })).map(({ address }) => address);

/** Names that calls need: ours, as Meta resolves it, and Meta's. */
export async function examineNames(config: Config, names: NameService = systemNames): Promise<Findings> {
  const findings = identities(config).map(({ name }) => examineDomain(name, config, names));
  if (config.meta.address === null) {
    const { host } = config.meta;
    findings.push(resolve(host, names).then((found) => ('addresses' in found ? ok('dns', `${host} is ${found.addresses.join(', ')}`)
      : fail('dns', `${host} does not resolve: ${found.reason}`, 'correct meta.host, or the name servers of this machine (/etc/resolv.conf)'))));
  }
  return Promise.all(findings);
}

async function examineDomain(domain: string, { sip, media }: Config, names: NameService): Promise<Finding> {
  const found = await resolve(domain, names);
  if (!('addresses' in found)) return fail('dns', `${domain} does not resolve: ${found.reason}`, 'give it an A or AAAA record: Meta connects to it');
  const text = `${domain} is ${found.addresses.join(', ')}`;
  const { advertised } = mediaInterface((relayHasPorts(media) ? media : media.rtpengine).interface.meta);
  const ours = new Set([...Object.values(networkInterfaces()).flatMap((all) => all ?? []).map(({ address }) => address), advertised, sip.advertise.meta ?? '']);
  if (found.addresses.some((address) => ours.has(address))) return ok('dns', text);
  return warn('dns', `${text}: no address of this machine`, 'right only if something in front of it hands TCP 5061 on to this machine');
}

async function resolve(name: string, names: NameService): Promise<{ addresses: readonly string[] } | { reason: string }> {
  try {
    return { addresses: await names(name) };
  } catch (error) {
    return { reason: reasonOf(error) };
  }
}

/** The outbound TLS path is needed for our BYE even by a service that only takes calls (META-SIP §3). */
export async function examineMeta({ meta, sip }: Config): Promise<Findings> {
  if (meta.proxy !== null) return [await examineProxy(meta.proxy)];
  const { host, port, address, ca } = meta;
  const place = `${host}:${port}`;
  let extra: string | null = null;
  try {
    if (ca !== null) extra = await readFile(ca, 'utf8');
  } catch (error) {
    return [fail('meta', `${ca} cannot be read: ${reasonOf(error)}`, 'correct meta.ca, or leave it out')];
  }
  const problem = await new Promise<string | null>((settle) => {
    const socket = connectTls({ host: address ?? host, port, servername: host, minVersion: 'TLSv1.2', timeout: timeoutMs, ...(extra === null ? {} : { ca: extra }) });
    const done = (result: string | null): void => {
      socket.destroy();
      settle(result);
    };
    socket.once('secureConnect', () => done(null)).once('timeout', () => done('no answer')).once('error', (error) => done(reasonOf(error)));
  });
  if (problem !== null) {
    const certificate = /CERT|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(problem);
    return [fail('meta', `TLS to ${place} fails: ${problem}`, certificate ? 'somebody else answers there: look at meta.host, meta.address and meta.ca' : `let TCP ${port} out to ${host}: calls are taken and ended by it too`)];
  }
  const good = ok('meta', `TLS to ${place} is up and its certificate is right`);
  return sip.server === 'embedded' ? [good] : [good, warn('meta', 'drachtio-server does not check the certificate of Meta', 'put a relay in between that does, or use sip.server: embedded')];
}

/** The way to Meta where a proxy of the operator's stands there: what is behind it, it knows. */
async function examineProxy({ uri, ca, clientCert, clientKey }: NonNullable<Config['meta']['proxy']>): Promise<Finding> {
  const place = parseUri(uri);
  if (place === null) return fail('meta', `${uri} cannot be read`, 'correct meta.proxy.uri');
  const secure = await peerTls({ verify: true, ca, clientCert, clientKey }, place.host).catch((error: unknown) => reasonOf(error));
  if (typeof secure === 'string') return fail('meta', `a file of meta.proxy cannot be read: ${secure}`, 'let the user of the service read it');
  const problem = await new Promise<string | null>((settle) => {
    const socket = connectTls({ host: unbracketed(place.host), port: portOf(place), minVersion: 'TLSv1.2', timeout: timeoutMs, ...secure });
    const done = (result: string | null): void => {
      socket.destroy();
      settle(result);
    };
    socket.once('secureConnect', () => done(null)).once('timeout', () => done('no answer')).once('error', (error: Error) => done(error.message));
  });
  return problem === null ? ok('meta', `TLS to the proxy ${uri} is up and its certificate is right; the way from there to Meta it knows itself`)
    : fail('meta', `TLS to the proxy ${uri} fails: ${problem}`, 'start it, or look at meta.proxy');
}

/** Addresses that the service listens on: free, or taken by the running service. */
export async function examineListeners(config: Config): Promise<Findings> {
  const sockets = config.sip.server === 'embedded' ? config.sip.listen.map((listen) => ['sip.listen', listen] as const) : [];
  const http = config.http.listen === null ? [] : [['http.listen', `tcp:${config.http.listen}`] as const];
  const webhooks = config.webhooks === null ? [] : [['webhooks.listen', `tcp:${config.webhooks.listen}`] as const];
  const api = config.api.listen === null ? [] : [['api.listen', `tcp:${config.api.listen}`] as const];
  const bound = await Promise.all([...sockets, ...http, ...webhooks, ...api].map(async ([key, listen]) => {
    const point = splitListen(listen, ['udp', 'tcp', 'tls', 'wss', 'ws']);
    return point === null ? fail('listen', `${listen} cannot be read`, `correct ${key}`) : judgeBind(key, listen, await tryBind(point.transport, point.host, point.port));
  }));
  return [...bound, ...plainListens(config).map(({ path, message, todo }) => warn('listen', `${path} ${message}`, todo))];
}

function judgeBind(key: string, listen: string, problem: string | null): Finding {
  switch (problem) {
    case null: return ok('listen', `${listen} is free`);
    case 'EADDRINUSE': return warn('listen', `${listen} is in use`, `right if it is the running service; who has it: ss -lnp "sport = :${listen.split(':').at(-1)}"`);
    case 'EADDRNOTAVAIL': return fail('listen', `${listen} is no address of this machine`, `correct ${key}; behind NAT listen on the private address and set sip.advertise`);
    case 'EACCES': return fail('listen', `${listen} is not ours to open`, 'ports under 1024 need CAP_NET_BIND_SERVICE, or take a higher one');
    default: return fail('listen', `${listen} cannot be opened: ${problem}`, `correct ${key}`);
  }
}

/** Null when it can be bound, else the error's code. */
export function tryBind(transport: string, host: string, port: number): Promise<string | null> {
  return new Promise((settle) => {
    if (transport === 'udp') {
      const socket = createSocket({ type: udpFamily(host), reuseAddr: false });
      socket.once('error', (error) => {
        socket.close();
        settle(reasonOf(error));
      });
      socket.bind({ port, address: host, exclusive: true }, () => socket.close(() => settle(null)));
      return;
    }
    const server = createServer();
    server.once('error', (error) => settle(reasonOf(error)));
    server.listen({ port, host, exclusive: true }, () => server.close(() => settle(null)));
  });
}

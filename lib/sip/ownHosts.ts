import { networkInterfaces } from 'node:os';
import type { Config } from '../config/types.js';
import { hostKey } from '../util/hostKey.js';
import { splitHostPort, splitListen } from '../util/hostPort.js';

/** Addresses of this machine, for those who listen on all of them. */
export function machineAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address.replace(/%.*$/, '')));
}

/** "host", "host:port", "[v6]" or "[v6]:port" without the port. */
function withoutPort(host: string): string {
  return splitHostPort(host)?.host ?? host;
}

/** Hosts that are ourselves, in the spelling of `hostKey`, and the ports that we listen on. */
export interface OwnHosts {
  /** Names and addresses: domain and domains, what is advertised, and the addresses we listen on. */
  readonly hosts: ReadonlySet<string>;
  /** "transport:host:port" of what we listen on, with each address of a wildcard. */
  readonly sockets: ReadonlySet<string>;
}

/**
 * Who we are in SIP, for everybody who has to know: the registrar (RFC 3261 §10.3), and policy for the targets of transfers, redirections and pick-ups.
 * @param machine addresses of this machine, which a wildcard stands for (`machineAddresses`)
 */
export function ownHosts({ domain, domains, sip }: Pick<Config, 'domain' | 'domains' | 'sip'>, machine: readonly string[]): OwnHosts {
  const listening = sip.listen.flatMap((socket) => {
    const point = splitListen(socket, ['udp', 'tcp', 'tls', 'wss', 'ws']);
    return point === null ? [] : addressesOf(hostKey(point.host), machine).map((address) => ({ host: address, socket: `${point.transport}:${address}:${point.port}` }));
  });
  const advertised = [sip.advertise.meta, sip.advertise.peers].flatMap((host) => (host === null ? [] : [withoutPort(host)]));
  // What drachtio-server listens on is known to it alone; most often it is where we reach it.
  const servers = sip.server === 'drachtio' ? sip.drachtio.map(({ host }) => host) : [];
  const hosts = new Set([domain, ...Object.keys(domains), ...advertised, ...servers, ...listening.map(({ host }) => host)].map(hostKey));
  return { hosts, sockets: new Set(listening.map(({ socket }) => socket)) };
}

/** Every address of a wildcard, and those of loopback always; `::` takes IPv4 too. */
function addressesOf(host: string, machine: readonly string[]): readonly string[] {
  if (host !== '0.0.0.0' && host !== '::') return [host];
  const all = ['127.0.0.1', '::1', ...machine].map(hostKey);
  return [...new Set(all)].filter((address) => host === '::' || !address.includes(':'));
}

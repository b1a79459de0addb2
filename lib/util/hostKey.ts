import ipaddr from 'ipaddr.js';
import { unbracketed } from './hostPort.js';

/** One spelling of a host: lower case, no final dot, IPv6 normalised and without brackets. */
export function hostKey(host: string): string {
  const bare = unbracketed(host.toLowerCase()).replace(/\.$/, '');
  return bare.includes(':') && ipaddr.IPv6.isValid(bare) ? ipaddr.process(bare).toString() : bare;
}

/** Whether a host is one of these names or below one. */
export function isBelow(host: string, names: readonly string[]): boolean {
  const key = hostKey(host);
  return names.map(hostKey).some((name) => key === name || key.endsWith(`.${name}`));
}

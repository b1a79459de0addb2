import { splitHostPort, splitListen } from '../util/hostPort.js';
import type { Config } from './types.js';

interface Place { readonly key: string; readonly host: string; readonly port: number }

/** Addresses of TCP that are listened on twice, which the second at the start cannot: the key of each second one, and what is wrong with it. */
export function sharedListens({ sip, http, api, webhooks }: Pick<Config, 'sip' | 'http' | 'api' | 'webhooks'>): readonly { readonly path: string; readonly message: string }[] {
  const ofSip = sip.server !== 'embedded' ? [] : sip.listen.flatMap((listen, i): Place[] => {
    const point = splitListen(listen, ['tcp', 'tls', 'wss', 'ws']);
    return point === null ? [] : [{ key: `sip.listen[${i}]`, host: point.host, port: point.port }];
  });
  const others = [['http.listen', http.listen], ['webhooks.listen', webhooks?.listen ?? null], ['api.listen', api.listen]] as const;
  const places = [...ofSip, ...others.flatMap(([key, listen]): Place[] => {
    const { host, port = null } = splitHostPort(listen ?? '') ?? {};
    return host === undefined || port === null ? [] : [{ key, host, port }];
  })];
  return places.flatMap((place, i) => {
    const first = places.slice(0, i).find((other) => place.port !== 0 && place.port === other.port && meet(place.host, other.host));
    return first === undefined ? [] : [{ path: place.key, message: `is where ${first.key} listens: give it another port, or an address of its own` }];
  });
}

function meet(one: string, other: string): boolean {
  // IPv6's "any" is that of IPv4 too.
  const all = (host: string, beside: string): boolean => host === '::' || (host === '0.0.0.0' && !beside.includes(':'));
  return one.toLowerCase() === other.toLowerCase() || all(one, other) || all(other, one);
}

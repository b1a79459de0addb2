import { hostPort, splitHostPort, splitListen, unbracketed } from '../util/hostPort.js';
import { isLoopbackListen } from './checks.js';
import type { Config } from './types.js';

interface Place { readonly key: string; readonly host: string; readonly port: number }

/** Addresses of TCP that are listened on twice, which the second at the start cannot: the key of each second one, and what is wrong with it. */
export function sharedListens({ sip, http, api, webhooks }: Pick<Config, 'sip' | 'http' | 'api' | 'webhooks'>): readonly { readonly path: string; readonly message: string }[] {
  const ofSip = placesOfSip(sip);
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

/** The listener of ours that requests for Meta would come to, and what is wrong with that; null: none. A request to oneself is not sent. */
export function metaAtOurs({ sip, meta }: Pick<Config, 'sip' | 'meta'>): { readonly path: string; readonly message: string } | null {
  const host = unbracketed(meta.address ?? meta.host).toLowerCase();
  const here = isLoopbackListen(hostPort(host, meta.port));
  const own = placesOfSip(sip).find((place) => place.port === meta.port && (place.host.toLowerCase() === host || (here && meet(place.host, host))));
  const path = meta.address === null ? 'meta.host' : 'meta.address';
  return own === undefined ? null : { path: 'meta.port', message: `is ${meta.port}, where ${own.key} listens at ${path} (${host}): requests for Meta would come back here; give a stand-in of Meta a port of its own` };
}

function placesOfSip({ server, listen }: Config['sip']): Place[] {
  return server !== 'embedded' ? [] : listen.flatMap((one, i): Place[] => {
    const point = splitListen(one, ['tcp', 'tls', 'wss', 'ws']);
    return point === null ? [] : [{ key: `sip.listen[${i}]`, host: point.host, port: point.port }];
  });
}

function meet(one: string, other: string): boolean {
  // IPv6's "any" is that of IPv4 too.
  const all = (host: string, beside: string): boolean => host === '::' || (host === '0.0.0.0' && !beside.includes(':'));
  return one.toLowerCase() === other.toLowerCase() || all(one, other) || all(other, one);
}

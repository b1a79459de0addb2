import type { SipUri, UriParam } from '../sip/uri.js';
import { readsAsFullNumber } from './pattern/telephone.js';

/**
 * Parameters that make a target, or a caller, one of the telephone network: RFC 3966 (phone-context, isub, postd, ext, tsp),
 * RFC 4694 (npdi, rn, cic), RFC 4904 (tgrp, trunk-context), RFC 7315 and carriers' use (cpc, oli), RFC 5341 (enumdi), RFC 2806 (vnd).
 */
const telephoneParams: ReadonlySet<string> = new Set([
  'phone-context', 'isub', 'isub-encoding', 'postd', 'ext', 'tsp', 'npdi', 'rn', 'rn-context', 'cic', 'cic-context', 'tgrp', 'trunk-context',
  'cpc', 'oli', 'isup-oli', 'enumdi', 'noa', 'premium-rate',
]);

/** Parameters with which an INVITE shows that it came from the telephone network (issue "A PSTN policy"). */
export const originParams: ReadonlySet<string> = new Set(['cpc', 'oli', 'isup-oli', 'rn', 'npdi', 'tgrp', 'trunk-context']);

/**
 * User part and parameters as policy judges them. An escaped ';' is no separator by RFC 3261 §19.1.4, but peers resolve
 * the escape before they look: it is read as one.
 */
export function splitUser(uri: SipUri): { readonly user: string | null; readonly params: readonly string[] } {
  const [user, ...rest] = (uri.user ?? '').split(';');
  return {
    user: uri.user === null ? null : user ?? '',
    params: [...rest.map((part) => (part.split('=')[0] ?? '').trim().toLowerCase()), ...uri.userParams.map(({ name }) => name)],
  };
}

export function telephoneParam(uri: SipUri, userParams: readonly string[]): string | null {
  return [...userParams, ...uri.params.map(({ name }) => name)].find((name) => telephoneParams.has(name)) ?? null;
}

export function findParam(params: readonly UriParam[], names: ReadonlySet<string>): string | null {
  return params.find(({ name }) => names.has(name))?.name ?? null;
}

/** RFC 6116 §3.2: e164.arpa, and the private and carrier trees made after it. */
export function isEnumZone(host: string): boolean {
  return /(^|\.)e164\.[a-z]+$/.test(host) || /^(?:[0-9]\.){5,}/.test(host);
}

/** A host whose first label is a whole number: +447700900101.example.net. */
export function isNumberHost(host: string): boolean {
  return readsAsFullNumber(host.split('.')[0] ?? '');
}

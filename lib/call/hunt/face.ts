import { domainOf } from '../../config/domains.js';
import type { Config, PeerConfig } from '../../config/types.js';
import type { RouteTarget } from '../../routing/types.js';
import { formatReason } from '../../sip/headers.js';
import type { SipHeaders } from '../../sip/drachtio.js';
import { escapeUser, parseUri } from '../../sip/uri.js';
import { bracketed } from '../../util/hostPort.js';
import type { Aliases } from '../aliases.js';
import type { Call } from '../call.js';
import type { HuntPlan } from './plan.js';
import type { TryRecord } from './tries.js';

/** Places of a call's past that a History-Info names, the latest ones. */
const mostHistory = 10;
/** Bytes of what a User-to-User carries: RFC 7433 has no bound, and a message over UDP has. Beyond, the payload is left to X-WA headers. */
const mostUserToUser = 400;

type Face = Pick<HuntPlan, 'from' | 'headers'>;

interface Surroundings { readonly call: Pick<Call, 'facts'>; readonly config: Config; readonly aliases: Aliases }

/** How a call shows itself to one target: From, and the headers that its peer wants of us. */
export function faceFor({ from, headers }: Face, target: RouteTarget, { call: { facts }, config, aliases }: Surroundings): Face {
  const peer = config.peers[target.peer];
  if (peer === undefined) return { from, headers };
  const { user, number, wacid, payload } = facts;
  const alias = peer.bsuid === 'keep' || user === null ? null : aliases.of(user);
  const more: SipHeaders = {};
  // Whom the alias stands for is said as ever.
  if (alias !== null && user !== null) more['X-WA-User-Id'] = user;
  if (peer.userToUser) Object.assign(more, userToUser(wacid, payload));
  if (peer.historyInfo && number !== null) {
    const before = facts.tries.filter(({ over }) => over).map((one) => one.record()).filter(({ callId }) => callId !== null);
    more['History-Info'] = historyInfo(config, number, [...before.slice(-mostHistory), { peer: target.peer, user: target.user, status: 0, text: '' }]);
  }
  return { from: alias === null || user === null ? from : from.replace(`<sip:${user}@`, `<sip:${alias}@`), headers: { ...more, ...headers } };
}

/** RFC 7433: the data in hex; JSON, so that what reads it needs no form of ours. */
function userToUser(wacid: string | null, payload: string | null): SipHeaders {
  if (wacid === null && payload === null) return {};
  const whole = JSON.stringify({ ...(wacid === null ? {} : { wacid }), ...(payload === null ? {} : { payload }) });
  const data = Buffer.byteLength(whole) <= mostUserToUser ? whole : wacid === null ? null : JSON.stringify({ wacid });
  return data === null ? {} : { 'User-to-User': `${Buffer.from(data).toString('hex')};encoding=hex` };
}

/**
 * RFC 7044: the number that was called, then each place that it was mapped to (mp), with why it was left: a Reason in the URI.
 * A place that had the call, and gave it on, has none.
 */
function historyInfo(config: Config, number: string, places: readonly Pick<TryRecord, 'peer' | 'user' | 'status' | 'text'>[]): string {
  const called = `<sip:${number}@${domainOf(config, number)}>;index=1`;
  const entries = places.map(({ peer, user, status, text }, i) => {
    const reason = status < 300 ? '' : `?Reason=${encodeURIComponent(formatReason('SIP', status, text.slice(0, 60)))}`;
    return `<sip:${escapeUser(user ?? '')}@${hostOf(config, peer === null ? undefined : config.peers[peer], number)}${reason}>;index=1.${i + 1};mp=1`;
  });
  return [called, ...entries].join(', ');
}

function hostOf(config: Config, peer: PeerConfig | undefined, number: string): string {
  const host = peer === undefined || peer.register || peer.websocket !== null ? null : parseUri(peer.uri)?.host ?? null;
  return host === null ? domainOf(config, number) : bracketed(host);
}

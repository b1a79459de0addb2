import { ended, type Termination } from './termination.js';
import type { WantedPlaces } from './limits.js';

type Refused = Extract<Termination, { by: 'policy' }>;
type Daily = (freeAt: number) => Refused;
type AtOnce = () => Refused;
type LimitRefusals = Readonly<Record<'pairDaily' | 'numberDaily' | 'accountDaily', Daily> & Record<'pair' | 'number' | 'peer' | 'account' | 'peerRate' | 'numberRate', AtOnce>>;

/**
 * How a business-initiated call is refused by each limit: 403 where trying again soon cannot help, 503 with Retry-After where it can (RFC 3261 §21.4.4,
 * §21.5.4). `freeAt` in milliseconds since 1970.
 */
export function limitRefusals({ peer, peerConfig, number, numberConfig, account }: WantedPlaces, perPair: number): LimitRefusals {
  const ofNumber = (key: string): string => `numbers."${number}".${key}`;
  const ofAccount = (key: string): string => `peers.${peer}.accounts.${account?.user}.${key}`;
  const busy = (code: string, rule: string, text: string): Refused => ended.byPolicy({ code, rule, status: 503, text });
  const daily = (code: string, rule: string, text: string): Daily => (freeAt) => ended.byPolicy({ code, rule, status: 403, text: `${text} in 24 h; the next after ${time(freeAt)}` });
  const { newCallsPerDay, maxConcurrentCalls, callsPerSecond } = numberConfig;
  return {
    pair: () => busy('limit.pair', 'one call for each pair', 'this user is in a call with this number already'),
    pairDaily: daily('limit.pairDaily', ofNumber('pairLimit'), `${perPair} connected calls to this user`),
    numberDaily: daily('limit.numberDaily', ofNumber('newCallsPerDay'), `${newCallsPerDay} new calls`),
    accountDaily: daily('limit.accountDaily', ofAccount('callsPerDay'), `${account?.user} has placed ${account?.config.callsPerDay} calls`),
    number: () => ended.numberFull(number, maxConcurrentCalls),
    peer: () => ended.peerFull(peer, peerConfig.maxConcurrentCalls),
    account: () => busy('limit.account', ofAccount('maxConcurrentCalls'), `${account?.user} has ${account?.config.maxConcurrentCalls} calls of its own already`),
    peerRate: () => busy('limit.peerRate', `peers.${peer}.callsPerSecond`, `peer ${peer} began ${peerConfig.callsPerSecond} calls within a second`),
    numberRate: () => busy('limit.numberRate', ofNumber('callsPerSecond'), `${number} began ${callsPerSecond} calls within a second`),
  };
}

const time = (ms: number): string => `${new Date(ms).toISOString().slice(0, 16)}Z`;

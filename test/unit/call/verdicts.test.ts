// What each error code means for the call that it happens to. The compiler wants a row for every code of the table.
import t from 'tap';
import { Call } from '../../../lib/call/call.js';
import { refuseOnEnd } from '../../../lib/call/refuse.js';
import { ended, statusForMeta, statusForPeer } from '../../../lib/call/termination.js';
import { errorTable, verdictOf, WabError, type ErrorCode } from '../../../lib/errors.js';
import { createLogger } from '../../../lib/observe/logger.js';
import type { SipResponse } from '../../../lib/sip/drachtio.js';

interface Expected { toMeta: number; toPeer: number; reason: string; mayRetry: boolean; mayFailOver: boolean; theirs: boolean }

const stopsTheStart: Expected = { toMeta: 500, toPeer: 500, reason: 'fault', mayRetry: false, mayFailOver: false, theirs: false };
const table: Record<ErrorCode, Expected> = {
  CONFIG_INVALID: stopsTheStart,
  SDP_UNACCEPTABLE: { toMeta: 488, toPeer: 488, reason: 'badSdp', mayRetry: false, mayFailOver: true, theirs: true },
  MEDIA_UNAVAILABLE: { toMeta: 503, toPeer: 503, reason: 'mediaUnavailable', mayRetry: true, mayFailOver: false, theirs: false },
  MEDIA_REFUSED: { toMeta: 500, toPeer: 500, reason: 'mediaUnavailable', mayRetry: false, mayFailOver: false, theirs: false },
  SIP_UNAVAILABLE: { toMeta: 503, toPeer: 503, reason: 'sipLost', mayRetry: true, mayFailOver: false, theirs: false },
  PEER_UNREACHABLE: { toMeta: 503, toPeer: 503, reason: 'fault', mayRetry: true, mayFailOver: true, theirs: true },
  PORT_IN_USE: stopsTheStart,
  ADDRESS_UNUSABLE: stopsTheStart,
  FILE_UNREADABLE: stopsTheStart,
  FILE_UNWRITABLE: stopsTheStart,
  FILE_IN_USE: stopsTheStart,
  STATE_UNUSABLE: stopsTheStart,
  GRAPH_REFUSED: stopsTheStart,
  GRAPH_UNAVAILABLE: stopsTheStart,
  CERTIFICATE_UNUSABLE: stopsTheStart,
};

/** What the caller of a call is sent that ends so before its answer. */
function refusalOf(error: unknown, statusFor: typeof statusForMeta): { status: number; headers: Record<string, string> } {
  let sent = { status: 0, headers: {} };
  const call = new Call({ direction: 'user-initiated', startedAt: 0, log: createLogger('silent'), showUser: (user) => user, onEnded: () => undefined });
  const res = { finalResponseSent: false, send: (status: number, { headers }: { headers: Record<string, string> }) => { sent = { status, headers }; } };
  refuseOnEnd(call, res as unknown as SipResponse, statusFor);
  call.end(ended.byError(error));
  return sent;
}

function actual(error: unknown): Expected {
  const { reason, mayFailOver, theirs } = verdictOf(error);
  const [meta, peer] = [refusalOf(error, statusForMeta), refusalOf(error, statusForPeer)];
  t.equal('Retry-After' in meta.headers, 'Retry-After' in peer.headers);
  t.equal(ended.byError(error).reason, reason);
  return { toMeta: meta.status, toPeer: peer.status, reason, mayRetry: 'Retry-After' in meta.headers, mayFailOver, theirs };
}

t.test('every code: status to Meta and to a peer, reason, whether to retry, whether another target may take the call', (t) => {
  t.same(Object.keys(table).sort(), Object.keys(errorTable).sort());
  for (const [code, expected] of Object.entries(table)) t.same(actual(new WabError(code as ErrorCode, 'detail')), expected, code);
  t.end();
});

t.test('an error that is not of the table is a fault of ours', (t) => {
  for (const error of [new Error('boom'), new TypeError('x'), 'thrown text', null, { code: 'SDP_UNACCEPTABLE' }]) t.same(actual(error), stopsTheStart, String(error));
  t.end();
});

t.test('a warn code goes with the termination, where there is one', (t) => {
  t.equal(ended.byError(new WabError('SDP_UNACCEPTABLE', 'no codec', { warning: 305 })).by, 'us');
  t.match(ended.byError(new WabError('SDP_UNACCEPTABLE', 'no codec', { warning: 305 })), { warning: 305, text: 'the session description cannot be used: no codec' });
  t.notOk('warning' in ended.byError(new WabError('SDP_UNACCEPTABLE', 'no codec')));
  t.end();
});

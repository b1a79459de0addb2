import t from 'tap';
import { Call } from '../../../lib/call/call.js';
import { refuseOnEnd } from '../../../lib/call/refuse.js';
import { createLogger } from '../../../lib/observe/logger.js';
import type { SipResponse } from '../../../lib/sip/drachtio.js';
import { judgeRefusal, refusalText } from '../../../lib/call/meta/refusal.js';
import { peerRefusal } from '../../../lib/call/peer/refusal.js';
import { ended, reasonOf, statusForMeta, statusForPeer, type Termination } from '../../../lib/call/termination.js';

t.test("Meta's table of refusals (META-SIP §4.3), row by row", (t) => {
  const rows: [number, string, string, number][] = [
    [400, 'Asset not found, invalid business phone number', 'notConfigured', 403],
    [403, 'SIP server `x.example` from INVITE does not match any SIP server configured for phone number id 1', 'notConfigured', 403],
    [403, 'No Approved Call Permission Found: the user has not granted it', 'noPermission', 403],
    [403, 'The app 1 configured for SIP server `x` is not authorized for phone number id 1', 'notConfigured', 403],
    [403, 'Business Initiated Connected Call Per Day Limit Hit', 'dailyLimit', 403],
    [403, 'SDP Validation Error', 'sdpRefused', 488],
    [403, 'No fingerprint found in SDP', 'sdpRefused', 488],
    [403, 'Duplicate call', 'duplicate', 486],
    [403, 'Payment issue on the account', 'payment', 403],
    [403, 'Proxy auth uri does not match SIP "to" uri', 'uriMismatch', 403],
    [403, 'SIP "to" URI does not match the URI of Proxy-Authorization', 'uriMismatch', 403],
    [403, 'Authentication failed: invalid digest credentials', 'badCredentials', 403],
    [403, 'Wrong password', 'badCredentials', 403],
    [403, 'Digest response is not valid', 'badCredentials', 403],
    [403, 'Business initiated calling is not available for this country', 'notAvailable', 403],
    [403, 'Calling is not enabled for this phone number', 'notAvailable', 403],
    [403, 'Too many concurrent calls', 'overload', 503],
    [403, 'This user is not authorized to receive calls', 'other', 403],
    [403, 'Something nobody has seen', 'other', 403],
    [404, 'Not Found', 'notFound', 404],
    [407, 'Proxy Authentication Required', 'badCredentials', 403],
    [408, 'RTP Timeout', 'mediaTimeout', 480],
    [480, 'Temporarily Unavailable', 'unreachable', 480],
    [486, 'User declined the call', 'declined', 486],
    [500, 'Server Internal Error', 'unavailable', 503],
    [503, 'Service Unavailable', 'unavailable', 503],
    [599, 'x', 'other', 503],
    [499, 'x', 'other', 480],
  ];
  for (const [status, text, reason, forPeer] of rows) t.match(judgeRefusal(status, text), { reason, statusForPeer: forPeer }, `${status} ${text}`);
  t.end();
});

t.test('C1: what Meta says of a uri is no reason to look at the password', (t) => {
  for (const text of ['Proxy auth uri does not match SIP "to" uri', 'Proxy auth URI does not match SIP to URI', 'proxy auth uri does not match sip uri']) {
    const { advice } = judgeRefusal(403, text);
    t.match(advice, /password is not the cause/);
    t.match(advice, /Request-URI and the To/);
  }
  t.notMatch(judgeRefusal(403, 'The author of this call is unknown').advice, /^compare numbers/);
  t.end();
});

t.test("Meta's own words come from the Warning, else from the reason phrase", (t) => {
  const response = (warning?: string): Parameters<typeof refusalText>[1] =>
    ({ headers: {}, body: '', source_address: '', source_port: 0, protocol: 'tls', get: (name: string) => (name === 'Warning' ? warning : undefined), has: () => false });
  t.equal(refusalText('Forbidden', response('399 wa.meta.vc "No \\"Approved\\" Permission"')), 'No "Approved" Permission');
  t.equal(refusalText('Forbidden', response(undefined)), 'Forbidden');
  t.equal(refusalText('For\r\nbidden', null), 'For bidden');
  t.end();
});

t.test("a peer's refusal becomes something that Meta understands", (t) => {
  const rows: [number, string, number][] = [
    [486, 'busy', 486], [600, 'busy', 600], [603, 'declined', 603], [408, 'noAnswer', 480], [480, 'noAnswer', 480],
    [503, 'unreachable', 480], [404, 'refused', 480], [488, 'refused', 480],
  ];
  for (const [status, reason, forMeta] of rows) {
    const termination = peerRefusal(status, 'text');
    t.match(termination, { by: 'peer', reason, status });
    t.equal(statusForMeta(termination), forMeta);
  }
  t.end();
});

t.test('a hang-up is Q.850 normal clearing, everything else names the SIP status', (t) => {
  const hangup = ended.userHungUp('bye');
  const timeout = ended.mediaTimeout(30);
  t.same(reasonOf(hangup), { protocol: 'Q.850', cause: 16, text: 'NORMAL_CLEARING' });
  t.same(reasonOf(timeout), { protocol: 'SIP', cause: 408, text: 'no media from Meta for 30 s' });
  t.equal(statusForPeer(ended.byMeta('declined', 486, 'User declined the call')), 486);
  t.equal(statusForPeer(ended.byPolicy({ code: 'x', rule: 'y', status: 484, text: '' })), 484);
  t.end();
});

t.test('who is told to come again, and when', (t) => {
  const headersFor = (termination: Termination): Record<string, string> => {
    let sent: Record<string, string> = {};
    const call = new Call({ direction: 'user-initiated', startedAt: 0, log: createLogger('silent'), showUser: (user) => user, onEnded: () => undefined });
    const res = { finalResponseSent: false, send: (_status: number, options: { headers: Record<string, string> }) => { sent = options.headers; } };
    refuseOnEnd(call, res as unknown as SipResponse, statusForMeta);
    call.end(termination);
    return sent;
  };
  t.match(headersFor(ended.nobodyThere('out')), { 'Retry-After': '30', Reason: 'SIP;cause=480;text="out"' });
  t.match(headersFor(ended.overload(10)), { 'Retry-After': '5' });
  t.notOk('Retry-After' in headersFor(ended.noAnswer(20)));
  t.end();
});

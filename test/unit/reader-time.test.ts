// No slow code on network input: every reader of what others send takes time in proportion to it. Measured against itself, so that a loaded machine
// does not matter: 64 kB may take six times what 16 kB take (four would be exact; a square is sixteen), unless both are over at once.
import t from 'tap';
import { readInfoDigit } from '../../lib/call/peer/dtmfInfo.js';
import { redirectedTo } from '../../lib/call/hunt/attempt.js';
import { judgeRefusal } from '../../lib/call/meta/refusal.js';
import { e164 } from '../../lib/call/meta/request.js';
import { readRefer } from '../../lib/call/features/refer.js';
import { parseReplaces } from '../../lib/call/features/replaces.js';
import { clean } from '../../lib/graph/error.js';
import { parseJson } from '../../lib/graph/json.js';
import { readPair } from '../../lib/graph/permission/stored.js';
import { readWebhook } from '../../lib/graph/webhook/reading.js';
import { bdecode } from '../../lib/media/rtpengine/bencode.js';
import { drawLadder } from '../../lib/observe/ladder.js';
import { printable, printableJson } from '../../lib/observe/printable.js';
import { hideDigits, maskDigits, maskUsers, redactSip } from '../../lib/observe/redact.js';
import { headerValue } from '../../lib/observe/trace.js';
import { readDialled } from '../../lib/policy/numbers.js';
import { hasIsup, mediaHosts, mentions, readMention } from '../../lib/policy/origin.js';
import { readsAsFullNumber, readsAsNumber } from '../../lib/policy/pattern/telephone.js';
import { canonicalUser } from '../../lib/policy/pattern/users.js';
import { readMetaOffer, readPeerAnswer, readSdp } from '../../lib/sdp/index.js';
import { readSession } from '../../lib/sip/body.js';
import { parseAuthValues } from '../../lib/sip/digest.js';
import { answerChallenge, readChallenges } from '../../lib/sip/digestClient.js';
import { cleanHeaderValue, cseqNumber, parseReason, quotedString, readMetaHeaders, supports, tagOf } from '../../lib/sip/headers.js';
import { stampVia } from '../../lib/sipserver/transaction/via.js';
import { foundNobody } from '../../lib/sip/options.js';
import { readTrace } from '../../lib/sip/protocolTrace.js';
import { readMessage, valueReader } from '../../lib/sip/srfReader.js';
import * as uri from '../../lib/sip/uri.js';
import * as sip from '../../lib/sipserver/parser/index.js';
import { Policy, SCANNERS } from '../../lib/sipserver/protocol/policy.js';
import { parseClientMessage, parseCommand } from '../../lib/sipserver/protocol/wire.js';
import { splitHostPort } from '../../lib/util/hostPort.js';
import { StreamFramer } from '../../lib/sipserver/transport/framer.js';

type Reader = readonly [name: string, read: (text: string) => unknown, ...beginnings: string[]];

const message = (text: string): { get: () => string; has: () => boolean; headers: Record<string, string>; body: string } => ({ get: () => text, has: () => true, headers: { contact: text }, body: text });
const request = (text: string): sip.SipMessage | undefined => sip.parseMessage(text).message;
const webhook = (messages: object[], contacts: object[]): Record<string, unknown> => ({
  entry: [{ changes: [...['messages', 'calls'].map((field) => ({ field, value: { [field]: messages, contacts, metadata: { display_phone_number: '447700900001' } } })), { field: 'account_update', value: messages[0] }] }],
});
const policy = new Policy(SCANNERS, 10);
const start = 'INVITE sip:a@b SIP/2.0\r\n';
const head = `${start}Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n`;
const sdp = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/SAVP 0\r\n';

/** Everything of lib/ that is handed text or bytes as somebody else wrote them, and beginnings that lead far into it. */
const readers: readonly Reader[] = [
  ['parseMessage', (s) => sip.parseMessage(s), start, `${start}A: `, 'SIP/2.0 200 ', `${start}From: "`],
  ['checkRequest', (s) => { const m = request(s); return m && sip.checkRequest(m); }, `${head}Contact: `, `${head}Route: <sip:`, `${head}Via: SIP/2.0/UDP `, `${start}From: "`],
  ['checkResponse', (s) => { const m = request(s); return m && sip.checkResponse(m); }, 'SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP ', 'SIP/2.0 200 OK\r\nVia: '],
  ['judge', (s) => { const m = request(s); return m && [policy.judge(m, true, 0), policy.welcome(m)]; }, `${head}Require: `, `${head}Content-Type: multipart/`, `${head}Accept: `, `${head}Content-Disposition: handling`, `${head}Session-Expires: 90`],
  ['responseTo', (s) => { const m = request(s); return m && sip.responseTo(m, 200, 'OK', 'x').toString(); }, `${start}To: `],
  ['sip.parseUri', (s) => sip.parseUri(s), 'sip:', 'sip:a@', 'sip:[', 'sip:a@b;'], ['schemeOf', (s) => sip.schemeOf(s), 'a'], ['splitHostPort', (s) => sip.splitHostPort(s), '[', 'a'],
  ['sip.parseNameAddr', (s) => sip.parseNameAddr(s), '"', '<sip:', 'sip:a', 'a '], ['closeQuote', (s) => sip.closeQuote(s), '"', '"a <sip:'], ['sip.tagOf', (s) => sip.tagOf(s), '"', '<sip:a@b>;', '<'],
  ['parseVia', (s) => sip.parseVia(s), 'SIP/2.0/UDP ', 'SIP', 'SIP / 2.0 / '], ['parseCSeq', (s) => sip.parseCSeq(s), '1', '1 '], ['parseParams', (s) => sip.parseParams(s), ';a="'],
  ['paramOf', (s) => sip.paramOf(s, 'tag'), ';'], ['withParam', (s) => sip.withParam(s, 'tag', 'x'), ';'], ['splitList', (s) => sip.splitList(s), 'a, "', '<'],
  ['isBalanced', (s) => sip.isBalanced(s), '"'], ['hasEmptyPart', (s) => sip.hasEmptyPart(s), ';', ' '], ['util.splitHostPort', (s) => splitHostPort(s), '[', 'a', '[:'], ['unquote', (s) => sip.unquote(`${s}"`), '"'], ['trimBlanks', (s) => sip.trimBlanks(s)], ['indexOfListEnd', (s) => sip.indexOfListEnd(s), '"'],
  ['parseSessionExpires', (s) => sip.parseSessionExpires(s), '90;', ' '], ['parseMinSE', (s) => sip.parseMinSE(s), '90;'],
  ['stampVia', (s) => stampVia(sip.SipMessage.request('OPTIONS', 'sip:a').add('Via', `SIP/2.0/UDP h;branch=z9hG4bKa;rport${s}x;rport`), { remote: { address: '127.0.0.1', port: 5060 } } as never), '', ' ', ' ='],
  ['graph.parseJson', (s) => { try { return parseJson(s); } catch { return null; } }, '"', '{"a":"', '[1234567890123456', '"a\\'],
  ['readWebhook', (s) => readWebhook(webhook([{ from: s, id: s, type: s, from_user_id: s, timestamp: s }], [{ wa_id: s, user_id: s }])), '447700900101', 'GB.1', 'wacid.'],
  // As many messages and contacts as there are characters in a body of this length.
  ['readWebhook, many', (s) => { const many = Array.from({ length: s.length / 16 }, (_, i) => `44770${i + 1_000_000}`); return readWebhook(webhook(many.map((from) => ({ from: `${from}9`, id: from, type: s.slice(0, 8) })), many.map((id) => ({ wa_id: id })))); }],
  ['readPair', (s) => readPair(s), '{"requests":[', '{"permission":{"status":"'],
  ['graph.clean', (s) => clean(s, ['secret']), 'EAA', 'access_token', 'access_token=', 'sip_user_password"'],
  ['StreamFramer', (s) => new StreamFramer(1_000_000).push(Buffer.from(s, 'latin1')), start],
  ['StreamFramer, byte by byte', (s) => { const framer = new StreamFramer(1_000_000); for (const byte of Buffer.from(s.slice(0, s.length / 8), 'latin1')) framer.push(Buffer.of(byte)); }, start],
  ['parseCommand', (s) => parseCommand(s), 'id|sip|', 'id|sip||\r\nSIP/2.0 200 '], ['parseClientMessage', (s) => parseClientMessage(s), start, 'SIP/2.0 200 ', `${start}a: `],
  ['readMessage', (s) => readMessage(s), start, 'SIP/2.0 200 ', `${head}Content-Type: multipart/mixed;boundary=`, `${head}Content-Type: multipart/mixed;boundary=x\r\n\r\n--x\r\nContent-Type:`, `${start}From: "`],
  ...['to', 'contact', 'record-route', 'cseq', 'via', 'www-authenticate', 'refer-to', 'x'].map((name): Reader => [`valueReader ${name}`, (s) => valueReader(name)({ s }), '"', '<sip:']),
  ['readSession', (s) => readSession(new Map([['content-type', 'multipart/mixed;boundary=x']]), s), '--x\r\n', '--x\r\nContent-Type: ', '--x\r\nContent-Type: multipart/mixed;boundary=y\r\n\r\n--y\r\n', '--x\r\nContent-Disposition: '],
  ['readSession type', (s) => readSession(new Map([['content-type', s], ['content-disposition', s]]), 'x'), 'multipart/mixed;boundary=', 'multipart/mixed;boundary="'],
  ['uri.parseUri', (s) => uri.parseUri(s), 'sip:', 'tel:+', 'sip:a@', 'sip:%'], ['uri.parseNameAddr', (s) => uri.parseNameAddr(s), '"', '<sip:a@b>;'], ['splitHeaderValues', (s) => uri.splitHeaderValues(s), '"', '<'],
  ['escapeUser', (s) => uri.escapeUser(s)], ['tagOf', (s) => tagOf(s), '"'], ['parseReason', (s) => parseReason(s), 'SIP;', 'SIP;cause', 'SIP;text="', 'SIP ;'], ['supports', (s) => supports(message(s), 'timer')],
  ['cseqNumber', (s) => cseqNumber(message(s)), '1', ' '], ['cleanHeaderValue', (s) => cleanHeaderValue(s)], ['quotedString', (s) => quotedString(s)], ['readMetaHeaders', (s) => readMetaHeaders(message(s))],
  ['parseAuthValues', (s) => parseAuthValues(s), 'Digest ', 'Digest a="', 'Digest username="a", '], ['readChallenges', (s) => readChallenges([s]), 'Digest realm="', 'Digest '],
  ['answerChallenge', (s) => answerChallenge([s], { username: 'a', password: 'b' } as never, { method: 'INVITE', uri: 'sip:a' }), 'Digest realm="a", nonce="', 'Digest nonce="b", realm="'],
  ['foundNobody', (s) => foundNobody({ status: 408, reason: '', ...message(s) } as never, 'INVITE'), ';', '; rport'], ['readTrace', (s) => readTrace(s, 0), 'id|sip|network|', `id|response|id|OK|application|1|udp|a|1\r\n${start}Route: `],
  ['readInfoDigit', (s) => readInfoDigit('application/dtmf-relay', s), 'Signal', 'Signal='], ['readInfoDigit type', (s) => readInfoDigit(s, 'Signal=1'), 'application/dtmf-relay', ' '],
  ['parseReplaces', (s) => parseReplaces(s), 'a@b;', 'a;to-tag=', 'a'], ['readRefer', (s) => readRefer(message(s) as never), '<sip:a@b?Replaces=', 'sip:a@b?', '"'], ['redirectedTo', (s) => redirectedTo(s), '<sip:a@b>;q=', '"'],
  ['judgeRefusal', (s) => judgeRefusal(403, s), 'sip server ', 'No approved', 'the app '], ['e164', (s) => e164(s), '+', '+44'],
  ['readSdp', (s) => { try { return readSdp(s); } catch { return null; } }, 'v=0\r\n', sdp, `${sdp}a=rtpmap:`, `${sdp}a=candidate:`, `${sdp}a=crypto:`, `${sdp}a=fmtp:0 `, `${sdp}a=fingerprint:`, `${sdp}a=ssrc-group:`, `${sdp}a=simulcast:`],
  ['readMetaOffer', (s) => { try { return readMetaOffer(s, 'sdes'); } catch { return null; } }, sdp, `${sdp}a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:`],
  ['readPeerAnswer', (s) => { try { return readPeerAnswer(s, { codecs: ['PCMU'], srtp: 'none', dtmf: 'rfc4733' }, null); } catch { return null; } }, sdp],
  ['hasIsup', (s) => hasIsup({ 'content-type': [s] }, `isup${s}`), 'Content-Type:', '\r\nc:'], ['mediaHosts', (s) => mediaHosts(s), 'c=IN IP4 ', 'a=candidate:', 'a=candidate:1 1 udp 1 '],
  ['mentions', (s) => mentions({ diversion: [s] }, 'diversion').map((one) => readMention(one)), '<sip:', '"', '<sip:+1'], ['canonicalUser', (s) => canonicalUser(s), '+', '%'], ['readsAsNumber', (s) => [readsAsNumber(s), readsAsFullNumber(s)], '+1', '00'],
  ['readDialled', (s) => readDialled(s, 'GB'), '+', '0'], ['redactSip', (s) => redactSip(s), 'a=crypto:', 'Authorization: Digest response="', 'Authorization: Basic ', 'sip:a:', 'k=', 'a=key-mgmt:'],
  ['maskUsers', (s) => maskUsers(s, new Set(), '+447700900101'), '+', 'wacid.', 'A', '447700900101'], ['hideDigits', (s) => hideDigits(s), 'INFO x\r\nContent-Type: application/dtmf\r\n\r\n', 'Content-Type'], ['maskDigits', (s) => maskDigits(s, new Set()), '+', '%'], ['headerValue', (s) => headerValue(s, 'call-id', 'i'), 'Call-ID', 'i '],
  ['drawLadder', (s) => drawLadder([{ time: 0, direction: 'in', transport: 'udp', local: 'a', remote: 'b', text: s }], () => 'x'), start, 'SIP/2.0 200 ', `${start}Content-Type `],
  ['printable', (s) => [printable(s), printableJson(s)]], ['bdecode', (s) => { try { return bdecode(Buffer.from(s)); } catch { return null; } }, 'd', '1:', 'l'],
];

/** What is repeated. */
const units = [' ', '\t ', '\u2028', '\u00a0', '"', '\\', '\\"', ',', ';', ';a', ';a=', ';a="', '=', '<', '<>', '<<sip:a@b>', '\r\n', '\r\n ', '\n', '-', '--x\r\n', ':', '@', '[', '%41', '0', '+1', '1,', 'a ', '"a",', '<sip:a@b>,',
  'a=crypto:1 x inline:', 'Content-Type: x\r\n', 'l1:', 'response="', 'auth', ' \u2028', '1-', 'a=rtpmap:0 x/1\r\n', 'm=audio 9 RTP/AVP 0\r\n', '\r\n\r\n'];
const endings = ['\u2028x', '"\r\n\r\n'];

/** Milliseconds of processor time: that others compute on this machine is not counted. */
function time(read: (text: string) => unknown, text: string): number {
  const begun = process.cpuUsage();
  read(text);
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1000;
}

/** Nothing is compared below: what grows with the square of 64 kB takes longer. */
const soon = 40;

function slow(read: (text: string) => unknown, make: (size: number) => string): string | null {
  const small = make(16_384);
  // What is cubic is not asked for 64 kB: it would not come back.
  const first = time(read, make(4096));
  if (first > 100 && time(read, make(4096)) > 100 && time(read, make(4096)) > 100) return `4 kB take ${first.toFixed()} ms`;
  // Even a cube of this would be over soon.
  if (64 * time(read, small) < soon) return null;
  const large = make(65_536);
  let best = time(read, large);
  for (let tries = 0; tries < 4 && best > soon; tries++) {
    const base = Math.min(time(read, small), time(read, small), time(read, small));
    best = Math.min(best, time(read, large));
    if (best <= 6 * base) return null;
    if (tries === 3 || (tries === 2 && best > 10 * base)) return `16 kB take ${base.toFixed(1)} ms, 64 kB ${best.toFixed(1)}`;
  }
  return null;
}

t.setTimeout(300_000);

t.test('what takes square time is told', async (t) => {
  t.type(slow((text) => /\s+,/.exec(text), (size) => ' '.repeat(size)), 'string');
  t.equal(slow((text) => /^\s+,/.exec(text), (size) => ' '.repeat(size)), null);
});

for (const [name, read, ...beginnings] of readers) {
  t.test(name, { timeout: 120_000 }, async (t) => {
    for (const beginning of ['', ...beginnings]) {
      for (const [n, unit] of units.entries()) {
        const ending = endings[n % 2] ?? '';
        const verdict = slow(read, (size) => beginning + unit.repeat(Math.ceil(size / unit.length)) + ending);
        if (verdict !== null) t.fail(`${escape(beginning.slice(-30))} + ${escape(unit)} … + ${escape(ending)}: ${verdict}`);
      }
    }
    t.pass('in proportion');
  });
}

function escape(text: string): string {
  return JSON.stringify(text).replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

import t from 'tap';
import { responseTo } from '../../../lib/sipserver/parser/index.js';
import type { SipMessage } from '../../../lib/sipserver/parser/index.js';
import { newMasterKey, writeCrypto } from '../../../lib/simulator/media/srtp.js';
import { judgeContact, judgeResponse, judgeRoute } from '../../../lib/simulator/meta/judge.js';
import { callIdOf, contactUri, inviteMessage, newFromTag, newWacid, RECORD_ROUTES } from '../../../lib/simulator/meta/layout.js';
import { judgeOffer } from '../../../lib/simulator/meta/offer.js';
import { judgeAnswer, metaSdp } from '../../../lib/simulator/meta/sdp.js';
import type { MetaSdpInput } from '../../../lib/simulator/meta/sdp.js';
import { Verdict } from '../../../lib/simulator/verdict.js';

const wacid = newWacid('+447700900101');
const call = { number: '+447700900001', from: '+447700900101', displayName: '447700900101', domain: 'sbc.example.net', userParams: '', wacid, callId: callIdOf(wacid), fromTag: newFromTag() };
const invite = inviteMessage(call, {}, 7, 'v=0\r\n');

t.test('the INVITE has Meta\'s layout', async (t) => {
  t.strictSame(invite.headers.slice(0, 5).map((h) => h.name), ['Via', 'Record-Route', 'Record-Route', 'Via', 'Via']);
  t.match(invite.get('via'), /^SIP\/2\.0\/TLS \[2803:[0-9a-f:]+\]:\d+;rport;branch=z9hG4bKPj[0-9a-f]+;alias$/);
  t.match(invite.get('call-id'), /^outgoing:wacid\.[^=]+==$/);
  t.equal(invite.get('contact'), '<sip:+447700900101@wa.meta.vc;transport=tls;ob>;isfocus');
});

t.test('responses: each alteration is one breach, an honest echo none', async (t) => {
  const cases: [string, (r: SipMessage) => void, string | undefined][] = [
    ['honest', () => undefined, undefined],
    ['received and rport on the top Via', (r) => { top(r).value = top(r).value.replace(';rport;', ';rport=4711;received=127.0.0.1;'); }, undefined],
    ['own Record-Route above', (r) => { r.prepend('Record-Route', '<sip:sbc.example.net;lr>'); }, undefined],
    ['a Via dropped', (r) => { r.headers.splice(r.headers.findLastIndex((h) => h.key === 'via'), 1); }, 'via-altered'],
    ['Vias swapped', (r) => { const [a, b] = r.headers.filter((h) => h.key === 'via').slice(1); [a!.value, b!.value] = [b!.value, a!.value]; }, 'via-altered'],
    ['the branch altered', (r) => { top(r).value = top(r).value.replace('z9hG4bKPj', 'z9hG4bKPk'); }, 'via-altered'],
    ['a Record-Route rewritten', (r) => { r.headers.find((h) => h.key === 'record-route')!.value = '<sip:127.0.0.1;transport=tls;lr>'; }, 'record-route-altered'],
    ['Record-Routes swapped', (r) => { const [a, b] = r.headers.filter((h) => h.key === 'record-route'); [a!.value, b!.value] = [b!.value, a!.value]; }, 'record-route-altered'],
    ['own Record-Route below', (r) => { r.add('Record-Route', '<sip:sbc.example.net;lr>'); }, 'record-route-altered'],
    ['another CSeq', (r) => { r.set('CSeq', '8 INVITE'); }, 'response'],
    ['no To tag', (r) => { r.set('To', invite.get('to') ?? ''); }, 'response'],
  ];
  const top = (r: SipMessage) => r.headers.find((h) => h.key === 'via')!;
  for (const [what, alter, rule] of cases) {
    const response = responseTo(invite, 200, 'OK', 'abc');
    alter(response);
    const verdict = new Verdict();
    const routable = judgeResponse(invite, response, verdict);
    t.strictSame([...new Set(verdict.violations.map((v) => v.rule))], rule === undefined ? [] : [rule], what);
    t.equal(routable, rule !== 'record-route-altered', `${what}: ACK`);
  }
});

t.test('Contact and Route', async (t) => {
  const contact = (value: string): string[] => {
    const verdict = new Verdict();
    judgeContact(responseTo(invite, 200, 'OK', 'a').add('Contact', value), 'sbc.example.net', verdict);
    return verdict.violations.map((v) => v.rule);
  };
  t.strictSame(contact('<sip:+447700900001@sbc.example.net:5061;transport=tls>'), []);
  t.strictSame(contact('<sip:+447700900001@10.0.0.1:5061;transport=tls>'), ['contact']);
  t.strictSame(contact('<sip:+447700900001@sbc.example.net:5061>'), ['contact']);
  const bye = inviteMessage(call, {}, 8, '');
  bye.uri = contactUri(call.from);
  const routed = (routes: string[]): boolean => {
    const m = bye.clone().remove('route');
    for (const r of routes) m.add('Route', r);
    return judgeRoute(m, contactUri(call.from), RECORD_ROUTES, new Verdict());
  };
  t.equal(routed([...RECORD_ROUTES]), true);
  t.equal(routed([RECORD_ROUTES.join(', ')]), true, 'on one line too');
  t.equal(routed([...RECORD_ROUTES].reverse()), false);
  t.equal(routed([RECORD_ROUTES[0]]), false);
  bye.uri = bye.uri.replace(';ob', '');
  t.equal(routed([...RECORD_ROUTES]), false, ';ob lost');
});

const ours = newMasterKey();
const theirs = newMasterKey();
const sdes: MetaSdpInput = {
  local: { address: '127.0.0.1', port: 3480 }, codecs: [{ name: 'opus', payloadType: 111 }, { name: 'PCMU', payloadType: 0 }], dtmf: 126, ssrc: 1, crypto: writeCrypto(1, ours),
};
const good = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', 'm=audio 4000 RTP/SAVP 111 126', 'a=rtpmap:111 opus/48000/2', 'a=rtpmap:126 telephone-event/8000',
  `a=crypto:${writeCrypto(1, theirs)}`, 'a=ptime:20', 'a=sendrecv', ''].join('\r\n');

t.test('SDES answers', async (t) => {
  const judge = (text: string): { rules: string[]; media: ReturnType<typeof judgeAnswer> } => {
    const rules = new Set<string>();
    const media = judgeAnswer(text, sdes, (rule) => { rules.add(rule); });
    return { rules: [...rules], media };
  };
  t.strictSame(judge(good).rules, []);
  t.match(judge(good).media, { codec: 'opus', payloadType: 111, dtmf: 126, remote: { address: '127.0.0.1', port: 4000 }, master: theirs });
  t.match(judge(good.replace('111 126', '0').replace(/a=rtpmap:.*\r\n/g, '')).media, { codec: 'PCMU', dtmf: undefined });
  const cases: [string, [string | RegExp, string], string][] = [
    ['two m-lines', ['a=sendrecv\r\n', 'a=sendrecv\r\nm=video 0 RTP/SAVP 96\r\n'], 'sdp'],
    ['another protocol', ['RTP/SAVP', 'RTP/AVP'], 'sdp'],
    ['sendonly', ['sendrecv', 'sendonly'], 'sdp'],
    ['a type that was not offered', ['111 126', '111 101'], 'payload-type'],
    ['Opus with one channel', ['opus/48000/2', 'opus/48000'], 'sdp'],
    ['events at 48 kHz', ['telephone-event/8000', 'telephone-event/48000'], 'sdp'],
    ['no rtpmap', ['a=rtpmap:111 opus/48000/2\r\n', ''], 'sdp'],
    ['ptime 30', ['ptime:20', 'ptime:30'], 'ptime'],
    ['no crypto', [/a=crypto.*\r\n/, ''], 'crypto'],
    ['two cryptos', ['a=ptime', `a=crypto:${writeCrypto(2, theirs)}\r\na=ptime`], 'crypto'],
    ['another tag', ['crypto:1', 'crypto:2'], 'crypto'],
    ['another suite', ['SHA1_80', 'SHA1_32'], 'crypto'],
    ['a short key', [/inline:.{8}/, 'inline:'], 'crypto'],
    ['our own key', [writeCrypto(1, theirs), writeCrypto(1, ours)], 'crypto'],
    ['a lifetime', [/(inline:\S+)/, '$1|2^20'], 'crypto'],
    ['a fingerprint', ['a=ptime', 'a=fingerprint:sha-256 00\r\na=ptime'], 'crypto'],
    ['LF only', [/\r\n/g, '\n'], 'sdp'],
    ['no t=', ['t=0 0\r\n', ''], 'sdp'],
    ['port 0', ['audio 4000', 'audio 0'], 'sdp'],
  ];
  for (const [what, [from, to], rule] of cases) t.ok(judge(good.replace(from, to)).rules.includes(rule), `${what} → ${judge(good.replace(from, to)).rules.join() || 'nothing'}`);
});

t.test('offers of the business', async (t) => {
  const offer = metaSdp({ ...sdes, codecs: [{ name: 'opus', payloadType: 107 }], dtmf: 101 });
  const judge = (text: string, keying: 'sdes' | 'dtls' = 'sdes', g711 = false): { result: ReturnType<typeof judgeOffer>; rules: string[] } => {
    const rules: string[] = [];
    const result = judgeOffer(text, keying, g711 ? ['opus', 'PCMA', 'PCMU'] : ['opus'], (rule) => { rules.push(rule); });
    return { result, rules };
  };
  t.match(judge(offer), { result: { codec: 'opus', payloadType: 107, dtmf: 101, cryptoTag: 1 }, rules: { length: 0 } });
  t.equal(judge(offer, 'dtls').result, 'noFingerprint');
  t.equal(judge(offer.replace('RTP/SAVP ', 'RTP/AVP ')).result, 'sdp');
  t.equal(judge(offer.replace('opus/48000/2', 'opus/48000')).result, 'sdp');
  t.equal(judge(offer.replace(/a=crypto.*\r\n/, '')).result, 'sdp');
  t.equal(judge('').result, 'sdp');
  t.match(judge(offer.replace('telephone-event/8000', 'telephone-event/48000')).rules, ['dtmf']);
  t.match(judge(offer.replace('107 101', '107 0 101')).rules, ['sdp'], 'PCMU on a number without it');
  t.match(judge(offer.replace('107 101', '0 101').replace(/a=rtpmap:107.*\r\n/, ''), 'sdes', true).result, { codec: 'PCMU' });
});

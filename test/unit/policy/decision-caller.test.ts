import t from 'tap';
import { compilePolicy, explainCaller, judgeCaller } from '../../../lib/policy/index.js';
import type { CallerFacts, HeaderFacts } from '../../../lib/policy/types.js';
import { configOf, house, number, usNumber } from './configuration.js';

const policy = compilePolicy(house);
const user = '+447700900101';
const dial = `sip:${user}@sbc.example.net`;
const from = `<sip:${number}@10.0.0.7>;tag=1`;

type Row = readonly [what: string, facts: Partial<CallerFacts>, code: string];

function table(name: string, rows: readonly Row[]): void {
  t.test(`${name} (${rows.length} rows)`, async (t) => {
    for (const [what, more, code] of rows) {
      const facts: CallerFacts = { peer: 'pbx', uri: dial, body: '', ...more, headers: { from: [from], ...more.headers } };
      const verdict = judgeCaller(policy, facts);
      t.equal(verdict.code, code, `${what}: ${verdict.text}`);
      t.equal(verdict.allow, code === 'caller.mayCall');
      const answers = explainCaller(policy, facts);
      const decided = answers.find(({ answer }) => answer === 'deny') ?? answers.find(({ answer }) => answer === 'allow');
      t.equal(decided?.code, code, 'explained the same');
    }
  });
}

const may = 'caller.mayCall';
const headers = (more: Record<string, string>): { headers: HeaderFacts } => ({ headers: Object.fromEntries(Object.entries(more).map(([name, value]) => [name, [value]])) });
const multipart = (type: string): string => ['--b', 'Content-Type: application/sdp', '', 'v=0', '--b', type, '', 'x', '--b--', ''].join('\r\n');

table('who calls', [
  ['the business number', {}, may],
  ['without +', headers({ from: '<sip:447700900001@10.0.0.7>' }), may], ['with 00', headers({ from: '<sip:00447700900001@10.0.0.7>' }), may], ['national', headers({ from: '<sip:07700900001@10.0.0.7>' }), may],
  ['separated', headers({ from: '<sip:+44-7700-900001@10.0.0.7>' }), may], ['as a tel: URI', headers({ from: '<tel:+447700900001>' }), may], ['in compact form', { headers: { from: [], f: ['<sip:+447700900001@10.0.0.7>'] } }, may],
  ['an extension', headers({ from: '"Anna" <sip:6001@10.0.0.7>;tag=1' }), may], ['a short extension', headers({ from: '<sip:100@10.0.0.7>' }), may], ['an extension of three digits with 9', headers({ from: '<sip:901@10.0.0.7>' }), may],
  ['a name', headers({ from: 'sip:anna.smith@10.0.0.7' }), may], ['nobody', headers({ from: '"Anonymous" <sip:anonymous@anonymous.invalid>' }), may], ['an on-net user that is a number', headers({ from: '<sip:+442079460000@10.0.0.7>' }), may],
  ['P-Asserted-Identity over From', headers({ from: '<sip:6001@10.0.0.7>', 'p-asserted-identity': `<sip:${number}@10.0.0.7>` }), may],
  ['P-Asserted-Identity as tel: and sip:', headers({ 'p-asserted-identity': `<sip:${number}@10.0.0.7>, <tel:${number}>` }), may], ["at a carrier's host, but the peer's own", headers({ 'p-asserted-identity': `<sip:${number}@carrier.example>` }), may],
  ['a number of somebody else', headers({ from: '<sip:+12025550123@10.0.0.7>' }), 'caller.number'], ['nationally', headers({ from: '<sip:02079460958@10.0.0.7>' }), 'caller.number'],
  ['one of our numbers, not of this peer', headers({ from: '<sip:+447700900002@10.0.0.7>' }), 'caller.number'], ['only in From', headers({ from: '<sip:+12025550123@10.0.0.7>', 'p-asserted-identity': `<sip:${number}@10.0.0.7>` }), 'caller.number'],
  ['only in Remote-Party-ID', headers({ 'remote-party-id': '<sip:+12025550123@10.0.0.7>;party=calling' }), 'caller.number'], ['only in P-Preferred-Identity', headers({ 'p-preferred-identity': '<sip:+12025550123@10.0.0.7>' }), 'caller.number'],
  ['the second P-Asserted-Identity', headers({ 'p-asserted-identity': `<sip:${number}@10.0.0.7>, <sip:+12025550123@10.0.0.7>` }), 'caller.number'], ['the callee', headers({ from: `<sip:${user}@10.0.0.7>` }), 'caller.number'],
  ['an emergency code', headers({ from: '<sip:112@10.0.0.7>' }), 'caller.number'],
  ['a peer that is not configured', { peer: 'ghost' }, 'caller.peer'], ['a gateway', { peer: 'gw' }, 'caller.pstn'], ['a peer that may not', { peer: 'next' }, 'caller.noNumber'],
  ['a number of a country without', headers({ from: `<sip:${usNumber}@10.0.0.7>` }), 'caller.country'],
]);

table('calls from the telephone network', [
  ['Diversion', headers({ diversion: '<sip:+12025550123@10.0.0.7>;reason=unconditional' }), 'origin.diversion'], ['Diversion, tel:', headers({ diversion: '<tel:+12025550123>' }), 'origin.diversion'], ['Diversion, a carrier', headers({ diversion: '<sip:x@carrier.example>' }), 'origin.diversion'],
  ['Diversion, the second', headers({ diversion: '<sip:6001@10.0.0.7>, <sip:02079460958@10.0.0.7>' }), 'origin.diversion'], ['Diversion, escaped', headers({ diversion: '<sip:%2B12025550123@10.0.0.7>' }), 'origin.diversion'], ['Diversion, separated', headers({ diversion: '<sip:(202)555-0123@10.0.0.7>' }), 'origin.diversion'],
  ['Diversion, damaged', headers({ diversion: '<sip:+12025550123@' }), 'origin.diversion'], ['Diversion from emergency', headers({ diversion: '<sip:911@10.0.0.7>' }), 'origin.diversion'],
  ['Diversion of an extension', headers({ diversion: '<sip:6001@10.0.0.7>;reason=no-answer' }), may], ['Diversion of a short extension', headers({ diversion: '<sip:101@10.0.0.7>' }), may], ["Diversion of the peer's own", headers({ diversion: `<sip:${number}@10.0.0.7>` }), may], ['Diversion of an on-net number', headers({ diversion: '<sip:+442079460000@10.0.0.7>' }), may],
  ['History-Info', headers({ 'history-info': '<sip:+12025550123@10.0.0.7>;index=1, <sip:6001@10.0.0.7>;index=1.1' }), 'origin.historyInfo'], ['History-Info, tel:', headers({ 'history-info': '<tel:112>;index=1' }), 'origin.historyInfo'],
  ['History-Info, ENUM', headers({ 'history-info': '<sip:x@3.2.1.0.5.5.5.2.0.2.1.e164.arpa>;index=1' }), 'origin.historyInfo'], ['History-Info, a host that is a number', headers({ 'history-info': '<sip:12025550123.example.com>;index=1' }), 'origin.historyInfo'],
  ['History-Info of the callee', headers({ 'history-info': '<sip:6001@10.0.0.7>;index=1, <sip:07700900101@10.0.0.7>;index=1.1' }), may],
  ['P-Asserted-Identity, tel:', headers({ 'p-asserted-identity': '<tel:+12025550123>' }), 'origin.identity'], ['P-Asserted-Identity, tel: of an extension', headers({ 'p-asserted-identity': '<tel:6001;phone-context=example.net>' }), 'origin.identity'],
  ['P-Asserted-Identity, a carrier', headers({ 'p-asserted-identity': '"Anna" <sip:anna@carrier.example>' }), 'origin.identity'], ['P-Asserted-Identity, a carrier by address', headers({ 'p-asserted-identity': '<sip:anna@198.51.100.7>' }), 'origin.identity'],
  ['P-Asserted-Identity, damaged', headers({ 'p-asserted-identity': '<sip:anna@' }), 'origin.identity'], ['From, tel:', headers({ from: '<tel:+12025550123>' }), 'origin.from'], ['From, a carrier', headers({ from: '<sip:anna@sip.carrier.example>' }), 'origin.from'], ['From, damaged', headers({ from: 'anna' }), 'origin.from'],
  ['ISUP alone', headers({ 'content-type': 'application/ISUP;version=itu-t92+' }), 'origin.isup'], ['ISUP, compact', headers({ c: 'application/isup' }), 'origin.isup'], ['QSIG', headers({ 'content-type': 'application/QSIG' }), 'origin.isup'],
  ['ISUP in multipart', { ...headers({ 'content-type': 'multipart/mixed;boundary=b' }), body: multipart('Content-Type: application/ISUP; version=nxv3') }, 'origin.isup'], ['ISUP in multipart, compact', { body: multipart('c:application/isup') }, 'origin.isup'],
  ['ISUP in multipart, folded', { body: multipart('Content-Type:\r\n application/isup') }, 'origin.isup'], ['ISUP of a vendor', headers({ 'content-type': 'application/vnd.cirpack.isdn-isup' }), 'origin.isup'],
  ['other multipart', { ...headers({ 'content-type': 'multipart/mixed;boundary=b' }), body: multipart('Content-Type: application/pidf+xml') }, may],
  ['cpc in From', headers({ from: `<sip:${number};cpc=ordinary@10.0.0.7>` }), 'origin.params'], ['cpc behind From', headers({ from: `<sip:${number}@10.0.0.7>;cpc=payphone;tag=1` }), 'origin.params'], ['oli', headers({ from: `<sip:${number}@10.0.0.7;oli=62>` }), 'origin.params'],
  ['isup-oli', headers({ from: `<sip:${number}@10.0.0.7;isup-oli=00>` }), 'origin.params'], ['ISUP-OLI escaped', headers({ from: `<sip:${number}@10.0.0.7;%69SUP-OLI=00>` }), 'origin.params'], ['rn in the Request-URI', { uri: `sip:${user};rn=+12025550123@sbc.example.net` }, 'origin.params'],
  ['npdi', { uri: `sip:${user};npdi@sbc.example.net` }, 'origin.params'], ['npdi as a URI parameter', { uri: `${dial};npdi=yes` }, 'origin.params'], ['tgrp in Contact', headers({ contact: `<sip:${number};tgrp=tg1;trunk-context=carrier.example@10.0.0.7>` }), 'origin.params'],
  ['trunk-context in P-Asserted-Identity', headers({ 'p-asserted-identity': `<sip:${number};trunk-context=example.net@10.0.0.7>` }), 'origin.params'], ['cpc in P-Asserted-Identity', headers({ 'p-asserted-identity': `<tel:${number};cpc=ordinary>` }), 'origin.params'], ['cpc in Diversion', headers({ diversion: '<sip:6001;cpc=ordinary@10.0.0.7>' }), 'origin.params'],
  ["media at a carrier's", { body: 'v=0\r\nc=IN IP4 198.51.100.30\r\n' }, 'origin.media'], ["a candidate at a carrier's", { body: 'v=0\r\nc=IN IP4 10.0.0.7\r\na=candidate:1 1 UDP 1 198.51.100.30 4000 typ host\r\n' }, 'origin.media'], ['media of the peer', { body: 'v=0\r\nc=IN IP4 10.0.0.7\r\n' }, may],
]);

table('calls from WhatsApp', [
  ['our own header comes back', headers({ 'x-wa-wacid': 'wacid.x' }), 'origin.whatsapp'], ["Meta's header comes back", headers({ 'x-wa-meta-wacid': 'wacid.x' }), 'origin.whatsapp'], ['a BSUID calls', headers({ from: '<sip:US.13491208655302741918@10.0.0.7>' }), 'origin.whatsapp'],
  ["diverted from Meta's host", headers({ diversion: '<sip:anna@wa.meta.vc>' }), 'origin.whatsapp'], ['a name that looks a little like a BSUID', headers({ from: '<sip:JD.Smith@10.0.0.7>' }), may],
]);

table('who is called', [
  ['without +', { uri: 'sip:447700900101@sbc.example.net' }, may], ['with 00', { uri: 'sip:00447700900101@sbc.example.net' }, may], ['national', { uri: 'sip:07700900101@sbc.example.net' }, may], ['user=phone', { uri: `${dial};user=phone` }, may], ['tel:', { uri: `tel:${user}` }, may], ['separated', { uri: 'tel:+44-7700-900101' }, may],
  ['a BSUID', { uri: 'sip:US.13491208655302741918@sbc.example.net' }, may], ['a parent BSUID', { uri: 'sip:US.ENT.11815799212886844830@sbc.example.net' }, may],
  ['nobody', { uri: 'sip:sbc.example.net' }, 'callee.impossible'], ['an extension', { uri: 'sip:6001@sbc.example.net' }, 'callee.impossible'], ['too long', { uri: 'sip:+4477009001011234567@sbc.example.net' }, 'callee.impossible'], ['a name', { uri: 'sip:anna@sbc.example.net' }, 'callee.impossible'],
  ['emergency', { uri: 'sip:112@sbc.example.net' }, 'callee.impossible'], ['a local number', { uri: 'tel:7700900101;phone-context=+44' }, 'callee.impossible'], ['a damaged URI', { uri: 'sip:%zz@sbc.example.net' }, 'callee.impossible'],
  ['Cuba', { uri: 'sip:+5352345678@sbc.example.net' }, 'callee.sanctioned'], ['Iran, BSUID', { uri: 'sip:IR.13491208655302741918@sbc.example.net' }, 'callee.sanctioned'], ['Crimea', { uri: 'sip:+79781234567@sbc.example.net' }, 'callee.sanctioned'],
  ['a business number of ours', { uri: 'sip:+447700900002@sbc.example.net' }, 'callee.whatsapp'], ['itself', { uri: 'sip:07700900001@sbc.example.net' }, 'callee.whatsapp'],
]);

t.test('who calls whom, worked out', async (t) => {
  const asked = (uri: string, fromValue: string): unknown => {
    const verdict = judgeCaller(policy, { peer: 'pbx', uri, headers: { from: [fromValue] }, body: '' });
    return verdict.allow && [verdict.number, verdict.user, verdict.rule];
  };
  t.same(asked('tel:07700-900101', '<sip:6001@10.0.0.7>'), [number, user, 'peers.pbx.mayCall[0]']);
  t.same(asked('sip:US.ENT.11815799212886844830@x', '<sip:07700900001@10.0.0.7>'), [number, 'US.ENT.11815799212886844830', 'peers.pbx.mayCall[0]']);
});

t.test('a vouched-for peer that lost its statement may no longer call', async (t) => {
  const changed = compilePolicy(configOf({ peers: { pbx: { uri: 'sip:10.0.0.7', sources: ['10.0.0.7'], pstn: 'some', mayCall: [number] } } }));
  t.equal(judgeCaller(changed, { peer: 'pbx', uri: dial, headers: { from: [from] }, body: '' }).code, 'caller.pstn');
});

import t from 'tap';
import { compilePolicy, judgeLeak } from '../../../lib/policy/index.js';
import type { PeerMessageFacts } from '../../../lib/policy/types.js';
import { configOf, house, number } from './configuration.js';

const policy = compilePolicy(house);
const ok: PeerMessageFacts = { peer: 'pbx', status: 200, source: '10.0.0.7', headers: { contact: ['<sip:6001@10.0.0.7:5060>'] }, body: 'v=0\r\nc=IN IP4 10.0.0.7\r\n' };

type Row = readonly [what: string, facts: Partial<PeerMessageFacts>, signs: readonly string[]];

const rows: readonly Row[] = [
  ['an ordinary 200', {}, []], ['an ordinary 180', { status: 180, body: '' }, []], ['an ordinary re-INVITE', { status: null }, []],
  ['a new From (RFC 4916)', { status: null, headers: { from: ['<sip:+15551234567@10.0.0.7>;tag=x'] } }, ['connectedNumber']], ['the From of an extension', { status: null, headers: { from: ['<sip:6002@10.0.0.7>;tag=x'] } }, []],
  ['our own From in a response', { headers: { from: ['<sip:+15551234567@sbc.example.net>;tag=x'] } }, []],
  ['the From of whoever was there from the beginning', { status: null, parties: ['+15551234567'], headers: { from: ['<sip:15551234567@10.0.0.7>;tag=x'] } }, []],
  ['a connected number in a 200', { headers: { 'p-asserted-identity': ['<sip:6001@10.0.0.7>, <tel:+15551234567>'] } }, ['connectedNumber']],
  ['181', { status: 181 }, ['forwarded181']], ['182', { status: 182 }, []],
  ['Diversion to a number', { headers: { diversion: ['<sip:+12025550123@10.0.0.7>'] } }, ['divertedToNumber']], ['Diversion to tel:', { headers: { diversion: ['<tel:6001>'] } }, []], ['Diversion to tel: of nobody', { headers: { diversion: ['<tel:5999>'] } }, ['divertedToNumber']],
  ['Diversion to an on-net user', { headers: { diversion: ['<sip:6002@10.0.0.7>'] } }, []], ['Diversion to an extension that is not listed', { headers: { diversion: ['<sip:5002@10.0.0.7>'] } }, []], ['Diversion to an on-net number', { headers: { diversion: ['<sip:+442079460000@10.0.0.7>'] } }, []],
  ['Diversion to an emergency code', { headers: { diversion: ['<sip:911@10.0.0.7>'] } }, ['divertedToNumber']], ['Diversion to a carrier', { headers: { diversion: ['<sip:anna@carrier.example>'] } }, ['divertedToNumber']],
  ['History-Info to a number', { status: 180, headers: { 'history-info': ['<sip:6001@10.0.0.7>;index=1', '<sip:02079460958@10.0.0.7>;index=1.1'] } }, ['divertedToNumber']], ['History-Info on one line', { headers: { 'history-info': ['<sip:6001@10.0.0.7>;index=1, <tel:+12025550123>;index=1.1'] } }, ['divertedToNumber']],
  ['History-Info to our number', { headers: { 'history-info': [`<sip:${number}@sbc.example.net>;index=1`] } }, []], ['History-Info to a urn', { headers: { 'history-info': ['<urn:service:sos>;index=1'] } }, []], ['History-Info, damaged', { headers: { 'history-info': ['<sip:+12025550123@>;index=1'] } }, ['divertedToNumber']],
  ['Contact at a gateway', { headers: { contact: ['<sip:x@10.0.0.9:5060>'] } }, ['contactAtGateway']], ['Contact at another address of it', { headers: { contact: ['<sip:x@10.0.0.10:5080>'] } }, ['contactAtGateway']], ['Contact at a carrier', { headers: { contact: ['<sip:x@198.51.100.3>'] } }, ['contactAtGateway']],
  ['Contact at a carrier, compact', { headers: { m: ['<sip:x@sip.carrier.example>'] } }, ['contactAtGateway']], ['Contact somewhere else', { headers: { contact: ['<sip:x@10.0.0.77>'] } }, []], ['Contact behind another port of the peer', { headers: { contact: ['<sip:6001@10.0.0.7:39876;transport=tcp>'] } }, []],
  ["an answer from a carrier's address", { source: '198.51.100.77' }, ['contactAtGateway']], ['the same as IPv4 in IPv6', { status: 180, source: '::ffff:198.51.100.77' }, ['contactAtGateway']], ['an answer from nowhere known', { source: null }, []], ['from another address', { source: '10.0.0.77' }, []],
  ['Q.850 while ringing', { status: 183, headers: { reason: ['Q.850;cause=16;text="x"'] } }, ['q850Provisional']], ['Q.850 after SIP', { status: 180, headers: { reason: ['SIP;cause=200, Q.850 ;cause=1'] } }, ['q850Provisional']], ['Q.850 in a 200', { status: 200, headers: { reason: ['Q.850;cause=16'] } }, []], ['Q.850 in 100', { status: 100, headers: { reason: ['Q.850;cause=16'] } }, []], ['Reason: SIP while ringing', { status: 183, headers: { reason: ['SIP;cause=200'] } }, []],
  ['ISUP', { headers: { 'content-type': ['application/isup'] } }, ['isupBody']], ['ISUP in a part', { status: 183, body: '--b\r\nContent-Type: application/ISUP\r\n\r\nx' }, ['isupBody']], ['ISUP in an INFO', { status: null, headers: { 'content-type': ['application/ISUP;version=ansi00'] } }, ['isupBody']],
  ["media at a carrier's", { body: 'c=IN IP4 198.51.100.9\r\n' }, ['carrierMedia']], ["media at a carrier's, IPv6", { body: 'v=0\r\nc=IN IP6 2001:DB8:C::9\r\n' }, ['carrierMedia']], ["media at a carrier's by name", { body: 'v=0\r\nc=IN IP4 media.carrier.example\r\n' }, ['carrierMedia']],
  ["media at a carrier's after a re-INVITE", { status: null, body: 'v=0\r\nc=IN IP4 198.51.100.9/127\r\n' }, ['carrierMedia']], ["a candidate at a carrier's", { body: 'v=0\r\na=candidate:1 1 UDP 1 198.51.100.9 4000 typ host\r\n' }, ['carrierMedia']],
  ['several', { status: 181, headers: { diversion: ['<tel:+12025550123>'] } }, ['divertedToNumber', 'forwarded181']],
];

t.test(`signs of a leak (${rows.length} rows)`, async (t) => {
  for (const [what, more, signs] of rows) {
    const leaks = judgeLeak(policy, { ...ok, ...more });
    t.same(leaks.map(({ sign }) => sign), signs, what);
    for (const { sign, enforce, verdict } of leaks) {
      t.match(verdict, { allow: false, code: `leak.${sign}`, status: 603 });
      t.equal(enforce, sign !== 'forwarded181' && sign !== 'q850Provisional', 'sure signs enforce, weak ones report');
    }
  }
});

t.test('each sign can be set to enforce or report', async (t) => {
  const changed = compilePolicy(configOf({ peers: { pbx: { uri: 'sip:10.0.0.7', pstn: 'none' } }, policy: { leaks: { forwarded181: 'enforce', isupBody: 'report' } } }));
  const facts = { ...ok, status: 181, headers: { 'content-type': ['application/isup'] } };
  t.same(judgeLeak(changed, facts).map(({ sign, enforce }) => [sign, enforce]), [['forwarded181', true], ['isupBody', false]]);
});

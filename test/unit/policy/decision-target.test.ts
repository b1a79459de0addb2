import t from 'tap';
import { compilePolicy, explainTarget, judgeTarget } from '../../../lib/policy/index.js';
import type { TargetFacts } from '../../../lib/policy/types.js';
import { house, number } from './configuration.js';

const policy = compilePolicy(house);
const byPbx: TargetFacts = { origin: 'refer', number, route: null, peer: null, by: 'pbx', uri: '' };

type Row = readonly [uri: string, code: string];

/** Asks for every row, and that the explanation decides as the verdict does. */
function table(name: string, facts: Omit<TargetFacts, 'uri'>, rows: readonly Row[]): void {
  t.test(`${name} (${rows.length} rows)`, async (t) => {
    for (const [uri, code] of rows) {
      const asked = { ...facts, uri };
      const verdict = judgeTarget(policy, asked);
      t.equal(verdict.code, code, `${uri}: ${verdict.text}`);
      t.equal(verdict.allow, code === 'target.onNet', 'only an on-net user is allowed');
      t.ok(verdict.text.length > 0 && verdict.rule.length > 0);
      const answers = explainTarget(policy, asked);
      const decided = answers.find(({ answer }) => answer === 'deny') ?? answers.find(({ answer }) => answer === 'allow');
      t.equal(decided?.code, code, 'explained the same');
    }
  });
}

const onNet = 'target.onNet';
const host = '10.0.0.7';

table('on-net users however they are spelt', byPbx, [
  ['sip:6001@10.0.0.7', onNet], ['sip:6001@10.0.0.7:5060', onNet], ['SIP:6001@10.0.0.7', onNet], ['sip:%36001@10.0.0.7', onNet], ['sip:%36%30%30%31@10.0.0.7', onNet],
  ['sip:60-01@10.0.0.7', onNet], ['sip:(6)001@10.0.0.7', onNet], ['sip:6.0.0.1@10.0.0.7', onNet], ['sip:6001:secret@10.0.0.7', onNet], ['sip:6001@10.0.0.7;transport=tcp', onNet],
  ['sip:6001@10.0.0.7;transport=udp;lr', onNet], ['sip:6001@10.0.0.7;lr;transport=udp', onNet], ['sip:6001@10.0.0.7;user=ip', onNet], ['sip:6001@10.0.0.7;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6', onNet],
  ['sip:6001@10.0.0.7;gr', onNet], ['sip:6001@10.0.0.7;ob', onNet], ['sip:6001@10.0.0.7;method=INVITE', onNet], ['sip:6999@10.0.0.7', onNet], ['sip:support@10.0.0.7', onNet], ['sip:anna.smith@10.0.0.7', onNet],
  ['sip:*97@10.0.0.7', onNet], ['sip:%2A97@10.0.0.7', onNet], ['sip:6001@sbc.example.net', onNet], ['sip:6001@SBC.Example.NET.', onNet], ['sip:6001@sbc.example.net:5061;transport=tls', onNet],
  ['sip:6001@10.0.0.7?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2', onNet],
  // Numbers that the operator wrote out.
  ['sip:+442079460000@10.0.0.7', onNet], ['sip:+44-20-7946-0000@10.0.0.7', onNet], ['sip:%2B442079460000@10.0.0.7', onNet], ['sip:+44(20)7946.0000@10.0.0.7', onNet],
  // The softphones, by right.
  ['sip:agent-anna@[2001:db8::5]:5070', onNet], ['sip:agent-anna@[2001:DB8:0:0::5]:5070', onNet], ['sip:agent-anna@[2001:0db8:0000:0000:0000:0000:0000:0005]:5070;transport=tcp', onNet], ['sip:100@[2001:db8::5]:5070', onNet],
]);

table('the scheme and the grammar', byPbx, [
  ['tel:+447700900101', 'target.tel'], ['TEL:+447700900101', 'target.tel'], ['tel:6001;phone-context=example.net', 'target.tel'], ['tel:112', 'target.tel'], ['tel:+442079460000', 'target.tel'],
  ['mailto:6001@10.0.0.7', 'target.malformed'], ['urn:service:sos', 'target.malformed'], ['http://10.0.0.7/6001', 'target.malformed'], ['6001@10.0.0.7', 'target.malformed'], ['', 'target.malformed'], ['sip:', 'target.malformed'],
  ['sip:6001@', 'target.malformed'], ['sip:60 01@10.0.0.7', 'target.malformed'], ['sip:6001@10.0.0.7;lr;lr', 'target.malformed'], ['sip:6001%0d%0aVia:x@10.0.0.7', 'target.malformed'], ['sip:6001%00@10.0.0.7', 'target.malformed'],
  ['sip:6001%zz@10.0.0.7', 'target.malformed'], ['sip:6001@10.0.0.07', 'target.malformed'], ['sip:6001@167772167', 'target.malformed'], ['sip:6001@0x0a000007', 'target.malformed'], ['sip:6001@10.0.0.7:0', 'target.malformed'],
  ['sip:6001@10.0.0.7:99999', 'target.malformed'], ['sip:6001@[2001:db8::5', 'target.malformed'], ['sip:6001@[::zz]', 'target.malformed'], [`sip:${'6'.repeat(5000)}@10.0.0.7`, 'target.malformed'],
  ['sips:6001@10.0.0.7:5060', 'target.sips'], ['sips:6001@10.0.0.7', 'target.foreign'], ['tel:+1 202 555 0123', 'target.malformed'],
]);

table('telephone parameters', byPbx, [
  ['sip:6001@10.0.0.7;user=phone', 'target.userPhone'], ['sip:6001@10.0.0.7;USER=Phone', 'target.userPhone'], ['sip:6001@10.0.0.7;user=%70hone', 'target.userPhone'], ['sip:6001@10.0.0.7;%75ser=phone', 'target.userPhone'],
  ['sip:6001@10.0.0.7;user=dialstring', 'target.userPhone'], ['sip:6001@10.0.0.7;user', 'target.userPhone'], ['sip:6001@10.0.0.7;user=', 'target.userPhone'], ['sip:+447700900101@10.0.0.7;user=phone', 'target.userPhone'],
  ['sip:6001;phone-context=+44@10.0.0.7', 'target.phoneParams'], ['sip:6001;PHONE-CONTEXT=example.net@10.0.0.7', 'target.phoneParams'], ['sip:6001%3Bphone-context=+44@10.0.0.7', 'target.phoneParams'], ['sip:6001@10.0.0.7;phone-context=+44', 'target.phoneParams'],
  ['sip:6001;isub=12@10.0.0.7', 'target.phoneParams'], ['sip:6001;postd=pp22@10.0.0.7', 'target.phoneParams'], ['sip:6001;ext=5@10.0.0.7', 'target.phoneParams'], ['sip:6001;tgrp=out;trunk-context=example.net@10.0.0.7', 'target.phoneParams'],
  ['sip:6001;trunk-context=example.net;tgrp=out@10.0.0.7', 'target.phoneParams'], ['sip:6001@10.0.0.7;tgrp=out', 'target.phoneParams'], ['sip:6001;rn=+12025550123;npdi@10.0.0.7', 'target.phoneParams'], ['sip:6001;npdi@10.0.0.7', 'target.phoneParams'],
  ['sip:6001;cic=0288@10.0.0.7', 'target.phoneParams'], ['sip:6001;cpc=ordinary@10.0.0.7', 'target.phoneParams'], ['sip:6001;oli=0@10.0.0.7', 'target.phoneParams'], ['sip:6001@10.0.0.7;isup-oli=0', 'target.phoneParams'],
  ['sip:6001;enumdi@10.0.0.7', 'target.phoneParams'], ['sip:6001;x=y@10.0.0.7', 'target.userParams'], ['sip:6001;1234@10.0.0.7', 'target.userParams'], ['sip:6001%3B1234@10.0.0.7', 'target.userParams'], ['sip:6001;@10.0.0.7', 'target.malformed'],
]);

table('users that read as telephone numbers', byPbx, ([
  // E.164, international prefixes, trunk prefixes and outside lines
  '+447700900101', '%2B447700900101', '447700900101', '00447700900101', '011447700900101', '0011447700900101', '810447700900101', '+1-202-555-0123', '(202)555-0123', '202.555.0123', '02079460958', '07700900101', '0207-946-0958',
  '9011442079460958', '900447700900101', '5550123', '12025550123', '+12025550123', '++447700900101', '%2B%2B447700900101', '%2b44%37700900101',
  // the operator's own literal, but not quite
  '+4420794600001', '442079460000', '02079460000',
  // short and emergency codes
  '112', '911', '999', '000', '110', '118', '119', '15', '17', '18', '190', '101', '111', '211', '311', '411', '611', '711', '811', '9112', '9911', '9999', '116117', '118500', '11850', '10111', '00', '01', '100',
  // separators, pauses and what else is put between digits
  '44 7700 900101'.replaceAll(' ', '%20'), '44%2F7700%2F900101', '44_7700_900101', '44*7700*900101', '4477009%23', '+44~7700~900101', '%E2%80%8B447700900101', '447700%C2%A0900101', '60,01', '6001,12', '6001p12', '6001P12', '6001w12', '6001,,5550123', '6001p5550123', '6001t55',
  // extensions, tones, embedded
  '02079460958x12', '+442079460958x12', '2079460958ext12', '44770090010A', '447700a900101', 'x+447700900101', 'tel+447700900101', 'tel%3A+447700900101', 'tel%3A112', 'anna+12025550123',
  // digits of other scripts
  '%D9%A4%D9%A4%D9%A7%D9%A7%D9%A0%D9%A0%D9%A9', '%EF%BC%90%EF%BC%90%EF%BC%94%EF%BC%94', '%F0%9D%9F%99%F0%9D%9F%99%F0%9D%9F%9A',
] as const).map((user): Row => [`sip:${user}@${host}`, 'target.number']));

table('users that are nobody', byPbx, [
  ['sip:10.0.0.7', 'target.user'], ['sip:7001@10.0.0.7', 'target.user'], ['sip:5999@10.0.0.7', 'target.user'], ['sip:60011@10.0.0.7', 'target.user'], ['sip:600@10.0.0.7', 'target.user'], ['sip:6001a@10.0.0.7', 'target.user'],
  ['sip:Support@10.0.0.7', 'target.user'], ['sip:supportx@10.0.0.7', 'target.user'], ['sip:annaXsmith@10.0.0.7', 'target.user'], ['sip:anna%40carrier.example@10.0.0.7', 'target.user'], ['sip:support%20@10.0.0.7', 'target.user'], ['sip:%2536001@10.0.0.7', 'target.user'],
  ['sip:sos@10.0.0.7', 'target.user'], ['sip:0@10.0.0.7', 'target.user'], ['sip:8911@10.0.0.7', 'target.user'], ['sip:tel:+447700900101@10.0.0.7', 'target.user'], ['sip:tgruu.7hs==jd7vnzga5w7fajsc7-ajd6fabz0f8g5@10.0.0.7;gr', 'target.user'], ['sip:agent-anna@10.0.0.7', 'target.user'], ['sip:agent-Anna@[2001:db8::5]:5070', 'target.user'], ['sip:6001%E2%80%8B@10.0.0.7', 'target.user'],
  ['sip:1800FLOWERS@10.0.0.7', 'target.user'], ['sip:US.13491208655302741918@10.0.0.7', 'target.user'], ['sip:%E5%AE%A2%E6%9C%8D@10.0.0.7', 'target.user'],
]);

table('hosts', byPbx, [
  ['sip:6001@carrier.example', 'target.carrier'], ['sip:6001@CARRIER.example.', 'target.carrier'], ['sip:6001@sip.carrier.example', 'target.carrier'], ['sip:6001@notcarrier.example', 'target.foreign'], ['sip:6001@carrier.example.net', 'target.foreign'],
  ['sip:6001@198.51.100.20', 'target.carrier'], ['sip:6001@198.51.100.20:5080', 'target.carrier'], ['sip:6001@[::ffff:198.51.100.20]', 'target.carrier'], ['sip:6001@[2001:db8:c::1]', 'target.carrier'], ['sip:6001@[2001:DB8:C:0::1]', 'target.carrier'],
  ['sip:6001@10.0.0.9', 'target.gateway'], ['sip:6001@10.0.0.9:5080', 'target.gateway'], ['sip:6001@[::ffff:10.0.0.9]', 'target.gateway'], ['sip:6001@10.0.0.10:5060', 'target.gateway'],
  ['sip:6001@wa.meta.vc', 'target.whatsapp'], ['sip:+447700900101@wa.meta.vc;transport=tls', 'target.whatsapp'], ['sip:6001@WA.META.VC.', 'target.whatsapp'], ['sip:x@edge.meta.vc', 'target.whatsapp'], ['sip:x@sip123.fbinfra.net', 'target.whatsapp'], ['sip:x@57.144.67.157:5061', 'target.whatsapp'],
  ['sip:+447700900101@sbc.example.net', 'target.whatsapp'], ['sip:447700900101@sbc.example.net', 'target.whatsapp'], [`sip:${number}@sbc.example.net`, 'target.whatsapp'], ['sip:US.13491208655302741918@sbc.example.net', 'target.whatsapp'],
  ['sip:6001@1.0.1.0.0.9.0.0.7.7.4.4.e164.arpa', 'target.enum'], ['sip:6001@x.e164.org', 'target.enum'], ['sip:x@447700900101.example.net', 'target.enum'], ['sip:x@1.2.3.4.5.6.example', 'target.enum'],
  ['sip:6001@192.0.2.1', 'target.foreign'], ['sip:6001@10.0.0.7:5061', 'target.foreign'], ['sip:6001@10.0.0.7;transport=tls', 'target.foreign'], ['sip:6001@example.com', 'target.foreign'], ['sip:6001@localhost', 'target.foreign'], ['sip:agent-anna@[2001:db8::6]:5070', 'target.foreign'], ['sip:agent-anna@[2001:db8::5]', 'target.foreign'],
]);

table('what a URI may not carry', byPbx, [
  ['sip:6001@10.0.0.7;maddr=198.51.100.20', 'target.maddr'], ['sip:6001@10.0.0.7;MADDR=10.0.0.7', 'target.maddr'], ['sip:6001@10.0.0.7;method=REFER', 'target.method'], ['sip:6001@10.0.0.7;method=register', 'target.method'],
  ['sip:6001@10.0.0.7?Route=%3Csip:carrier.example%3Blr%3E', 'target.headers'], ['sip:6001@10.0.0.7?To=sip:x%40carrier.example', 'target.headers'], ['sip:6001@10.0.0.7?body=x', 'target.headers'], ['sip:6001@10.0.0.7?Replaces=a&Route=b', 'target.headers'],
]);
table('nor a redirection bring a Replaces', { ...byPbx, origin: 'redirect' }, [['sip:6001@10.0.0.7?Replaces=a%40b', 'target.headers'], ['sip:6001@10.0.0.7', onNet]]);

table('who may send calls where', byPbx, [['sip:7001@sbc.office.example;transport=tls', 'transfer.right'], ['sip:8001@10.0.0.11', 'transfer.right'], ['sip:8001@10.0.0.11:5060', 'transfer.right'], ['sip:agent-anna@[2001:db8::5]:5070', onNet]]);
for (const origin of ['redirect', 'refer', 'replaces', 'order'] as const) {
  table(`${origin} by the neighbour, the softphones, a gateway, nobody`, { ...byPbx, origin, by: 'next' }, [['sip:8001@10.0.0.11', onNet], ['sip:6001@10.0.0.7', 'transfer.right'], ['sip:8001@sbc.example.net', onNet], ['sip:6001@sbc.example.net', 'target.user']]);
  table(`${origin} by the softphones`, { ...byPbx, origin, by: 'phones' }, [['sip:agent-bea@[2001:db8::5]:5070', onNet], ['sip:6001@10.0.0.7', 'transfer.right']]);
  table(`${origin} by a gateway`, { ...byPbx, origin, by: 'gw' }, [['sip:6001@10.0.0.7', 'transfer.right'], ['sip:6001@10.0.0.9', 'target.gateway'], ['sip:6001@sbc.example.net', 'target.gateway']]);
  table(`${origin} by nobody known`, { ...byPbx, origin, by: null }, [['sip:6001@10.0.0.7', 'transfer.right'], ['sip:6001@sbc.example.net', 'target.foreign']]);
  table(`${origin} by a peer that is not configured`, { ...byPbx, origin, by: 'ghost' }, [['sip:6001@10.0.0.7', 'transfer.right']]);
}

const onMain: TargetFacts = { origin: 'route', number, route: 'main', peer: null, by: null, uri: '' };
table('routes', { ...onMain, peer: 'pbx' }, [['sip:6001@10.0.0.7:5060;transport=udp', onNet], ['sip:6002@10.0.0.7:5060;transport=udp', 'route.target'], ['sip:7001@sbc.office.example;transport=tls', 'target.otherPeer']]);
table('fail-over', { ...onMain, origin: 'failover', peer: 'sbc' }, [['sip:7001@SBC.Office.Example;transport=tls', onNet], ['sips:7001@sbc.office.example', onNet], ['sip:7002@sbc.office.example;transport=tls', 'route.target'], ['sip:7001@sbc.office.example', 'target.foreign']]);
table('a route of another number', { ...onMain, route: 'second' }, [['sip:8001@10.0.0.11', 'route.target']]);
table('no such route', { ...onMain, route: 'ghost' }, [['sip:6001@10.0.0.7', 'route.target']]);
table('no route at all', { ...onMain, route: null }, [['sip:6001@10.0.0.7', 'route.target']]);
table('a number that is not configured', { ...onMain, number: '+447700900009' }, [['sip:6001@10.0.0.7', 'number.unknown'], ['tel:112', 'number.unknown']]);

t.test('what leaves is the configured URI with the user in its one spelling', async (t) => {
  const sent = (uri: string): unknown => {
    const verdict = judgeTarget(policy, { ...byPbx, uri });
    return verdict.allow && [verdict.peer, verdict.user, verdict.uri];
  };
  t.same(sent('SIP:%36-001:pw@10.0.0.7;lr;x=y?Replaces=z'), ['pbx', '6001', 'sip:6001@10.0.0.7:5060;transport=udp']);
  t.same(sent('sip:+44(20)79460000@10.0.0.7;ob'), ['pbx', '+442079460000', 'sip:+442079460000@10.0.0.7:5060;transport=udp']);
  t.same(sent('sip:agent-anna@[2001:0db8::5]:5070'), ['phones', 'agent-anna', 'sip:agent-anna@[2001:db8::5]:5070;transport=tcp']);
});

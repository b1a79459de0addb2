import t from 'tap';
import { SipMessage } from '../../../lib/sipserver/parser/index.js';
import { makeCertificates } from '../../unit/sipserver/certificates.js';
import { follow, once, Peer, reply, start } from './harness.js';
import type { SrfDialog, SrfRequest, SrfResponse } from './harness.js';

const certificates = makeCertificates();
t.teardown(() => { certificates.remove(); });
const ours = certificates.issue('sbc', 'sbc.example.net');
const metas = certificates.issue('meta', 'wa.meta.vc');
const strangers = certificates.issue('stranger', 'other.example.net');

const HEAD = [
  'Via: SIP/2.0/TLS [2803:6080:ab00::1]:38915;rport;branch=z9hG4bKPj-BRANCH;alias',
  'Record-Route: <sip:wa.meta.vc;transport=tls;lr>',
  'Record-Route: <sip:onevc-sip-proxy.fbinfra.net:8191;transport=tls;lr>',
  'Via: SIP/2.0/TLS [2803:6080:ab00::2]:8191;branch=z9hG4bK-2;rport=1234;received=2803:6080::3;alias',
  'Via: SIP/2.0/TLS 31.13.66.1:5061;branch=z9hG4bK-3;alias',
];
const INVITE = [
  'INVITE sip:+447700900001;tgrp=wacall;trunk-context=byoc.example.com@sbc.example.net;transport=tls SIP/2.0',
  ...HEAD,
  'Max-Forwards: 69',
  'From: "447700900100" <sip:US.13491208655302741918@wa.meta.vc>;tag=7c0d1f4e-5a3b',
  'To: <sip:+447700900001@sbc.example.net>',
  'Contact: <sip:+447700900100@wa.meta.vc;transport=tls;ob;X-FB-Sip-Smc-Tier=collaboration.sip_gateway>;isfocus',
  'Call-ID: outgoing:wacid.HBgLMTIxODU1NTI4MjgVAgARGCAw==',
  'CSeq: 19340 INVITE',
  'X-FB-External-Domain: wa.meta.vc',
  'x-wa-meta-wacid: wacid.HBgLMTIxODU1NTI4MjgVAgARGCAw==',
  'Allow: INVITE, ACK, BYE, CANCEL, NOTIFY, OPTIONS',
  'User-Agent: Facebook SipGateway',
  'Content-Type: application/sdp',
  'Content-Length: 5',
  '', 'v=0\r\n',
].join('\r\n');

/** What the stamped Vias and the Record-Routes of a response must be, given Meta's source address and port. */
function stamped(port: number, branch = '1'): string[] {
  return [
    `Via: SIP/2.0/TLS [2803:6080:ab00::1]:38915;rport=${port};branch=z9hG4bKPj-${branch};alias;received=127.0.0.1`, ...HEAD.slice(1),
  ];
}

function message(text: string): string {
  return text.replace('BRANCH', '1');
}

t.test("a call of Meta's from INVITE to BYE: challenged, answered, ended by us over a verified connection", async (t) => {
  const meta = await Peer.on(t, ['tls:127.0.0.1:0'], metas);
  const { srf, port } = await start(t, {
    listen: ['tls:127.0.0.1:0', 'udp:127.0.0.1:0'], tls: ours,
    targets: { 'wa.meta.vc': { address: '127.0.0.1', port: meta.port('tls'), ca: certificates.ca, advertise: 'sbc.example.net' } },
  });
  let calls = 0;
  const answered = new Promise<SrfDialog>((resolve, reject) => {
    srf.invite((req: SrfRequest, res: SrfResponse) => {
      if (++calls === 1) {
        t.equal(req.get('call-id'), 'outgoing:wacid.HBgLMTIxODU1NTI4MjgVAgARGCAw==');
        t.equal(req.uri, 'sip:+447700900001;tgrp=wacall;trunk-context=byoc.example.com@sbc.example.net;transport=tls');
        t.equal(req.protocol, 'tls');
        t.equal(req.source_address, '127.0.0.1');
        res.send(407, { headers: { 'Proxy-Authenticate': 'Digest realm="x", nonce="1"\r\nProxy-Authenticate: Digest realm="x", nonce="2", algorithm=SHA-256' } });
      } else srf.createUAS(req, res, { localSdp: 'v=0\r\n', headers: { Contact: '<sip:+447700900001@sbc.example.net:5061;transport=tls>' } }).then(resolve, reject);
    });
  });
  const flow = await meta.transports.connect({ protocol: 'tls', address: '127.0.0.1', port: port('tls'), host: 'sbc.example.net', ca: certificates.ca });
  flow.send(message(INVITE));
  const challenge = (await meta.next(407)).message;
  t.same(challenge.toString().split('\r\n').slice(1, 4), stamped(flow.local.port).filter((l) => l.startsWith('Via')), 'Vias echoed byte for byte');
  t.equal(challenge.count('proxy-authenticate'), 2, 'one line for each algorithm');
  flow.send(message(`ACK ${INVITE.slice(7)}`.replace('CSeq: 19340 INVITE', 'CSeq: 19340 ACK').replace(/To: (.*)/, `To: ${challenge.get('to')}`)));

  const second = INVITE.replace('BRANCH', '9').replace('19340', '19341');
  flow.send(second);
  const ok = await meta.next(200);
  t.equal(ok.flow, flow, 'the response came on the connection of the request');
  t.same(ok.message.toString().split('\r\n').slice(1, 6), stamped(flow.local.port, '9'), 'Vias and Record-Routes interleaved as they came');
  t.equal(ok.message.get('contact'), '<sip:+447700900001@sbc.example.net:5061;transport=tls>');
  const dialog = await answered;
  t.equal(dialog.id, 'outgoing:wacid.HBgLMTIxODU1NTI4MjgVAgARGCAw==;from-tag=7c0d1f4e-5a3b');
  const acked = once<SrfRequest>(dialog, 'ack');
  const ack = SipMessage.request('ACK', 'sip:+447700900001@sbc.example.net:5061;transport=tls');
  for (const line of HEAD) ack.add(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2).replace('BRANCH', '10'));
  ack.add('From', '<sip:US.13491208655302741918@wa.meta.vc>;tag=7c0d1f4e-5a3b').add('To', ok.message.get('to') ?? '');
  ack.add('Call-ID', 'outgoing:wacid.HBgLMTIxODU1NTI4MjgVAgARGCAw==').add('CSeq', '19341 ACK');
  flow.send(ack.toString());
  await acked;

  const ended = dialog.destroy({ headers: { Reason: 'Q.850;cause=16;text="NORMAL_CLEARING"' } });
  const bye = await meta.next('BYE');
  t.not(bye.flow, flow, 'not on the connection Meta opened, alias or not');
  t.equal(bye.message.uri, 'sip:+447700900100@wa.meta.vc;transport=tls;ob;X-FB-Sip-Smc-Tier=collaboration.sip_gateway');
  t.same(bye.message.lines('route'), ['<sip:wa.meta.vc;transport=tls;lr>', '<sip:onevc-sip-proxy.fbinfra.net:8191;transport=tls;lr>']);
  t.match(bye.message.get('via'), new RegExp(`^SIP/2.0/TLS sbc.example.net:${port('tls')};`), 'the name we show to Meta');
  t.equal(bye.message.get('reason'), 'Q.850;cause=16;text="NORMAL_CLEARING"');
  t.equal(bye.message.get('to'), '"447700900100" <sip:US.13491208655302741918@wa.meta.vc>;tag=7c0d1f4e-5a3b');
  bye.flow.send(bye.message.toString().replace(/^BYE .*/, 'SIP/2.0 200 OK'));
  await ended;
});

t.test("a certificate that is not Meta's gets nothing, and the application hears why", async (t) => {
  const stranger = await Peer.on(t, ['tls:127.0.0.1:0'], strangers);
  const { srf } = await start(t, {
    listen: ['tls:127.0.0.1:0'], tls: ours,
    targets: { 'wa.meta.vc': { address: '127.0.0.1', port: stranger.port('tls'), ca: certificates.ca } },
  });
  const refusal = await srf.createUAC('sip:+447700900100@wa.meta.vc;transport=tls', { localSdp: 'v=0\r\n' }).catch((error: unknown) => error);
  t.match(refusal, { status: 503, reason: /the certificate does not name wa\.meta\.vc/ });
  t.equal(stranger.seen.length, 0);
});

t.test("Meta's BYE ends the call with its headers", async (t) => {
  const meta = await Peer.on(t, [], metas);
  const { srf, port } = await start(t, { listen: ['tls:127.0.0.1:0'], tls: ours });
  const destroyed = new Promise<SrfRequest>((resolve, reject) => {
    srf.invite((req, res) => {
      srf.createUAS(req, res, { localSdp: 'v=0\r\n' }).then((dialog) => { dialog.on('destroy', resolve); }, reject);
    });
  });
  const flow = await meta.transports.connect({ protocol: 'tls', address: '127.0.0.1', port: port('tls'), host: 'sbc.example.net', ca: certificates.ca });
  flow.send(message(INVITE));
  const ok = (await meta.next(200)).message;
  const invite = SipMessage.request('INVITE', 'sip:x@y');
  invite.add('Via', HEAD[0]?.slice(5) ?? '').add('From', ok.get('from') ?? '').add('Call-ID', ok.get('call-id') ?? '');
  flow.send(follow('ACK', invite, ok, 19340).toString());
  const bye = follow('BYE', invite, ok, 19342).add('x-wa-meta-call-duration', '7').add('X-FB-External-Domain', 'wa.meta.vc');
  flow.send(bye.toString());
  t.equal((await destroyed).get('x-wa-meta-call-duration'), '7');
  const answer = (await meta.next(200)).message;
  t.equal(answer.get('cseq'), '19342 BYE');
});

/** What Meta's responses carry besides the copied headers; Record-Routes of ours, had we any, would follow (META-SIP.md §4.2). */
const ROUTES = { 'Record-Route': '<sip:onevc-sip-proxy-dev.fbinfra.net:8191;transport=tls;lr>, <sip:wa.meta.vc;transport=tls;lr>' };
const META = { Allow: 'INVITE, ACK, BYE, CANCEL, NOTIFY, OPTIONS', 'X-FB-External-Domain': 'wa.meta.vc' };
const TARGET = 'sip:+447700900100@wa.meta.vc;transport=tls;ob;X-FB-Sip-Smc-Tier=collaboration.sip_gateway.sip.prod';

/** A response in Meta's layout to a request it got, with the route lines as separate headers on top. */
function metas200(invite: SipMessage, status: string, lines: readonly string[], body = ''): string {
  const copied = ['via', 'from', 'call-id', 'cseq'].flatMap((key) => invite.headers.filter((h) => h.key === key).map((h) => `${h.name}: ${h.value}`));
  return [`SIP/2.0 ${status}`, ...lines, ...copied, `Content-Length: ${body.length}`, '', body].join('\r\n');
}

t.test('a call to Meta: two challenges, its 200, ACK and BYE along its Record-Routes, its refusals word for word', async (t) => {
  const meta = await Peer.on(t, ['tls:127.0.0.1:0'], metas);
  const { srf, port } = await start(t, {
    listen: ['tls:127.0.0.1:0'], tls: ours,
    targets: { 'wa.meta.vc': { address: '127.0.0.1', port: meta.port('tls'), ca: certificates.ca, advertise: 'sbc.example.net' } },
  });
  const from = '<sip:+447700900001@sbc.example.net>;tag=aaa';
  const to = '<sip:+447700900100@wa.meta.vc>';
  const headers = { From: from, To: to, 'Call-ID': 'cid-1@sbc', Contact: '<sip:+447700900001@sbc.example.net:5061;transport=tls>' };
  const uri = 'sip:+447700900100@wa.meta.vc;transport=tls';
  const first = srf.createUAC(uri, { localSdp: 'v=0\r\n', headers: { ...headers, CSeq: '1 INVITE' } }).catch((e: unknown) => e as { status: number; res: SrfResponse });
  const one = await meta.next('INVITE');
  const via = one.message.get('via') ?? '';
  t.equal(one.message.uri, uri);
  t.match(via, new RegExp(`^SIP/2\\.0/TLS sbc\\.example\\.net:${port('tls')};`), 'the registered name, whatever the socket');
  t.match(one.message.toString(), /\r\nFrom: <sip:\+447700900001@sbc\.example\.net>;tag=aaa\r\n/);
  t.equal(one.message.get('contact'), headers.Contact);
  // META-SIP.md §4.2: the tag of the 407 is the branch; SHA-256 first and MD5 second; no Contact.
  const branch = /branch=([^;]+)/.exec(via)?.[1] ?? '';
  one.flow.send(metas200(one.message, '407 Proxy Authentication Required', [
    `To: ${to};tag=${branch}`, 'Proxy-Authenticate: Digest realm="wa.meta.vc",nonce="0011223344556677",opaque="8899aabbccddeeff",algorithm=SHA-256,qop="auth"',
    'Proxy-Authenticate: Digest realm="wa.meta.vc",nonce="7766554433221100",opaque="ffeeddccbbaa9988",algorithm=MD5,qop="auth"']));
  const refusal = await first;
  if (!('status' in refusal)) throw new Error('must be refused');
  t.equal(refusal.status, 407);
  t.match(refusal.res.get('proxy-authenticate'), /SHA-256.*algorithm=MD5/s, 'both reach the application, in order');
  t.match((await meta.next('ACK')).message.get('to'), `;tag=${branch}`);

  const second = srf.createUAC(uri, { localSdp: 'v=0\r\n', headers: { ...headers, CSeq: '2 INVITE', 'Proxy-Authorization': 'Digest username="447700900001", realm="wa.meta.vc", uri="x", response="y"' } });
  const two = await meta.next('INVITE');
  t.equal(two.flow, one.flow, 'the same verified connection');
  t.equal(two.message.get('call-id'), 'cid-1@sbc');
  t.equal(two.message.get('cseq'), '2 INVITE');
  t.equal(two.message.get('from'), from);
  t.equal(two.message.get('to'), to, 'the tag of the 407 is thrown away');
  t.not(/branch=([^;]+)/.exec(two.message.get('via') ?? '')?.[1], branch);
  reply(two, 100, undefined);
  two.flow.send(metas200(two.message, '200 OK', [
    ...ROUTES['Record-Route'].split(', ').map((r) => `Record-Route: ${r}`), `To: ${to};tag=5f3a-uuid`, ...Object.entries(META).map(([k, v]) => `${k}: ${v}`), 'Supported: timer',
    `Contact: <${TARGET}>;isfocus`, 'Content-Type: application/sdp'], 'v=0\r\n'));
  const dialog = await second;
  const route = ['<sip:wa.meta.vc;transport=tls;lr>', '<sip:onevc-sip-proxy-dev.fbinfra.net:8191;transport=tls;lr>'];
  for (const [method, request] of [['ACK', await meta.next('ACK')], ['BYE', await (async () => { void dialog.destroy({ headers: { Reason: 'Q.850;cause=16;text="NORMAL_CLEARING"' } }); return meta.next('BYE'); })()]] as const) {
    t.equal(request.message.uri, TARGET, `${method}: the Contact with all its parameters`);
    t.same(request.message.lines('route'), route, `${method}: the Record-Routes in reverse, untouched`);
    t.equal(request.flow, one.flow, `${method}: to wa.meta.vc, never to the inner host`);
    t.equal(request.message.get('to'), `${to};tag=5f3a-uuid`);
    if (method === 'ACK') t.match(request.message.get('proxy-authorization'), 'username="447700900001"', 'RFC 3261 §13.2.2.4');
    else reply(request, 200, undefined);
  }

  const text = 'No Approved Call Permission Found: see the documentation';
  const third = srf.createUAC(uri, { localSdp: 'v=0\r\n', headers: { ...headers, 'Call-ID': 'cid-2@sbc' } }).catch((e: unknown) => e as { status: number; reason: string; res: SrfResponse });
  const three = await meta.next('INVITE');
  three.flow.send(metas200(three.message, `403 ${text}`, [...ROUTES['Record-Route'].split(', ').map((r) => `Record-Route: ${r}`), `To: ${to};tag=z`, ...Object.entries(META).map(([k, v]) => `${k}: ${v}`),
    `Warning: 399 wa.meta.vc "${text}"`]));
  const refused = await third;
  if (!('status' in refused)) throw new Error('must be refused');
  t.match({ status: refused.status, reason: refused.reason }, { status: 403, reason: text });
  t.equal(refused.res.get('warning'), `399 wa.meta.vc "${text}"`);
});

t.test('Meta cancels: 487 with its Vias and Record-Routes as they came', async (t) => {
  const meta = await Peer.on(t, [], metas);
  const { srf, port } = await start(t, { listen: ['tls:127.0.0.1:0'], tls: ours });
  const cancelled = new Promise<SrfRequest>((resolve) => { srf.invite((req) => { req.once('cancel', resolve); }); });
  const flow = await meta.transports.connect({ protocol: 'tls', address: '127.0.0.1', port: port('tls'), host: 'sbc.example.net', ca: certificates.ca });
  flow.send(message(INVITE));
  await meta.next(100);
  const [top] = HEAD;
  const cancel = INVITE.replace(/^INVITE/, 'CANCEL').replace('19340 INVITE', '19340 CANCEL').replace(/Content-Type: .*\r\nContent-Length: 5\r\n\r\nv=0\r\n/, 'Reason: SIP;cause=487;text="ORIGINATOR_CANCEL"\r\nContent-Length: 0\r\n\r\n');
  flow.send(message(cancel.split('\r\n').filter((l) => !/^(Via|Record-Route)/.test(l) || l === top).join('\r\n')));
  t.equal((await meta.next(200)).message.get('cseq'), '19340 CANCEL');
  const ended = (await meta.next(487)).message;
  t.same(ended.toString().split('\r\n').slice(1, 4), stamped(flow.local.port).filter((l) => l.startsWith('Via')));
  t.equal((await cancelled).get('reason'), 'SIP;cause=487;text="ORIGINATOR_CANCEL"');
});

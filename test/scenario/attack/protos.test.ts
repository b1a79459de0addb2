// Malformed INVITEs as the PROTOS c07-sip suite builds them (University of Oulu, 2003): one element at a time is given an anomaly. From a stranger, a PBX
// and, over TLS, from Meta's address: each is answered, refused or dropped; the service goes on and keeps nothing.
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { domain, listener, number } from '../../helpers/service.js';
import { alive, crlf, nothingLeft, open, places, Sender, type Place, type Transport } from './rig.js';

/** The elements of an INVITE, by name, with what stands there when all is well. */
const elements = {
  method: 'INVITE', 'uri-scheme': 'sip', 'uri-user': '6001', 'uri-host': domain, version: 'SIP/2.0',
  'via-version': 'SIP/2.0/', 'via-host': '', 'via-port': '5070', 'via-branch': '', 'via-parameter': 'rport',
  'from-name': 'From name', 'from-uri': 'sip:6001@127.0.0.3', 'from-tag': 'tag', 'to-name': 'To name', 'to-uri': `sip:6001@${domain}`,
  'call-id': '', 'cseq-number': '1', 'cseq-method': 'INVITE', 'max-forwards': '70', contact: '', expires: '60', 'session-expires': '1800', 'min-se': '90',
  'content-type': 'application/sdp', 'content-length': '', extra: 'x-anything: y', 'end-of-line': crlf,
  v: '0', 'o-user': '-', 'o-session': '1', 'o-version': '1', 'o-network': 'IN', 'o-address': '127.0.0.3', s: '-', 'c-network': 'IN', 'c-type': 'IP4', 'c-address': '127.0.0.3', t: '0 0',
  'm-media': 'audio', 'm-port': '40100', 'm-protocol': 'RTP/AVP', 'm-formats': '0 101', 'a-rtpmap': 'rtpmap:0 PCMU/8000', 'a-direction': 'sendrecv',
} as const;
type Element = keyof typeof elements;

const lengths = [17, 128, 257, 1025, 4097, 8193, 20_000];
const anomalies: readonly string[] = [
  '', ' ', '\t', '\0', '\r', '\n', crlf, crlf.repeat(3), `${crlf} `, '"', '"'.repeat(3), "'", '<', '>', '<>', '<<>>', '[', ']', '[::]', '[:::]', '[', '::1', '@', '@@', ':', ';', ';;', ',', ',,', '=', '==', '?', '&', '%', '%s', '%n%n%n%n',
  '%s'.repeat(100), '%99999d', '%00', '%zz', '\\', '\\"', '\\\\', '|', '*', '/', '//', '..', '../'.repeat(20), '$', '`id`', '\x7f', '\x80', '\xff', '\xc0\x80', '\xe0\x80\xaf', '\xf8\x88\x80\x80\x80', '\xef\xbb\xbf', '\xfe\xff', '\xe2\x80\xa8', '\xe3\x80\x80',
  '0', '-0', '-1', '+1', '1.5', '1e9', '0x7f', '127', '128', '255', '256', '32767', '32768', '65535', '65536', '2147483647', '2147483648', '4294967295', '4294967296', '9223372036854775808', '99999999999999999999999999',
  '0.0.0.0', '255.255.255.255', '127.0.0.1', '224.0.0.1', '1.2.3', '1.2.3.4.5', '256.1.1.1', '01.02.03.04', 'localhost', 'wa.meta.vc', 'a'.repeat(64) + '.example', '-.example', '.', '..example',
  'NaN', 'null', 'undefined', '__proto__', 'constructor', 'SIP', 'sip:', 'sips:a', 'tel:+1', 'http://x', 'urn:x', 'INVITE', 'invite', 'BYE', 'SIP/2.0 200 OK', 'v=0', `a=x${crlf}m=audio 1 RTP/AVP 0`,
  ...lengths.flatMap((n) => ['a'.repeat(n), ' '.repeat(n), ';a=b'.repeat(n / 4), '<'.repeat(n), '9'.repeat(n), ',a'.repeat(n / 2)]),
];

let serial = 0;
function invite(from: Place, transport: Transport, element: Element, anomaly: string): string {
  const id = `p${serial++}`;
  const at = (name: Element, usual: string = elements[name]): string => (name === element ? anomaly : usual);
  const eol = at('end-of-line');
  const body = [`v=${at('v')}`, `o=${at('o-user')} ${at('o-session')} ${at('o-version')} ${at('o-network')} IP4 ${at('o-address')}`, `s=${at('s')}`, `c=${at('c-network')} ${at('c-type')} ${at('c-address')}`, `t=${at('t')}`,
    `m=${at('m-media')} ${at('m-port')} ${at('m-protocol')} ${at('m-formats')}`, `a=${at('a-rtpmap')}`, `a=${at('a-direction')}`, ''].join(crlf);
  return [
    `${at('method')} ${at('uri-scheme')}:${at('uri-user', from === 'meta' ? number : '6001')}@${at('uri-host')} ${at('version')}`,
    `Via: ${at('via-version')}${transport.toUpperCase()} ${at('via-host', places[from])}:${at('via-port')};branch=${at('via-branch', `z9hG4bK${id}`)};${at('via-parameter')}`, `Max-Forwards: ${at('max-forwards')}`,
    `From: "${at('from-name')}" <${at('from-uri', from === 'meta' ? 'sip:+447700900123@wa.meta.vc' : elements['from-uri'])}>;tag=${at('from-tag', `t${id}`)}`, `To: "${at('to-name')}" <${at('to-uri', from === 'meta' ? `sip:${number}@${domain}` : elements['to-uri'])}>`,
    `Call-ID: ${at('call-id', id)}`, `CSeq: ${at('cseq-number')} ${at('cseq-method')}`, `Contact: <${at('contact', `sip:6001@${places[from]}:5070`)}>`, `Expires: ${at('expires')}`, `Session-Expires: ${at('session-expires')}`, `Min-SE: ${at('min-se')}`,
    at('extra'), `Content-Type: ${at('content-type')}`, `Content-Length: ${at('content-length', String(Buffer.byteLength(body, 'latin1')))}`, '', body,
  ].join(eol);
}

t.jobs = 3;
t.setTimeout(0);
for (const [transport, froms] of [['udp', ['pbx', 'stranger']], ['tcp', ['pbx', 'stranger']], ['tls', ['meta', 'stranger']]] as const) {
  t.test(`every element with every anomaly over ${transport}`, { buffered: true, timeout: 200_000 }, async (t) => {
    const rig = await open(t, transport === 'tcp' ? 'tcp' : 'udp');
    const senders = froms.map((from) => new Sender(from, transport, listener(rig.running, transport)));
    let count = 0;
    for (const element of Object.keys(elements) as Element[]) {
      for (const anomaly of anomalies) {
        for (const sender of senders) await sender.send(invite(sender.from, transport, element, anomaly));
        if (++count % 10 === 0) await turn();
      }
      await alive(t, rig);
    }
    for (const sender of senders) sender.close();
    await nothingLeft(t, rig);
  });
}

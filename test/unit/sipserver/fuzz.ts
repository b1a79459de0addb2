// Messages that are almost SIP, from a seed: whole ones of every kind, with parts of the grammar put wrong and bytes changed.

export interface Random { next(): number; below(n: number): number; pick<T>(list: readonly T[]): T }

export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    // xorshift32: a full period, and quick.
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 4294967296;
  };
  const below = (n: number): number => Math.floor(next() * n);
  return { next, below, pick: (list) => list[below(list.length)] as (typeof list)[number] };
}

const METHODS = ['INVITE', 'ACK', 'BYE', 'CANCEL', 'OPTIONS', 'REGISTER', 'PRACK', 'UPDATE', 'SUBSCRIBE', 'NOTIFY', 'REFER', 'MESSAGE', 'INFO', 'PUBLISH', 'FOO', 'invite', '%'] as const;
const URIS = ['sip:a@127.0.0.1', 'sips:a@[::1]:5061;transport=tls', 'tel:+447700900001', 'sip:a;b=c@h;lr;maddr=1.2.3.4?x=y', 'sip:', 'sip:@', 'sip:[', 'urn:x', '*', 'sip:%00@h',
  'sip:a@h:99999', 'sip:a@127.0.0.1:1;transport=udp', `sip:${'a'.repeat(3000)}@h`, ''] as const;
const TOKENS = ['', ' ', '\t', ';', ',', ';;', '"', '\\"', '<', '>', '<>', '=', ':', '@', '[', ']', '\0', '\xff', '\xc3', '%', '0', '-1', '4294967296', '99999999999999999999',
  'z9hG4bK', 'SIP/2.0', '\r', '\n', '\r\n', '\r\n ', '\r\n\r\n', 'x'.repeat(500)] as const;
const HEADERS: readonly [string, (r: Random) => string][] = [
  ['Via', (r) => `SIP/2.0/${r.pick(['UDP', 'TCP', 'TLS', 'WS', ''])} ${r.pick(['127.0.0.1', '[::1]', 'h', 'h:0', ''])};branch=z9hG4bK${r.below(50)}${r.pick(['', ';rport', ';rport=1', ';received=x', ';maddr=224.0.0.1'])}`],
  ['From', (r) => `${r.pick(['', '"x" ', '"x', 'a b '])}<${r.pick(URIS)}>;tag=${r.below(20)}`],
  ['To', (r) => `<${r.pick(URIS)}>${r.pick(['', `;tag=${r.below(20)}`, ';tag', ';tag='])}`],
  ['Call-ID', (r) => `call-${r.below(50)}`],
  ['CSeq', (r) => `${r.pick(['1', '2', '0', '4294967295', '-1', 'x'])} ${r.pick(METHODS)}`],
  ['Max-Forwards', (r) => r.pick(['70', '0', '-1', '256', 'x'])],
  ['Contact', (r) => r.pick(['*', '<sip:a@127.0.0.1:9>', 'sip:a@h;x', '<sip:a@h>, <sip:b@h>', '<'])],
  ['Route', (r) => `<${r.pick(URIS)};lr>`],
  ['Record-Route', (r) => `<${r.pick(URIS)};lr>`],
  ['Content-Length', (r) => r.pick(['0', '3', '5', '100', '-1', '99999999999', 'x', ''])],
  ['Content-Type', (r) => r.pick(['application/sdp', 'multipart/mixed;boundary=x', 'x', ''])],
  ['Require', (r) => r.pick(['100rel', 'foo', ',', ''])],
  ['Supported', (r) => r.pick(['100rel, timer', ''])],
  ['Session-Expires', (r) => r.pick(['90;refresher=uac', '1', 'x'])],
  ['RAck', (r) => r.pick(['1 1 INVITE', 'x', ''])],
  ['Event', (r) => r.pick(['presence', ''])],
  ['Subscription-State', (r) => r.pick(['active', 'terminated', ''])],
  ['v', (r) => `SIP/2.0/UDP h;branch=z9hG4bK${r.below(9)}`],
  ['X-Noise', (r) => r.pick(TOKENS)],
];

/** One message (binary string): well formed now and then, mostly with one to four things wrong. */
export function fuzzMessage(r: Random): string {
  const lines: string[] = [];
  if (r.below(5) === 0) lines.push(`SIP/2.0 ${r.pick(['100', '180', '200', '302', '401', '487', '503', '699', '99', '1000', 'x'])} ${r.pick(['OK', '', '\xff'])}`);
  else lines.push(`${r.pick(METHODS)} ${r.pick(URIS)} ${r.pick(['SIP/2.0', 'SIP/2.0', 'SIP/2.0', 'SIP/3.0', 'HTTP/1.1', ''])}`);
  for (const [name, value] of HEADERS.slice(0, 6)) if (r.below(20) !== 0) lines.push(`${name}: ${value(r)}`);
  for (let n = r.below(6); n > 0; n--) {
    const [name, value] = r.pick(HEADERS);
    lines.splice(1 + r.below(lines.length), 0, `${r.pick([name, name, name.toUpperCase(), `${name} `])}${r.pick([':', ': ', ' : ', ''])}${value(r)}`);
  }
  const body = r.pick(['', '', 'v=0', 'v=0\r\n', 'x'.repeat(200)]);
  const text = `${lines.join('\r\n')}\r\n${r.below(30) === 0 ? '' : '\r\n'}${body}`;
  return mangled(r, text, r.below(4));
}

/** The text with this many bytes or pieces of it put wrong. */
export function mangled(r: Random, text: string, times: number): string {
  for (let n = times; n > 0; n--) {
    const at = r.below(text.length);
    switch (r.below(5)) {
      case 0: text = text.slice(0, at) + r.pick(TOKENS) + text.slice(at); break;
      case 1: text = text.slice(0, at) + String.fromCharCode(r.below(256)) + text.slice(at + 1); break;
      case 2: text = text.slice(0, at) + text.slice(at + 1 + r.below(10)); break;
      case 3: text = text.slice(0, at); break;
      default: text = text.slice(0, at) + text.slice(at, at + 1 + r.below(40)).repeat(1 + r.below(3)) + text.slice(at);
    }
  }
  return text;
}

const NUMBERS = ['0', '-1', '1', '69', '90', '2147483648', '4294967296', '5000000', '99999999999999999999', '1e9', '0x10', ''] as const;
const VALUES: readonly string[] = [...TOKENS, ...URIS, '%46rom', '%', '|', '\x1b[2J', '\xc2\x9b', '\xe2\x80\xa8', '\xe3\x80\x80', ' '.repeat(300), '"'.repeat(50), '<'.repeat(50), ';tag=x', ';tag=|', 'a,'.repeat(200),
  'Digest username="x", realm="y", nonce="z", response=', 'multipart/mixed;boundary=x', 'multipart/mixed;boundary="', '90;refresher=uas', '4294967;refresher=uac', '1 1 INVITE', '*', '<sip:x@127.0.0.1:1;transport=udp>', '<sip:x@wa.meta.vc;transport=tls>'];
const EXTRA = ['Require', 'Supported', 'RSeq', 'RAck', 'Session-Expires', 'Min-SE', 'Expires', 'Retry-After', 'Record-Route', 'Route', 'Path', 'Contact', 'Diversion', 'P-Asserted-Identity', 'Reason', 'Replaces', 'Refer-To',
  'Proxy-Authenticate', 'WWW-Authenticate', 'Authorization', 'Content-Type', 'Content-Length', 'Content-Encoding', 'Content-Disposition', 'To', 'From', 'Via', 'Call-ID', 'CSeq', 'Max-Forwards', 'f', 't', 'i', 'm', 'c', 'l', 'v'] as const;

/** A well-formed message (binary string) with one to three things of its grammar put wrong, and bytes of it now and then. */
export function mutated(r: Random, message: string): string {
  let text = message;
  for (let n = 1 + r.below(3); n > 0; n--) {
    const end = Math.max(0, text.indexOf('\r\n\r\n'));
    const lines = text.slice(0, end).split('\r\n');
    const at = 1 + r.below(Math.max(1, lines.length - 1));
    const line = lines[at] ?? '';
    const colon = line.indexOf(':');
    switch (r.below(12)) {
      case 0: lines.splice(at, 1); break;
      case 1: lines.splice(at, 0, line); break;
      case 2: lines.splice(1 + r.below(lines.length), 0, ...lines.splice(at, 1)); break;
      case 3: lines[at] = `${line.slice(0, colon + 1)} ${r.pick(VALUES)}`; break;
      case 4: lines[at] = `${line}${r.pick([';', ',', '', '?', '&'])}${r.pick(VALUES)}`; break;
      case 5: lines[at] = line.replace(/\d+/, r.pick(NUMBERS)); break;
      case 6: lines.splice(at, 0, `${r.pick(EXTRA)}: ${r.pick([...VALUES, ...NUMBERS])}`); break;
      case 7: lines[at] = r.pick([line.toUpperCase(), line.replace(':', ' :'), line.replace(': ', ':\r\n '), line.replace(':', ''), `${line.charCodeAt(0) > 64 ? `%${line.charCodeAt(0).toString(16)}${line.slice(1)}` : line}`]); break;
      case 8: lines[0] = r.pick([`${lines[0] ?? ''} `, (lines[0] ?? '').replace(/\d+/, r.pick(NUMBERS)), (lines[0] ?? '').replace('SIP/2.0', 'SIP/3.0'), (lines[0] ?? '').replace(/ [^ ]*/, ` ${r.pick(VALUES)}`)]); break;
      case 9: lines[at] = line.split(/([;,<>@=])/).map((part) => (r.below(8) === 0 ? r.pick(VALUES) : part)).join(''); break;
      case 10: { // The body: another length, other numbers, lines lost, doubled or not its own.
        const body = text.slice(end + 4).split('\r\n');
        const row = r.below(body.length);
        body.splice(row, r.below(3), r.pick([body[row] ?? '', (body[row] ?? '').replace(/\d+/g, () => r.pick(NUMBERS)), r.pick(VALUES), 'c=IN IP4 255.255.255.255', 'm=audio 0 RTP/AVP', 'a=sendonly', '--x\r\n']));
        text = `${lines.join('\r\n')}\r\n\r\n${body.join('\r\n')}`;
        continue;
      }
      default: text = mangled(r, text, 1); continue;
    }
    text = `${lines.join('\r\n')}${text.slice(end)}`;
  }
  // Mostly the length is made to fit again: otherwise a stream is lost at the first fault of it, and the rest never read.
  const gap = text.indexOf('\r\n\r\n');
  return gap < 0 || r.below(10) === 0 ? text : text.replace(/\r\nContent-Length: *\d+(?=\r\n)/, `\r\nContent-Length: ${text.length - gap - 4}`);
}

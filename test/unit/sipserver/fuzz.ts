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
  let text = `${lines.join('\r\n')}\r\n${r.below(30) === 0 ? '' : '\r\n'}${body}`;
  for (let n = r.below(4); n > 0; n--) {
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

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { engines } from '../helpers/engines.js';
import { domain, number } from '../helpers/service.js';
import { openStage, pause, type Stage } from './harness.js';

const user = '+447700900101';
/** Each attempt calls another user, as a pair has one call at a time. */
const users = Array.from({ length: 100 }, (_, i) => `+4477009002${String(i).padStart(2, '0')}`);
const sdp = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', 'm=audio 4000 RTP/AVP 0', 'a=rtpmap:0 PCMU/8000', ''].join('\r\n');
/** drachtio-server listens for peers on UDP alone in the tests. */
const transports: readonly ('UDP' | 'TCP')[] = engines.sip === 'embedded' ? ['UDP', 'TCP'] : ['UDP'];
/** What a forger would like Meta to read. */
const mark = 'X-Forged';

interface Parts { uri?: string; from?: string; to?: string; contact?: string; headers?: string[]; body?: string }
let count = 0;

function invite(stage: Stage, transport: 'UDP' | 'TCP', parts: Parts): string {
  const id = `forge-${++count}`;
  const at = `127.0.0.1:${stage.running.udp.port}`;
  const body = parts.body ?? sdp;
  return [
    `INVITE ${parts.uri ?? `sip:${users[count % users.length]}@${at}`} SIP/2.0`, `Via: SIP/2.0/${transport} 127.0.0.1:9;branch=z9hG4bK${id};rport`, 'Max-Forwards: 70',
    `From: ${parts.from ?? `<sip:${number}@pbx.example>`};tag=${id}`, `To: ${parts.to ?? `<sip:${user}@${at}>`}`, `Call-ID: ${id}`, 'CSeq: 1 INVITE',
    `Contact: ${parts.contact ?? '<sip:pbx@127.0.0.1:9>'}`, ...(parts.headers ?? []), 'Content-Type: application/sdp', `Content-Length: ${Buffer.byteLength(body, 'latin1')}`, '', body,
  ].join('\r\n');
}

/** Sends raw messages, one after the other, and lets the service digest them. */
async function send(stage: Stage, messages: readonly string[], transport: 'UDP' | 'TCP'): Promise<void> {
  if (transport === 'UDP') {
    const socket = createSocket('udp4');
    socket.on('error', () => undefined);
    for (const message of messages) {
      socket.send(Buffer.from(message, 'latin1'), stage.running.udp.port, '127.0.0.1');
      await pause(5);
    }
    await pause(300);
    await new Promise<void>((resolve) => socket.close(() => resolve()));
    return;
  }
  const tcp = stage.running.service.listening.find((l) => l.startsWith('tcp:'))!;
  const sockets: Socket[] = [];
  for (const message of messages) {
    // One connection each: what breaks the framing of one must not hide the next. It stays: a caller that is gone has given up.
    const socket = connect(Number(tcp.split(':').at(-1)), '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(Buffer.from(message, 'latin1'));
    sockets.push(socket);
    await pause(20);
  }
  await pause(300);
  for (const socket of sockets) socket.destroy();
}

async function quiet(t: Test, peer: object = {}): Promise<{ stage: Stage; invites: string[]; meta: Awaited<ReturnType<Stage['answerAsMeta']>> }> {
  const stage = await openStage({ peers: { pbx: { media: 'none', config: { mayCall: [number], maxConcurrentCalls: 1000, ...peer } } }, overlay: { meta: { mediaTimeout: 0 }, limits: { ban: { after: 0 } } } });
  t.teardown(() => stage.close());
  // Refused at once, so that each attempt is over by itself.
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noPermission' });
  const invites: string[] = [];
  const take = stage.meta.invites!;
  stage.meta.invites = (transaction) => {
    invites.push(transaction.request.toString());
    take(transaction);
  };
  return { stage, invites, meta };
}

const names = ['via', 'max-forwards', 'from', 'to', 'call-id', 'cseq', 'contact', 'proxy-authorization', 'content-type', 'content-length', 'user-agent', 'allow', 'supported', 'date'];

/** Everything Meta may read in an INVITE of ours is ours, to the letter. */
function judge(t: Test, invites: readonly string[], known: readonly string[]): void {
  for (const text of invites) {
    const [head = ''] = text.split('\r\n\r\n');
    const [line = '', ...headers] = head.split('\r\n');
    const to = /^INVITE sip:([^@]+)@wa\.meta\.vc;transport=tls SIP\/2\.0$/.exec(line)?.[1] ?? '';
    const value = (name: string): string | undefined => headers.filter((h) => h.toLowerCase().startsWith(`${name}:`)).map((h) => h.slice(name.length + 1).trim()).join(' | ');
    const faults = [
      ...(known.includes(to) ? [] : [`request line ${line.slice(0, 200)}`]),
      ...headers.filter((h) => !names.includes(h.slice(0, h.indexOf(':')).toLowerCase())).map((h) => `header ${h.slice(0, 200)}`),
      ...(/^<sip:\+447700900001@sbc\.example\.net>;tag=[0-9a-f]+$/.test(value('from')!) ? [] : [`From ${value('from')}`]),
      ...(value('to') === `<sip:${to}@wa.meta.vc>` ? [] : [`To ${value('to')}`]),
      ...(new RegExp(`^<sip:\\+447700900001@${domain}:\\d+;transport=tls>$`).test(value('contact')!) ? [] : [`Contact ${value('contact')}`]),
      ...(text.toLowerCase().includes(mark.toLowerCase()) ? ['the mark'] : []),
      ...([...text].some((c) => c !== '\r' && c !== '\n' && (c < ' ' || c > '~')) ? ['characters that are not printable ASCII'] : []),
    ];
    if (faults.length > 0) t.fail('forged', { faults, text: text.slice(0, 2000) });
  }
}

const evil = [`\r\n${mark}: 1`, `\n${mark}: 1`, `\r${mark}: 1`, `%0d%0a${mark}:%201`, `\r\n ${mark}: folded`, `\0${mark}`, `"${mark}`, `\\"${mark}`, `" <sip:${mark}@evil.example>, "`,
  `>;x="${mark}`, `;${mark}=1`, `?${mark}=1`, Buffer.from(`é💥${mark}`).toString('latin1'), `\xff\xfe${mark}`, mark.repeat(100), `${mark}${'x'.repeat(65_536)}`, `${'"'.repeat(60_000)}${mark}`];

for (const transport of transports) {
  t.test(`nothing forged reaches Meta over ${transport}: display names, user parts, parameters, headers`, async (t) => {
    const { stage, invites, meta } = await quiet(t);
    const at = `127.0.0.1:${stage.running.udp.port}`;
    const shapes: ((text: string) => Parts)[] = [
      (text) => ({ from: `"${text}" <sip:${number}@pbx.example>` }),
      (text) => ({ from: `${text} <sip:${number}@pbx.example>` }),
      (text) => ({ from: `<sip:${number}${text}@pbx.example>` }),
      (text) => ({ from: `<sip:${text}@pbx.example>` }),
      (text) => ({ from: `<sip:${number}@pbx.example${text}>` }),
      (text) => ({ to: `"${text}" <sip:${user}@${at}>` }),
      (text) => ({ to: `<sip:${user}${text}@${at}>` }),
      (text) => ({ uri: `sip:${user}${text}@${at}` }),
      (text) => ({ uri: `sip:${text}${user}@${at}` }),
      (text) => ({ uri: `sip:${user}@${at}${text}` }),
      (text) => ({ uri: `sip:US.${text}@${at}` }),
      (text) => ({ contact: `"${text}" <sip:pbx@127.0.0.1:9>` }),
      (text) => ({ contact: `<sip:${text}@127.0.0.1:9>` }),
      (text) => ({ headers: [`P-Asserted-Identity: "${text}" <sip:${number}@pbx.example>`] }),
      (text) => ({ headers: [`P-Asserted-Identity: <sip:${number}${text}@pbx.example>`] }),
      (text) => ({ headers: [`Subject: ${text}`, `${mark}: ${text}`, `x-wa-meta-wacid: ${text}`, 'X-FB-External-Domain: wa.meta.vc', 'Proxy-Authorization: Digest username="1"'] }),
      (text) => ({ headers: ['Route: <sip:evil.example;lr>', 'Record-Route: <sip:evil.example;lr>', `Session-Expires: 90;${mark}`, 'Supported: timer, 100rel', `User-Agent: ${text}`] }),
      (text) => ({ body: `${sdp}a=${text}\r\n` }),
      (text) => ({ body: sdp.replace('s=-', `s=${text}`) }),
    ];
    const messages = shapes.flatMap((shape) => evil.map((text) => invite(stage, transport, shape(text))));
    await send(stage, messages, transport);
    judge(t, invites, [user, ...users]);
    t.ok(invites.length > 100, `${messages.length} messages, ${invites.length} clean INVITEs reached Meta`);
    t.same(meta.attempts.flatMap((a) => a.violations), []);
    t.same(stage.meta.strays, [], 'nothing that Meta could not read');

    meta.behaviour = 'noring';
    while (stage.running.service.table.onPair(number, user) > 0) await pause(10);
    const call = await stage.peers.pbx!.call(`sip:${user}@${at}`, { from: `<sip:${number}@pbx.example>` });
    t.equal(await call.final, 200, 'and calls go on');
    await call.bye();
  });
}

t.test('credentials of every shape do not get in', async (t) => {
  const { stage, invites } = await quiet(t, { sources: [], digest: { username: 'pbx', password: 'pbx-secret' } });
  const shapes = evil.flatMap((text) => [
    `Authorization: Digest username="${text}", realm="${domain}", nonce="x", uri="sip:x", response="x"`,
    `Authorization: Digest username="pbx", realm="${text}", nonce="x", uri="sip:x", response="x"`,
    `Authorization: Digest username="pbx", realm="${domain}", nonce="${text}", uri="sip:x", response="x", qop=auth, nc=00000001, cnonce="x"`,
    `Authorization: Digest username="pbx", realm="${domain}", nonce="1.2.3", uri="${text}", response="${text}", qop=auth, nc=${text}, cnonce="${text}"`,
    `Authorization: ${text}`, `Proxy-Authorization: Digest ${text}`, `Authorization: Digest username="pbx", username="${text}"`,
  ]);
  for (const transport of transports) await send(stage, shapes.map((header) => invite(stage, transport, { headers: [header] })), transport);
  t.equal(invites.length, 0, `${shapes.length * transports.length} messages, none reached Meta`);
  t.equal(stage.running.service.table.size, 0);
});

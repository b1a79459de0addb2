// Requests and responses with their grammar put wrong, from strangers, a PBX, a phone and Meta, over each transport: the whole service goes on, and keeps
// nothing of them. MUTATIONS=1000000 for the long run (scripts/sip-fuzz); then what is left is looked at 75 s later, as RFC 3261's longest timers want it.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import t from 'tap';
import { parseMessage, responseTo, tagOf } from '../../../lib/sipserver/parser/index.js';
import { StreamFramer } from '../../../lib/sipserver/transport/framer.js';
import { domain, listener, number } from '../../helpers/service.js';
import { alive, crlf, nothingLeft, open, places, sdp, secureSdp, Sender, type Place, type Rig, type Transport } from './rig.js';
import { mutated, seeded, type Random } from '../../unit/sipserver/fuzz.js';
import { ended } from '../../../lib/call/termination.js';

const MUTATIONS = Number(process.env['MUTATIONS'] ?? 4000);
const LONG = MUTATIONS > 100_000;
const SEED = Number(process.env['FUZZ_SEED'] ?? 4475);
// The six wait for the same timers: side by side, each with random numbers of its own.
t.jobs = 6;
t.setTimeout(0);
let serial = 0;
/** A well-formed request of this method, as this sender would write it. */
function wellFormed(r: Random, from: Place, transport: Transport): string {
  const method = r.pick(['INVITE', 'INVITE', 'INVITE', 'ACK', 'BYE', 'CANCEL', 'OPTIONS', 'REGISTER', 'UPDATE', 'PRACK', 'INFO', 'REFER', 'NOTIFY', 'SUBSCRIBE', 'MESSAGE']);
  const id = `m${serial++}`;
  const meta = from === 'meta';
  const body = method === 'INVITE' || method === 'UPDATE' ? (meta ? secureSdp : sdp) : method === 'INFO' ? `Signal=1${crlf}Duration=100${crlf}` : '';
  const type = method === 'INFO' ? 'application/dtmf-relay' : r.below(6) === 0 ? 'multipart/mixed;boundary=x' : 'application/sdp';
  const payload = type.startsWith('multipart') ? `--x${crlf}Content-Type: application/sdp${crlf}${crlf}${body}${crlf}--x--${crlf}` : body;
  const lines = [
    `${method} sip:${meta ? number : r.pick(['+447700900123', '6001', '6101', number])}@${domain} SIP/2.0`,
    `Via: SIP/2.0/${transport.toUpperCase()} ${places[from]}:5070;branch=z9hG4bK${id};rport`, 'Max-Forwards: 70',
    `From: "U" <sip:${meta ? '+447700900123' : r.pick(['6001', '6101'])}@${meta ? 'wa.meta.vc' : places[from]}>;tag=f${id}`,
    `To: <sip:${meta ? number : '+447700900123'}@${domain}>${method === 'INVITE' || r.below(2) === 0 ? '' : `;tag=t${id}`}`,
    `Call-ID: ${id}@${places[from]}`, `CSeq: 1 ${method}`, `Contact: <sip:6001@${places[from]}:5070;transport=${transport}>`,
    ...r.pick([[], ['Supported: timer, 100rel, replaces'], ['Session-Expires: 1800;refresher=uac', 'Min-SE: 90'], ['Expires: 60'], [`Record-Route: <sip:${places[from]}:5070;lr>`],
      ['Authorization: Digest username="6101", realm="sbc.example.net", nonce="a.b.c", uri="sip:x", response="00000000000000000000000000000000", qop=auth, cnonce="x", nc=00000001'],
      ['Refer-To: <sip:6001@127.0.0.3>'], ['Replaces: a;to-tag=b;from-tag=c'], ['RAck: 1 1 INVITE'], ['Diversion: <sip:6001@127.0.0.3>;reason=unconditional']]),
    ...(payload === '' ? [] : [`Content-Type: ${type}`]), `Content-Length: ${Buffer.byteLength(payload, 'latin1')}`, '', payload,
  ];
  return lines.join(crlf);
}

for (const transport of ['udp', 'tcp', 'tls'] as const) {
  t.test(`requests over ${transport}`, { buffered: true, timeout: 240_000 + MUTATIONS * 20 }, async (t) => {
    const random = seeded(SEED);
    const rig = await open(t, transport === 'tcp' ? 'tcp' : 'udp');
    const froms: Place[] = transport === 'tls' ? ['meta', 'stranger', 'phone'] : ['pbx', 'stranger', 'phone'];
    const senders = froms.map((from) => new Sender(from, transport, listener(rig.running, transport)));
    for (let n = 0; n < MUTATIONS; n++) {
      const sender = senders[n % senders.length];
      await sender?.send(mutated(random, wellFormed(random, sender.from, transport)));
      if (n % 20 === 0) await turn();
    }
    await alive(t, rig);
    for (const sender of senders) sender.close();
    await nothingLeft(t, rig);
  });
}

/** Hears INVITEs of ours, and answers each with so many mutated responses, then with a plain refusal. */
function answering(r: Random, perInvite: number, counted: () => void): (text: Buffer, reply: (response: string) => void) => void {
  const seen = new Set<string>();
  return (bytes, reply) => {
    const { message } = parseMessage(bytes);
    if (message === undefined || !message.isRequest) return;
    if (message.method !== 'INVITE') {
      // Half of the challenges, half of the refusals of what is ours are mutated too.
      const response = responseTo(message, r.pick([200, 200, 200, 481, 407, 500]), undefined, 'far').add('Content-Length', '0').toString();
      if (message.method !== 'ACK') reply(message.method === 'BYE' || r.below(2) === 0 ? responseTo(message, 200, undefined, 'far').add('Content-Length', '0').toString() : mutated(r, response));
      return;
    }
    const key = `${message.get('call-id') ?? ''} ${message.get('cseq') ?? ''}`;
    if (seen.has(key)) return;
    seen.add(key);
    const inDialog = tagOf(message.get('to') ?? '') !== undefined;
    for (let n = 0; n < perInvite; n++) {
      const status = n < perInvite - 3 ? r.pick([100, 180, 183, 183, 181, 199]) : r.pick([200, 200, 202, 302, 401, 407, 422, 480, 486, 491, 503, 603, 607]);
      const response = responseTo(message, status, undefined, r.pick(['far', 'far', `fork${n}`])).add('Contact', `<sip:6001@${places.pbx}:5070>`);
      for (const [name, value] of r.pick<[string, string][]>([[], [['Require', '100rel'], ['RSeq', String(n + 1)]], [['Session-Expires', '1800;refresher=uas']], [['Record-Route', '<sip:127.0.0.3:5070;lr>']],
        [['WWW-Authenticate', 'Digest realm="x", nonce="y", qop="auth", algorithm=MD5']], [['Min-SE', '3600']]])) response.add(name, value);
      if (status >= 180 && status < 300) response.setBody(r.below(2) === 0 ? sdp : secureSdp, 'application/sdp');
      else response.add('Content-Length', '0');
      counted();
      reply(mutated(r, response.toString()));
    }
    if (!inDialog) reply(responseTo(message, 486, undefined, 'far').add('Content-Length', '0').toString());
  };
}

const PER_INVITE = 12;
for (const transport of ['udp', 'tcp', 'tls'] as const) {
  t.test(`responses over ${transport}`, { buffered: true, timeout: 240_000 + MUTATIONS * 20 }, async (t) => {
    const random = seeded(SEED + 1);
    const rig = await open(t, transport === 'tcp' ? 'tcp' : 'udp');
    let count = 0;
    const hear = answering(random, PER_INVITE, () => { count++; });
    const far = await farEnd(rig, transport, hear);
    t.teardown(far);
    // Over TLS we call Meta for the PBX; else the PBX for Meta.
    const ours = transport === 'tls';
    const sender = new Sender(ours ? 'pbx' : 'meta', ours ? 'udp' : 'tls', listener(rig.running, ours ? 'udp' : 'tls'));
    const wanted = LONG ? MUTATIONS / 4 : MUTATIONS / 2;
    for (let n = 0; count < wanted && n < wanted; n++) {
      const body = ours ? sdp : secureSdp;
      const [user, from] = [`+4477009${String(10_000 + (n % 90_000))}`, ours ? 'pbx' : 'meta'] as const;
      await sender.send([`INVITE sip:${ours ? user : number}@${domain} SIP/2.0`, `Via: SIP/2.0/${ours ? 'UDP' : 'TLS'} ${places[from]}:5070;branch=z9hG4bKr${n};rport`, 'Max-Forwards: 70',
        `From: <sip:${ours ? number : user}@${ours ? places.pbx : 'wa.meta.vc'}>;tag=r${n}`, `To: <sip:${ours ? user : number}@${domain}>`, `Call-ID: r${n}`, 'CSeq: 1 INVITE', `Contact: <sip:x@${places[from]}:5070;transport=${ours ? 'udp' : 'tls'}>`,
        'Content-Type: application/sdp', `Content-Length: ${body.length}`, '', body].join(crlf));
      // As many calls at once as a busy machine has; the service's own limits are not what is tried here.
      for (let tries = 0; rig.running.table.size > 200 && tries < 400; tries++) await sleep(10);
      await sleep(1);
    }
    t.ok(count >= wanted * 0.9, `${count} responses were sent`);
    await alive(t, rig);
    sender.close();
    // What got through as a 2xx is a call: it ends as calls end.
    await sleep(500);
    for (const call of rig.running.table.all()) call.end(ended.drained());
    await nothingLeft(t, rig);
  });
}

/** A listener where our INVITEs go: the PBX, or Meta. Gives what closes it. */
async function farEnd({ certificates, metaPort, pbxPort }: Rig, transport: Transport, hear: ReturnType<typeof answering>): Promise<() => void> {
  if (transport === 'udp') {
    const socket = createSocket('udp4').bind(pbxPort, places.pbx);
    socket.on('message', (bytes, from) => { hear(bytes, (text) => { socket.send(Buffer.from(text.slice(0, 60_000), 'latin1'), from.port, from.address, () => undefined); }); });
    await once(socket, 'listening');
    return () => { socket.close(); };
  }
  const open = new Set<Socket>();
  const accept = (socket: Socket): void => {
    open.add(socket);
    socket.on('error', () => undefined);
    const framer = new StreamFramer(65_535);
    socket.on('data', (chunk: Buffer) => {
      for (const frame of framer.push(chunk)) if (frame.kind === 'message') hear(frame.bytes, (text) => { if (!socket.destroyed) socket.write(text, 'latin1'); });
    });
  };
  const server: Server = transport === 'tcp' ? createServer(accept) : createTlsServer({ cert: await readFile(certificates.metaCert), key: await readFile(certificates.metaKey) }, accept);
  if (transport === 'tls') server.on('tlsClientError', () => undefined);
  server.listen(transport === 'tcp' ? pbxPort : metaPort, transport === 'tcp' ? places.pbx : places.meta);
  await once(server, 'listening');
  return () => { for (const socket of open) socket.destroy(); server.close(); };
}

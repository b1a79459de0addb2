import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import t from 'tap';
import { makeCertificates } from '../../unit/sipserver/certificates.js';
import { Peer, reply, request, start } from './harness.js';

const SDP = 'v=0\r\n';

t.test('a connection that the peer closed just when it was to be used again is opened anew', async (t) => {
  const { srf } = await start(t);
  const sockets: Socket[] = [];
  const requests: string[] = [];
  let answers = true;
  const far = createServer((socket) => {
    sockets.push(socket);
    socket.on('data', (chunk) => {
      const text = chunk.toString('latin1');
      requests.push(text.slice(0, text.indexOf(' ')));
      // The second request meets a reset instead of an answer.
      if (answers) socket.write(text.replace(/^OPTIONS [^\r]*/, 'SIP/2.0 200 OK'));
      else socket.resetAndDestroy();
      answers = requests.length !== 1;
    });
    socket.on('error', () => { /* reset */ });
  });
  far.listen(0, '127.0.0.1');
  await once(far, 'listening');
  t.teardown(() => { for (const s of sockets) s.destroy(); far.close(); });
  const ask = (): Promise<number> => new Promise((resolve, reject) => {
    srf.request({ uri: `sip:127.0.0.1:${(far.address() as AddressInfo).port};transport=tcp`, method: 'OPTIONS' }, (error, req) => {
      if (error) reject(error as Error);
      else req.on('response', (res: { status: number }) => { resolve(res.status); });
    });
  });
  t.equal(await ask(), 200);
  t.equal(await ask(), 200, 'sent again on a new connection');
  t.equal(sockets.length, 2);
  t.equal(requests.length, 3);
});

t.test('a connection that was silent for long is not trusted with a new request', async (t) => {
  const { srf } = await start(t, { limits: { reuseTime: 50 } });
  const peer = await Peer.on(t, ['tcp:127.0.0.1:0']);
  const uri = `sip:bob@127.0.0.1:${peer.port('tcp')};transport=tcp`;
  const flows = [];
  for (let i = 0; i < 2; i++) {
    const calling = srf.createUAC(uri, { localSdp: SDP }).catch((e: unknown) => e);
    const invite = await peer.next('INVITE');
    flows.push(invite.flow);
    reply(invite, 486, 'bob');
    await calling;
    await new Promise((resolve) => { setTimeout(resolve, 80); });
  }
  t.not(flows[0], flows[1]);
});

t.test('a BYE that nobody answers goes once more, over a fresh connection', async (t) => {
  const { srf } = await start(t, { timers: { T1: 20, T2: 40, T4: 50 } });
  const peer = await Peer.on(t, ['tcp:127.0.0.1:0']);
  const calling = srf.createUAC(`sip:bob@127.0.0.1:${peer.port('tcp')};transport=tcp`, { localSdp: SDP });
  const invite = await peer.next('INVITE');
  reply(invite, 200, 'bob', { Contact: `<sip:bob@127.0.0.1:${peer.port('tcp')};transport=tcp>` }, SDP);
  const dialog = await calling;
  await peer.next('ACK');
  const ending = dialog.destroy();
  const first = await peer.next('BYE');
  const second = await peer.next('BYE');
  t.equal(first.flow, invite.flow);
  t.not(second.flow, first.flow);
  t.equal(second.message.get('cseq'), first.message.get('cseq'), 'the same request');
  t.not(second.message.get('via'), first.message.get('via'), 'in a transaction of its own');
  reply(second, 200, 'bob');
  await ending;
});

t.test('an INVITE cancelled while its connection is coming up is over at once', async (t) => {
  const { srf, server } = await start(t);
  // A listener that never completes the TLS handshake.
  const mute = createServer(() => { /* says nothing */ });
  mute.listen(0, '127.0.0.1');
  await once(mute, 'listening');
  t.teardown(() => { mute.close(); });
  const started = Date.now();
  const refusal = await srf.createUAC(`sip:bob@127.0.0.1:${(mute.address() as AddressInfo).port};transport=tls`, { localSdp: SDP }, {
    cbRequest: (_e, req) => { req.cancel({}, () => { /* nothing to send */ }); },
  }).catch((e: unknown) => e);
  t.match(refusal, { status: 487 });
  t.ok(Date.now() - started < 1000);
  t.equal(server.stats().requestsOut, 0);
});

t.test('IPv6 over UDP and TCP', async (t) => {
  const { srf, port } = await start(t, { listen: ['udp:[::1]:0', 'tcp:[::1]:0'] });
  const peer = await Peer.on(t, ['udp:[::1]:0', 'tcp:[::1]:0']);
  for (const protocol of ['udp', 'tcp']) {
    const calling = srf.createUAC(`sip:bob@[::1]:${peer.port(protocol)};transport=${protocol}`, { localSdp: SDP });
    const invite = await peer.next('INVITE');
    t.match(invite.message.get('via'), `SIP/2.0/${protocol.toUpperCase()} [::1]:${port(protocol)};rport`);
    t.match(invite.message.get('contact'), `<sip:[::1]:${port(protocol)}`);
    reply(invite, 200, 'bob', { Contact: `<sip:bob@[::1]:${peer.port(protocol)};transport=${protocol}>` }, SDP);
    const dialog = await calling;
    await peer.next('ACK');
    const ended = dialog.destroy();
    reply(await peer.next('BYE'), 200, undefined);
    await ended;
  }
});

for (const protocol of ['tcp', 'tls'] as const) {
  t.test(`a CRLF keep-alive over ${protocol} gets its pong, also between messages (RFC 5626 §4.4.1)`, async (t) => {
    const certificates = makeCertificates();
    t.teardown(() => { certificates.remove(); });
    const { port } = await start(t, { listen: [`${protocol}:127.0.0.1:0`], tls: certificates.issue('pbx', 'pbx.example.net') });
    const to = { port: port(protocol), host: '127.0.0.1' };
    const socket = protocol === 'tcp' ? connect(to) : tlsConnect({ ...to, rejectUnauthorized: false });
    t.teardown(() => { socket.destroy(); });
    await once(socket, protocol === 'tcp' ? 'connect' : 'secureConnect');
    let heard = '';
    const until = async (end: string): Promise<void> => { while (!heard.endsWith(end)) heard += String((await once(socket, 'data'))[0]); };
    socket.write('\r\n\r\n');
    await until('\r\n');
    t.equal(heard, '\r\n');
    heard = '';
    const line = (await Peer.on(t, ['udp:127.0.0.1:0'])).udp(9);
    socket.write(`${request('OPTIONS', 'sip:a@127.0.0.1', line).toString()}\r\n\r\n`);
    await until('\r\n\r\n\r\n');
    t.match(heard, /^SIP\/2\.0 503 /);
  });
}

t.test('a STUN keep-alive on the SIP port is answered with the address it came from', async (t) => {
  const { port } = await start(t);
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => { socket.close(); });
  const request = Buffer.from('000100002112a442000102030405060708090a0b', 'hex');
  socket.send(request, port('udp'), '127.0.0.1');
  const [answer] = await once(socket, 'message') as [Buffer];
  t.equal(answer.readUInt16BE(0), 0x0101);
  t.same(answer.subarray(4, 20), request.subarray(4, 20));
  t.equal(answer.readUInt16BE(26) ^ 0x2112, socket.address().port);
  t.equal((answer.readUInt32BE(28) ^ 0x2112a442) >>> 0, 0x7f000001);
});

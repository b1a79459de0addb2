// M1, M8, M9, M10, N8: forged datagrams, renegotiation, keep-alives without end, forks without end, and the end of our own connection.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { engines } from '../../helpers/engines.js';
import { RawPeer, sdp } from '../../helpers/rawPeer.js';
import { listener, number } from '../../helpers/service.js';
import { datagrams, gone, line, request } from '../../helpers/stranger.js';
import { makeCertificates } from '../../unit/sipserver/certificates.js';
import { openStage, pause } from '../harness.js';
import { follow, Peer, request as message, start } from '../sipserver/harness.js';

const skip = engines.sip === 'embedded' ? false : 'the embedded server is the subject';

t.test('M1: a peer over TLS or TCP is not believed over UDP, one over UDP is; also in a thread and after a reload', { skip, timeout: 90_000 }, async (t) => {
  for (const thread of [false, true]) {
    for (const [transport, given, answered] of [['tls', undefined, false], ['tcp', undefined, false], ['udp', undefined, true], ['tls', ['udp'], true], ['udp', ['tcp'], false]] as const) {
      const stage = await openStage({ external: { pbx: { port: 5998, transport, sources: ['127.0.0.9/32'], mayCall: [number], ...(given === undefined ? {} : { transports: given }) } }, overlay: { sip: { thread } } });
      const pbx = await datagrams();
      await pbx.send(request('OPTIONS'), stage.running.udp.port);
      await pause(400);
      t.equal(pbx.heard.length > 0, answered, `${transport} ${given ?? ''} thread ${thread}`);
      if (!answered && !thread) t.ok(stage.running.log.some((text) => text.includes('peers.pbx.transports')), 'the operator is told why');
      const peer = stage.running.config.peers['pbx']!;
      await stage.running.service.reload({ ...stage.running.config, peers: { pbx: { ...peer, transports: answered ? ['tls'] : ['udp'] } } });
      await pause(200);
      pbx.heard.length = 0;
      await pbx.send(request('OPTIONS'), stage.running.udp.port);
      await pause(400);
      t.equal(pbx.heard.length > 0, !answered, 'after the reload');
      pbx.close();
      await stage.close();
    }
  }
});

t.test('a BYE from an address nobody knows, with both tags right, ends the call; with a wrong one it does not', { skip, timeout: 30_000 }, async (t) => {
  for (const transport of ['udp', 'tcp'] as const) {
    const pbx = await RawPeer.open();
    const stage = await openStage({ external: { pbx: { port: pbx.port } }, overlay: { meta: { mediaTimeout: 0 } } });
    t.teardown(async () => { await stage.close(); pbx.close(); });
    let invite: ReturnType<typeof message> | undefined;
    pbx.script((asked, peer) => { invite = asked; peer.answer(asked, 200, { body: sdp() }); });
    const user = stage.user();
    t.equal(await user.place(), 200);
    if (invite === undefined) throw new Error('no INVITE');
    const bye = (tag: string, id: string): string => ['BYE sip:us@127.0.0.1 SIP/2.0', `Via: SIP/2.0/${transport.toUpperCase()} 127.0.0.9;rport;branch=z9hG4bK${id}`, 'Max-Forwards: 70', `From: ${invite?.get('to')};tag=${tag}`,
      `To: ${invite?.get('from')}`, `Call-ID: ${invite?.get('call-id')}`, 'CSeq: 500 BYE', 'Content-Length: 0', '', ''].join('\r\n');
    const wire = transport === 'udp' ? await datagrams() : null;
    const stream = transport === 'tcp' ? await line(listener(stage.running.service, 'tcp').port) : null;
    if (wire !== null) await wire.send(bye('wrong', 'a'), stage.running.udp.port);
    else { const other = await line(listener(stage.running.service, 'tcp').port); other.socket.write(bye('wrong', 'a')); t.ok(await gone(other.socket)); }
    await pause(200);
    t.equal(stage.running.service.table.size, 1);
    if (wire !== null) await wire.send(bye(`raw-${pbx.port}`, 'b'), stage.running.udp.port);
    else stream?.socket.write(bye(`raw-${pbx.port}`, 'b'));
    await pause(500);
    t.match((wire?.heard ?? [stream?.heard()]).join(''), /^SIP\/2\.0 200 /, transport);
    t.equal(stage.running.service.table.size, 0);
    wire?.close();
    stream?.socket.destroy();
    user.close();
  }
});

t.test('N8: when our connection to the SIP server is lost, the far ends get their BYE at once', { skip }, async (t) => {
  const pbx = await RawPeer.open();
  // The server in our own thread has no connection to lose.
  const stage = await openStage({ external: { pbx: { port: pbx.port } }, overlay: { meta: { mediaTimeout: 0 }, sip: { thread: true } } });
  t.teardown(async () => { await stage.close(); pbx.close(); });
  pbx.script((asked, peer) => { peer.answer(asked, 200, { body: sdp() }); });
  const user = stage.user();
  t.equal(await user.place(), 200);
  const bye = pbx.next('BYE', ({ method }) => method === 'BYE');
  const began = Date.now();
  const sockets = (process as unknown as { _getActiveHandles(): { remotePort?: number; encrypted?: boolean; destroy?(): void }[] })._getActiveHandles();
  const admin = sockets.filter(({ remotePort, encrypted }) => remotePort !== undefined && encrypted !== true);
  t.equal(admin.length, 1, 'it is the only connection in clear');
  for (const socket of admin) socket.destroy?.();
  await bye;
  t.ok(Date.now() - began < 2000, `${Date.now() - began} ms`);
  user.close();
});

const certificates = makeCertificates();
t.teardown(() => { certificates.remove(); });

function has(program: string): boolean {
  try { execFileSync('which', [program]); return true; } catch { return false; }
}

t.test('M8: TLS 1.2 renegotiation is refused, and the server goes on', { skip: has('openssl') ? false : 'needs openssl' }, async (t) => {
  const { port } = await start(t, { listen: ['tls:127.0.0.1:0'], tls: certificates.issue('pbx', 'pbx.example.net') });
  const client = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port('tls')}`, '-tls1_2', '-quiet', '-legacy_renegotiation'].filter((arg) => arg !== '-quiet'), { stdio: ['pipe', 'pipe', 'pipe'] });
  t.teardown(() => { client.kill('SIGKILL'); });
  let text = '';
  client.stdout.on('data', (chunk) => { text += String(chunk); });
  client.stderr.on('data', (chunk) => { text += String(chunk); });
  while (!text.includes('---\n') && client.exitCode === null) await delay(20);
  await delay(300);
  client.stdin.on('error', () => { /* it has ended */ });
  client.stdin.write('R\n');
  await Promise.race([once(client, 'exit'), delay(3000)]);
  t.match(text, /RENEGOTIATING/);
  t.match(text, /no renegotiation|unexpected message|alert/i);
});

t.test('M9: keep-alives in one piece get one pong, and count for the rate', async (t) => {
  const { port, server } = await start(t, { limits: { messagesPerSecond: 100 } });
  const { socket, heard } = await line(port('tcp'), '127.0.0.1');
  socket.write('\r\n\r\n'.repeat(50));
  await delay(300);
  t.equal(heard(), '\r\n');
  for (let i = 0; i < 20; i++) socket.write('\r\n\r\n'.repeat(10_000));
  const began = Date.now();
  await delay(500);
  t.ok(Date.now() - began < 1500, 'nothing waits for them');
  t.ok(heard().length <= 40, `${heard().length}`);
  t.ok((server.stats()['rateDropped'] ?? 0) > 0);
  socket.destroy();
});

t.test('M10: forks without end: sixteen are kept, others find room, and the one that answers has the call', { timeout: 60_000 }, async (t) => {
  const { srf, server, port } = await start(t, { limits: { dialogs: 50 } });
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const at = peer.transports.points[0]!.local.port;
  const calling = srf.createUAC(`sip:a@127.0.0.1:${at}`, { localSdp: 'v=0\r\n' });
  const { message: invite, flow } = await peer.next('INVITE');
  const answer = (status: number, tag: string): void => {
    const response = ['Via', 'From', 'Call-ID', 'CSeq'].map((name) => `${name}: ${invite.get(name)}`);
    flow.send(`SIP/2.0 ${status} X\r\n${response.join('\r\n')}\r\nTo: ${invite.get('to')};tag=${tag}\r\nContact: <sip:a@127.0.0.1:${at}>\r\n${status === 200 ? 'Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n' : 'Content-Length: 0\r\n\r\n'}`);
  };
  for (let i = 0; i < 300; i++) answer(180, `fork${i}`);
  await delay(500);
  t.ok((server.stats()['dialogs'] ?? 99) <= 16, `${server.stats()['dialogs']} dialogs`);
  srf.invite((req, res) => { void srf.createUAS(req, res, { localSdp: 'v=0\r\n' }); });
  const line2 = peer.udp(port('udp'));
  const own = message('INVITE', `sip:a@127.0.0.1:${port('udp')}`, line2, {}, 'v=0\r\n');
  line2.send(own.toString());
  line2.send(follow('ACK', own, (await peer.next(200)).message).toString());
  answer(200, 'fork299');
  t.ok(await calling, 'one that had no place as a fork may still answer');
});

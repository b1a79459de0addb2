// Where the INVITE went over TCP or TLS and the far end's Contact, or Record-Route, names no transport, its dialog stays on that connection.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { engines } from '../../helpers/engines.js';
import { sdp } from '../../helpers/rawPeer.js';
import { openStage, pause } from '../harness.js';
import { makeCertificates } from '../../unit/sipserver/certificates.js';
import { follow, Peer, reply, request, start } from '../sipserver/harness.js';

const SDP = 'v=0\r\n';

/** A UDP socket where nothing may arrive: gives its port and what arrived. */
async function trap(t: Test): Promise<{ port: number; packets: string[] }> {
  const socket = createSocket('udp4');
  const packets: string[] = [];
  socket.on('message', (data) => packets.push(data.toString('latin1')));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  return { port: (socket.address() as AddressInfo).port, packets };
}

// drachtio-server sends by the target's transport, and knows no other way.
t.test('a whole call: ACK, the ACK of a 200 that came again, and BYE', { skip: engines.sip === 'embedded' ? false : 'it is sofia-sip that chooses there' }, async (t) => {
  const pbx = await Peer.on(t, ['tcp:127.0.0.1:0']);
  const { port, packets } = await trap(t);
  const stage = await openStage({ external: { pbx: { port: pbx.port('tcp'), transport: 'tcp' } }, overlay: { meta: { mediaTimeout: 0 } } });
  t.teardown(() => stage.close());
  const user = stage.user();
  const placed = user.place();
  const invite = await pbx.next('INVITE');
  const answer = (): void => reply(invite, 200, 'pbx', { Contact: `<sip:6001@127.0.0.1:${port}>`, 'Content-Type': 'application/sdp' }, sdp());
  answer();
  t.equal(await placed, 200);
  t.equal((await pbx.next('ACK')).flow, invite.flow);
  answer();
  t.equal((await pbx.next('ACK')).flow, invite.flow, 'repeated');
  const over = user.hangUp();
  const bye = await pbx.next('BYE');
  t.equal(bye.flow, invite.flow);
  reply(bye, 200, undefined);
  await over;
  t.same(packets, []);
});

for (const protocol of ['tcp', 'tls'] as const) {
  t.test(`${protocol}: Contact and Record-Route without a transport; a re-INVITE; a connection that has gone is opened anew`, async (t) => {
    const certificates = makeCertificates();
    t.teardown(() => { certificates.remove(); });
    const pbx = await Peer.on(t, [`${protocol}:127.0.0.1:0`], certificates.issue('pbx', 'pbx.example.net'));
    const { port, packets } = await trap(t);
    const targets = { 'pbx.example.net': { address: '127.0.0.1', port: pbx.port(protocol), ca: certificates.ca } };
    const { srf, server } = await start(t, { targets });
    for (const route of [null, `<sip:127.0.0.1:${port};lr>`, `<sip:127.0.0.1:${port}>`]) {
      const calling = srf.createUAC(`sip:bob@pbx.example.net;transport=${protocol}`, { localSdp: SDP });
      const invite = await pbx.next('INVITE');
      const lines = { Contact: `<sip:bob@127.0.0.1:${port}>`, ...(route === null ? {} : { 'Record-Route': route }) };
      reply(invite, 200, 'bob', lines, SDP);
      const dialog = await calling;
      t.equal((await pbx.next('ACK')).flow, invite.flow);
      const changed = dialog.modify(SDP);
      const again = await pbx.next('INVITE');
      t.equal(again.flow, invite.flow, 're-INVITE');
      reply(again, 200, undefined, lines, SDP);
      await changed;
      await pbx.next('ACK');
      invite.flow.close();
      await pause(50);
      const over = dialog.destroy();
      const bye = await pbx.next('BYE');
      t.equal(bye.flow.protocol, protocol, 'BYE');
      reply(bye, 200, undefined);
      await over;
    }
    t.same(packets, [], 'nothing by UDP');
    t.equal(server.stats()['dialogs'], 0);
  });
}

t.test('a proxy calls us over TCP: its Record-Route names no transport, and it is that proxy', async (t) => {
  const { srf, port } = await start(t);
  const pbx = await Peer.on(t, ['tcp:127.0.0.1:0']);
  const hole = await trap(t);
  const flow = await pbx.tcp(port('tcp'));
  const dialog = new Promise<Awaited<ReturnType<typeof srf.createUAS>>>((resolve) => {
    srf.invite((req, res) => { void srf.createUAS(req, res, { localSdp: SDP }).then(resolve); });
  });
  const invite = request('INVITE', `sip:a@127.0.0.1:${port('tcp')};transport=tcp`, flow, { 'Record-Route': `<sip:127.0.0.1:${hole.port};lr>`, Contact: '<sip:6001@192.0.2.9>' }, SDP);
  flow.send(invite.toString());
  const answer = (await pbx.next(200)).message;
  flow.send(follow('ACK', invite, answer).toString());
  const over = (await dialog).destroy();
  const bye = await pbx.next('BYE');
  t.equal(bye.flow, flow);
  reply(bye, 200, undefined);
  await over;
  t.same(hole.packets, []);
});

t.test('UDP as before, and a target that names its transport is taken at its word', async (t) => {
  const { srf } = await start(t);
  const pbx = await Peer.on(t, ['tcp:127.0.0.1:0', 'udp:127.0.0.1:0']);
  for (const [called, contact, wanted] of [['udp', '', 'udp'], ['tcp', ';transport=udp', 'udp'], ['udp', ';transport=tcp', 'tcp'], ['tcp', ';transport=TCP', 'tcp']] as const) {
    const calling = srf.createUAC(`sip:bob@127.0.0.1:${pbx.port(called)};transport=${called}`, { localSdp: SDP });
    const invite = await pbx.next('INVITE');
    reply(invite, 200, 'bob', { Contact: `<sip:bob@127.0.0.1:${pbx.port(wanted)}${contact}>` }, SDP);
    const dialog = await calling;
    t.equal((await pbx.next('ACK')).flow.protocol, wanted, `called by ${called}, Contact ${contact}`);
    const over = dialog.destroy();
    const bye = await pbx.next('BYE');
    t.equal(bye.flow.protocol, wanted);
    reply(bye, 200, undefined);
    await over;
  }
});

import t from 'tap';
import { makeCertificates } from '../../unit/sipserver/certificates.js';
import { follow, Peer, reply, request, start } from './harness.js';

const certificates = makeCertificates();
t.teardown(() => { certificates.remove(); });
const identity = certificates.issue('pbx', 'pbx.example.net');

for (const protocol of ['tcp', 'tls'] as const) {
  t.test(`a user agent that registered over ${protocol} is called on that connection, and on no other`, async (t) => {
    const { srf, port, server } = await start(t, { listen: [`${protocol}:127.0.0.1:0`], ...(protocol === 'tls' ? { tls: identity } : {}) });
    srf.use('register', (req, res) => { res.send(200, { headers: { Contact: `${req.get('contact')};expires=60` } }); });
    const phone = await Peer.on(t, []);
    const flow = await phone.transports.connect({ protocol, address: '127.0.0.1', port: port(protocol), host: 'pbx.example.net', ca: certificates.ca });
    const contact = `sip:phone@192.168.77.7:5999;transport=${protocol}`;
    flow.send(request('REGISTER', 'sip:pbx.example.net', flow, { Contact: `<${contact}>` }).toString());
    await phone.next(200);
    t.equal(server.stats().registeredFlows, 1);
    const calling = srf.createUAC(contact, { localSdp: 'v=0\r\n' });
    const invite = await phone.next('INVITE');
    t.equal(invite.flow, flow);
    reply(invite, 200, 'phone', { Contact: `<${contact}>` }, 'v=0\r\n');
    const dialog = await calling;
    t.equal((await phone.next('ACK')).flow, flow, 'the dialog stays on it');
    const ended = dialog.destroy();
    const bye = await phone.next('BYE');
    t.equal(bye.flow, flow);
    reply(bye, 200, undefined);
    await ended;
    flow.close();
    await phone.change();
    const after = await srf.createUAC('sip:phone@127.0.0.1:1;transport=tcp', { localSdp: 'v=0\r\n' }).catch((e: unknown) => e);
    t.match(after, { status: 503 });
    t.equal(phone.seen.length, 0);
  });
}

t.test('a caller over TLS with an address as Contact is hung up on its own connection', async (t) => {
  const { srf, port } = await start(t, { listen: ['tls:127.0.0.1:0'], tls: identity });
  const phone = await Peer.on(t, []);
  const flow = await phone.transports.connect({ protocol: 'tls', address: '127.0.0.1', port: port('tls'), host: 'pbx.example.net', ca: certificates.ca });
  srf.invite((req, res) => { void srf.createUAS(req, res, { localSdp: 'v=0\r\n' }).then((d) => { d.once('ack', () => { void d.destroy(); }); }); });
  const invite = request('INVITE', 'sip:a@pbx.example.net', flow, { Contact: '<sip:phone@127.0.0.1:5061;transport=tls>' }, 'v=0\r\n');
  flow.send(invite.toString());
  flow.send(follow('ACK', invite, (await phone.next(200)).message).toString());
  const bye = await phone.next('BYE');
  t.equal(bye.flow, flow);
  reply(bye, 200, undefined);
});

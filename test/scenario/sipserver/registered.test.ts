import t from 'tap';
import { makeCertificates } from '../../unit/sipserver/certificates.js';
import type { Flow } from '../../../lib/sipserver/transport/index.js';
import { follow, Peer, reply, request, start } from './harness.js';
import type { SrfDialog } from './harness.js';

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

// A Contact where nobody listens, and behind a proxy whose name leads nowhere.
for (const routed of [false, true]) {
  for (const protocol of ['tcp', 'tls'] as const) {
    t.test(`a caller over ${protocol} that listens nowhere${routed ? ', behind a proxy,' : ''} is hung up on its own connection`, async (t) => {
      const { srf, port } = await start(t, { listen: [`${protocol}:127.0.0.1:0`], ...(protocol === 'tls' ? { tls: identity } : {}) });
      const phone = await Peer.on(t, []);
      const flow = await phone.transports.connect({ protocol, address: '127.0.0.1', port: port(protocol), host: 'pbx.example.net', ca: certificates.ca });
      srf.invite((req, res) => { void srf.createUAS(req, res, { localSdp: 'v=0\r\n' }).then((d) => { d.once('ack', () => { void d.destroy(); }); }); });
      const invite = request('INVITE', 'sip:a@pbx.example.net', flow, { Contact: `<sip:phone@127.0.0.1:1;transport=${protocol}>` }, 'v=0\r\n');
      if (routed) invite.add('Record-Route', `<sip:127.0.0.1:1;transport=${protocol};lr>`);
      flow.send(invite.toString());
      flow.send(follow('ACK', invite, (await phone.next(200)).message).toString());
      const bye = await phone.next('BYE');
      t.equal(bye.flow, flow);
      reply(bye, 200, undefined);
    });
  }
}

t.test('a caller whose connection is gone is reached at its Contact', async (t) => {
  const { srf, port, server } = await start(t, { listen: ['tcp:127.0.0.1:0'] });
  const phone = await Peer.on(t, ['tcp:127.0.0.1:0']);
  const flow = await phone.tcp(port('tcp'));
  const answered = new Promise<SrfDialog>((resolve, reject) => { srf.invite((req, res) => { srf.createUAS(req, res, { localSdp: 'v=0\r\n' }).then(resolve, reject); }); });
  const invite = request('INVITE', 'sip:a@127.0.0.1', flow, { Contact: `<sip:phone@127.0.0.1:${phone.port('tcp')};transport=tcp>` }, 'v=0\r\n');
  flow.send(invite.toString());
  flow.send(follow('ACK', invite, (await phone.next(200)).message).toString());
  const dialog = await answered;
  flow.close();
  while ((server.stats()['acceptedConnections'] ?? 0) > 0) await new Promise((resolve) => { setImmediate(resolve); });
  const ended = dialog.destroy();
  const bye = await phone.next('BYE');
  t.ok(bye.flow.accepted, 'a new connection');
  reply(bye, 200, undefined);
  await ended;
});

for (const protocol of ['udp', 'tcp', 'tls'] as const) {
  t.test(`a registrar calls by the flow that a REGISTER over ${protocol} came by (RFC 5626), whatever its Contact says`, async (t) => {
    const { srf, port } = await start(t, { listen: [`${protocol}:127.0.0.1:0`], ...(protocol === 'tls' ? { tls: identity } : {}) });
    const paths: string[] = [];
    srf.use('register', (req, res) => {
      paths.push(/^<([^>]+)>$/.exec(req.get('path'))?.[1] ?? '');
      res.send(200, { headers: { Contact: `${req.get('contact')};expires=60` } });
    });
    // Two phones behind two NATs, with the same private address.
    const contact = `sip:phone@192.168.77.7:5999;transport=${protocol}`;
    const phones: { phone: Peer; flow: Flow }[] = [];
    for (let n = 0; n < 2; n++) {
      const phone = await Peer.on(t, protocol === 'udp' ? ['udp:127.0.0.1:0'] : []);
      const flow = protocol === 'udp' ? phone.udp(port('udp'))
        : await phone.transports.connect({ protocol, address: '127.0.0.1', port: port(protocol), host: 'pbx.example.net', ca: certificates.ca });
      flow.send(request('REGISTER', 'sip:pbx.example.net', flow, { Contact: `<${contact}>`, ...(n === 0 ? { Path: '<sip:forged@127.0.0.1:9;lr>' } : {}) }).toString());
      const ok = await phone.next(200);
      t.notOk(ok.message.has('path'), 'the path is for the registrar, not for the phone');
      phones.push({ phone, flow });
    }
    t.equal(new Set(paths).size, 2);
    for (const [n, { phone, flow }] of phones.entries()) {
      const calling = srf.createUAC(contact, { localSdp: 'v=0\r\n', proxy: paths[n] });
      const invite = await phone.next('INVITE');
      t.equal(invite.flow.remote.port, port(protocol));
      t.equal(invite.message.uri, contact);
      t.notOk(invite.message.has('route'), 'the token stays with us');
      reply(invite, 200, `phone${n}`, { Contact: `<${contact}>` }, 'v=0\r\n');
      const dialog = await calling;
      await phone.next('ACK');
      const ended = dialog.destroy();
      const bye = await phone.next('BYE');
      if (protocol !== 'udp') t.equal(bye.flow, flow, 'the dialog stays on the flow');
      reply(bye, 200, undefined);
      await ended;
    }
    const [first] = phones;
    const [path = ''] = paths;
    const forged = path.replace(/\.(.)/, (_all, c: string) => `.${c === 'A' ? 'B' : 'A'}`);
    t.match(await srf.createUAC(contact, { localSdp: 'v=0\r\n', proxy: forged }).catch((e: unknown) => e), { status: 430 }, 'a token that is not ours');
    if (protocol === 'udp' || first === undefined) return;
    first.flow.close();
    await first.phone.change();
    t.match(await srf.createUAC(contact, { localSdp: 'v=0\r\n', proxy: path }).catch((e: unknown) => e), { status: 430 }, 'a connection that is gone');
    t.equal(phones[1]?.phone.seen.length, 0, 'nobody else is called instead');
  });
}

t.test('with tokens alone, a Contact of somebody else\'s brings nobody his calls', async (t) => {
  const { srf, port } = await start(t, { followContacts: false });
  srf.use('register', (_req, res) => { res.send(200, { headers: { Expires: '60' } }); });
  const pbx = await Peer.on(t, ['tcp:127.0.0.1:0']);
  const phone = await Peer.on(t, []);
  const flow = await phone.tcp(port('tcp'));
  const theirs = `sip:6001@127.0.0.1:${pbx.port('tcp')};transport=tcp`;
  flow.send(request('REGISTER', 'sip:pbx.example.net', flow, { Contact: `<${theirs}>` }).toString());
  await phone.next(200);
  const calling = srf.createUAC(theirs, { localSdp: 'v=0\r\n' });
  reply(await pbx.next('INVITE'), 200, 'pbx', { Contact: `<${theirs}>` }, 'v=0\r\n');
  await calling;
  t.equal(phone.seen.length, 0);
});

t.test('a REGISTER that came through a proxy has no flow of ours', async (t) => {
  const { srf, port } = await start(t);
  srf.use('register', (req, res) => { res.send(req.get('path') === '<sip:edge.example.net;lr>' ? 200 : 500); });
  const edge = await Peer.on(t, ['udp:127.0.0.1:0']);
  const flow = edge.udp(port('udp'));
  const register = request('REGISTER', 'sip:pbx.example.net', flow, { Contact: '<sip:phone@192.168.77.7>', Path: '<sip:edge.example.net;lr>' });
  register.add('Via', 'SIP/2.0/UDP 192.168.77.7;branch=z9hG4bKphone');
  flow.send(register.toString());
  t.ok(await edge.next(200));
});

t.test('a Route of the application goes out: the Path of a registration that came through proxies', async (t) => {
  const { srf } = await start(t);
  const edge = await Peer.on(t, ['udp:127.0.0.1:0']);
  const route = `<sip:127.0.0.1:${edge.port('udp')};lr>, <sip:inner.example.net;lr>`;
  const calling = srf.createUAC('sip:6001@192.168.77.7:5060', { localSdp: 'v=0\r\n', headers: { Route: route }, proxy: `sip:127.0.0.1:${edge.port('udp')};transport=udp` });
  const invite = await edge.next('INVITE');
  t.same(invite.message.list('route'), route.split(', '));
  t.equal(invite.message.uri, 'sip:6001@192.168.77.7:5060');
  reply(invite, 486, 'edge');
  t.match(await calling.catch((e: unknown) => e), { status: 486 });
});

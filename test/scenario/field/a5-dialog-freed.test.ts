// The SIP server: a dialog ends with any final answer to its BYE, or none (RFC 3261 §15.1.1); after a challenge the client has its time.
import t, { type Test } from 'tap';
import { Peer, QUICK, reply, start, type SrfDialog, type Stack } from '../sipserver/harness.js';

const SDP = 'v=0\r\n';
const until = async (test: () => boolean, ms: number): Promise<boolean> => {
  for (const end = Date.now() + ms; Date.now() < end && !test();) await new Promise((resolve) => setTimeout(resolve, 20));
  return test();
};

async function answered(t: Test): Promise<Stack & { peer: Peer; dialog: SrfDialog }> {
  const stack = await start(t);
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const calling = stack.srf.createUAC(`sip:bob@127.0.0.1:${peer.port('udp')}`, { localSdp: SDP });
  reply(await peer.next('INVITE'), 200, 'bob', { Contact: `<sip:bob@127.0.0.1:${peer.port('udp')}>` }, SDP);
  const dialog = await calling;
  await peer.next('ACK');
  t.equal(stack.server.stats()['dialogs'], 1);
  return { ...stack, peer, dialog };
}

for (const status of [401, 407]) {
  t.test(`${status} to the BYE, and the application says nothing more: gone within 64*T1`, async (t) => {
    const { server, peer, dialog } = await answered(t);
    const bye = dialog.destroy();
    reply(await peer.next('BYE'), status, undefined);
    await bye;
    t.equal(server.stats()['dialogs'], 1, 'it may be sent again');
    t.ok(await until(() => server.stats()['dialogs'] === 0, 64 * QUICK.T1 + 1000));
  });
}

t.test('the second BYE finds the dialog; its end frees it at once', async (t) => {
  const { server, peer, dialog } = await answered(t);
  const first = dialog.request({ method: 'BYE' });
  reply(await peer.next('BYE'), 407, undefined);
  t.equal((await first).status, 407);
  const second = dialog.request({ method: 'BYE', headers: { 'Proxy-Authorization': 'Digest username="u"' } });
  const bye = await peer.next('BYE');
  t.equal(bye.message.get('proxy-authorization'), 'Digest username="u"');
  reply(bye, 200, undefined);
  await second;
  t.equal(server.stats()['dialogs'], 0);
});

t.test('any other refusal of the BYE, or its time-out, frees it', async (t) => {
  for (const status of [403, 481, 500, 603, 0]) {
    const { server, peer, dialog } = await answered(t);
    const bye = dialog.destroy();
    const received = await peer.next('BYE');
    if (status !== 0) reply(received, status, undefined);
    await bye;
    t.equal(server.stats()['dialogs'], 0, String(status));
  }
});

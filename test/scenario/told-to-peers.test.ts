// What peers may ask to be told besides: User-to-User (RFC 7433) and History-Info (RFC 7044).
import t, { type Test } from 'tap';
import type { SipMessage } from '../../lib/sipserver/parser/index.js';
import { RawPeer, sdp } from '../helpers/rawPeer.js';
import { number } from '../helpers/service.js';
import { openStage, type Stage } from './harness.js';

/** A PBX whose users refuse with what `refuses` says; INVITEs by user, in order. */
async function open(t: Test, keys: object, refuses: Readonly<Record<string, number>> = {}): Promise<{ stage: Stage; pbx: RawPeer; invites: { user: string; invite: SipMessage }[] }> {
  const pbx = await RawPeer.open();
  t.teardown(() => pbx.close());
  const invites: { user: string; invite: SipMessage }[] = [];
  pbx.script((invite, peer) => {
    const user = /sip:([^@]+)@/.exec(invite.uri)?.[1] ?? '';
    invites.push({ user, invite });
    const status = refuses[user] ?? 200;
    peer.answer(invite, status, status === 200 ? { body: sdp() } : {});
  });
  const stage = await openStage({
    external: { pbx: { port: pbx.port, ...keys } },
    overlay: { meta: { mediaTimeout: 0 }, routes: [{ name: 'main', number, to: ['6001', '6002'].map((user) => ({ peer: 'pbx', user })) }] },
  });
  t.teardown(() => stage.close());
  return { stage, pbx, invites };
}

const data = (invite: SipMessage | undefined): unknown => {
  const [, hex = ''] = /^([0-9a-f]+);encoding=hex$/.exec(invite?.get('user-to-user') ?? '') ?? [];
  return hex === '' ? null : JSON.parse(Buffer.from(hex, 'hex').toString());
};

t.test('the id of the call and its payload, as JSON in hex', async (t) => {
  const { stage, invites } = await open(t, { userToUser: true });
  t.equal((await stage.call({ media: 'none', payload: 'order-7 "ü"' }, 50)).status, 200);
  t.match(data(invites[0]?.invite), { wacid: invites[0]?.invite.get('x-wa-wacid'), payload: /^order-7 "/ });
  t.equal((await stage.call({ media: 'none', payload: 'x'.repeat(500) }, 50)).status, 200);
  t.same(Object.keys(data(invites[1]?.invite) as object), ['wacid'], 'a long payload would make the message too long');
  t.equal(invites[1]?.invite.get('x-wa-cta-payload')?.length, 500);
});

t.test('where the call has been: who did not take it and why, who has given it on', async (t) => {
  const { stage, pbx, invites } = await open(t, { historyInfo: true }, { 6001: 486 });
  const user = stage.user({ media: 'none' });
  t.equal(await user.place(), 200);
  const history = (): string[] => (invites.at(-1)?.invite.get('history-info') ?? '').split(', ');
  const called = `<sip:${number}@sbc.example.net>;index=1`;
  t.same((invites[0]?.invite.get('history-info') ?? '').split(', '), [called, '<sip:6001@127.0.0.1>;index=1.1;mp=1']);
  const [first, second, third] = history();
  t.equal(first, called);
  t.match(decodeURIComponent(second ?? ''), /^<sip:6001@127\.0\.0\.1\?Reason=SIP;cause=486;text="486 Busy Here">;index=1\.1;mp=1$/);
  t.equal(third, '<sip:6002@127.0.0.1>;index=1.2;mp=1');
  const rung = pbx.next('the INVITE to 6003', (message) => message.method === 'INVITE' && message.uri.includes('6003'));
  const referred = await pbx.ask(invites[1]!.invite, 'REFER', { headers: [['Refer-To', `<sip:6003@127.0.0.1:${pbx.port}>`]] });
  t.equal(referred.status, 202);
  await rung;
  t.match(history().map((entry) => decodeURIComponent(entry).replace(/\?.*>/, ' because>')), [called, '<sip:6001@127.0.0.1 because>;index=1.1;mp=1', '<sip:6002@127.0.0.1>;index=1.2;mp=1', '<sip:6003@127.0.0.1>;index=1.3;mp=1']);
  await user.hangUp();
});

t.test('a peer that has not asked is told neither', async (t) => {
  const { stage, invites } = await open(t, {});
  t.equal((await stage.call({ media: 'none', payload: 'order-7' }, 50)).status, 200);
  t.notOk(invites[0]?.invite.has('user-to-user'));
  t.notOk(invites[0]?.invite.has('history-info'));
});

// Offers and answers in a peer's dialog, one at a time (RFC 3261 §14, RFC 3311 §5.2, RFC 6337): what is answered when, and what a refusal leaves.
import t, { type Test } from 'tap';
import { pino } from 'pino';
import { Negotiation } from '../../../lib/call/peer/negotiation.js';
import { SessionTimer } from '../../../lib/call/peer/sessionTimer.js';
import { FakeLeg, PEER_SDP } from '../../fakes/media.js';
import { FakeDialog, FakeRequest, FakeResponse } from '../../fakes/sip.js';

const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });

function stage(t: Test) {
  const dialog = new FakeDialog();
  const leg = new FakeLeg();
  const told: string[] = [];
  const negotiation = new Negotiation(dialog, leg, new SessionTimer(), pino({ level: 'silent' }), {
    described: () => { told.push('described'); },
    broken: (why) => { told.push(`broken: ${why}`); },
  });
  const ask = async (method: string, body: string, headers: Record<string, string> = {}): Promise<FakeResponse> => {
    const response = new FakeResponse();
    await negotiation.take(new FakeRequest(method, headers, body), response);
    return response;
  };
  t.teardown(() => dialog.removeAllListeners());
  return { dialog, leg, told, negotiation, ask };
}

t.test('an offer is answered, in an INVITE and in an UPDATE', async (t) => {
  for (const method of ['INVITE', 'UPDATE']) {
    const { ask, told, dialog } = stage(t);
    const { final } = await ask(method, PEER_SDP);
    t.match(final, { status: 200, headers: { 'content-type': 'application/sdp' }, body: /m=audio/ });
    t.equal(dialog.local.sdp, final.body);
    t.same(told, ['described']);
  }
});

t.test('an UPDATE without an offer refreshes, and is answered without one', async (t) => {
  const { ask, told } = stage(t);
  const { final } = await ask('UPDATE', '', { Supported: 'timer', 'Session-Expires': '1800' });
  t.match(final, { status: 200, headers: { 'session-expires': '1800;refresher=uac' }, body: '' });
  t.same(told, []);
});

t.test('an interval that is too small is refused before anything is changed', async (t) => {
  const { ask, leg } = stage(t);
  t.match((await ask('INVITE', PEER_SDP, { Supported: 'timer', 'Session-Expires': '10' })).final, { status: 422, headers: { 'min-se': '90' } });
  t.equal(leg.flow, null);
});

t.test('an offer that cannot be used is refused; the timer is as it was', async (t) => {
  const { ask, told } = stage(t);
  t.equal((await ask('INVITE', 'v=0\r\n', { Supported: 'timer', 'Session-Expires': '1800;refresher=uas' })).final.status, 488);
  t.notOk('session-expires' in (await ask('UPDATE', '')).final.headers, 'nothing of what the refused one asked for');
  t.same(told, []);
});

t.test('a second offer while the first is being answered gets 500 and when to ask again', async (t) => {
  const { leg, negotiation } = stage(t);
  let release: (sdp: string) => void = () => undefined;
  leg.answer = () => new Promise((resolve) => { release = resolve; });
  const [first, second] = [new FakeResponse(), new FakeResponse()];
  const course = negotiation.take(new FakeRequest('INVITE', {}, PEER_SDP), first);
  await negotiation.take(new FakeRequest('UPDATE', {}, PEER_SDP), second);
  t.equal(second.final.status, 500);
  const after = Number(second.final.headers['retry-after']);
  t.ok(after >= 0 && after <= 10, `Retry-After ${after}`);
  release(PEER_SDP);
  await course;
  t.equal(first.final.status, 200);
});

t.test('an INVITE without an offer gets ours; its ACK answers; meanwhile other offers get 491', async (t) => {
  const { ask, dialog, leg, told } = stage(t);
  t.match((await ask('INVITE', '', { CSeq: '7 INVITE' })).final, { status: 200, body: /m=audio/ });
  t.equal((await ask('INVITE', PEER_SDP)).final.status, 491);
  t.equal((await ask('UPDATE', PEER_SDP)).final.status, 491);
  t.equal((await ask('UPDATE', '')).final.status, 200, 'a mere refresh is no offer');
  dialog.emit('ack', new FakeRequest('ACK', { CSeq: '6 ACK' }, PEER_SDP));
  t.equal((await ask('INVITE', PEER_SDP)).final.status, 491, 'the ACK of another INVITE answers nothing');
  dialog.emit('ack', new FakeRequest('ACK', { CSeq: '7 ACK' }, PEER_SDP.replace('a=sendrecv', 'a=sendonly')));
  await turn();
  t.same(told, ['described']);
  t.same(leg.flow, { listens: false, sends: true });
  t.equal((await ask('INVITE', PEER_SDP)).final.status, 200);
});

t.test('an ACK that does not answer our first offer leaves no session; a later one leaves the one that stands', async (t) => {
  for (const [body, what] of [['', 'nothing'], ['v=0\r\n', 'what cannot be used']] as const) {
    const fresh = stage(t);
    fresh.negotiation.offered(new FakeRequest('INVITE'));
    fresh.dialog.emit('ack', new FakeRequest('ACK', {}, body));
    await turn();
    t.match(fresh.told, [/^broken: /], `${what} at first`);

    const standing = stage(t);
    await standing.ask('INVITE', PEER_SDP);
    await standing.ask('INVITE', '', { CSeq: '9 INVITE' });
    standing.dialog.emit('ack', new FakeRequest('ACK', { CSeq: '9 ACK' }, body));
    await turn();
    t.same(standing.told, ['described'], `${what} later`);
  }
});

t.test('a BYE that overtakes: 487', async (t) => {
  const { dialog, leg, ask } = stage(t);
  leg.answer = () => { dialog.connected = false; return Promise.resolve(PEER_SDP); };
  t.equal((await ask('INVITE', PEER_SDP)).final.status, 487);
  leg.answer = () => Promise.reject(new Error('the leg was closed'));
  t.equal((await ask('INVITE', PEER_SDP)).final.status, 487, 'nor is it called the offer\'s fault');
});

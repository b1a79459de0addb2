import t from 'tap';
import { openStage, pause } from './harness.js';

t.test('CANCEL while ringing: 487, the peer is cancelled, one CDR', async (t) => {
  const stage = await openStage({ peers: { pbx: { answer: 'ring' } } });
  t.teardown(() => stage.close());
  const user = stage.user();
  const gone = new Promise((resolve) => stage.peers.pbx!.once('ended', resolve));
  user.once('ringing', () => user.cancel());
  t.equal(await user.place(), 487);
  await gone;
  t.equal(stage.peers.pbx!.reports.at(-1)!.endedBy, 'far');
  const [cdr] = await stage.running.records(1);
  t.match(cdr!.termination, { by: 'user', reason: 'cancelled', status: 487 });
  t.same(user.report().violations, []);
});

t.test('CANCEL before the peer answers anything: nothing is left ringing', async (t) => {
  const stage = await openStage({ peers: { pbx: { answer: 'slow=1,ring' } } });
  t.teardown(() => stage.close());
  const user = stage.user();
  const placing = user.place();
  const incoming = stage.peers.pbx!.nextCall();
  void incoming.then(() => user.cancel());
  t.equal(await placing, 487);
  const call = await incoming;
  await new Promise<void>((resolve) => (call.report().endedBy === 'nobody' ? call.once('ended', () => resolve()) : resolve()));
  t.equal(call.report().endedBy, 'far', 'the CANCEL followed once the peer had answered something (RFC 3261 §9.1)');
  const [cdr] = await stage.running.records(1);
  t.match(cdr!.termination, { by: 'user', reason: 'cancelled' });
});

t.test('CANCEL racing the 200, at every delay: both sides end, no call is left', async (t) => {
  const stage = await openStage({ peers: { pbx: { answer: 'delay=0.03' } } });
  t.teardown(() => stage.close());
  const rounds = 25;
  let cancelled = 0;
  for (let round = 0; round < rounds; round++) {
    const user = stage.user();
    const placing = user.place();
    user.once('ringing', () => setTimeout(() => user.cancel(), round * 2));
    const status = await placing;
    t.ok(status === 487 || status === 200, `round ${round}: ${status}`);
    if (status === 487) cancelled++;
    await pause(20);
    await user.hangUp();
    user.close();
  }
  await stage.running.records(rounds);
  // BYE of the peers that answered too late.
  for (let left = 100; left > 0 && stage.peers.pbx!.liveCalls.length > 0; left--) await pause(20);
  t.equal(stage.running.service.table.size, 0, 'no call is left');
  t.equal(stage.peers.pbx!.liveCalls.length, 0, 'the peer has none either');
  t.comment(`${cancelled} of ${rounds} were cancelled in time`);
});

t.test("a 200 that Meta never acknowledges: given up after 64*T1, the peer's call ended", { timeout: 60_000 }, async (t) => {
  const stage = await openStage();
  t.teardown(() => stage.close());
  const user = stage.user({ ack: 'never' });
  const gone = new Promise((resolve) => stage.peers.pbx!.once('ended', resolve));
  const started = Date.now();
  t.equal(await user.place(), 200);
  await gone;
  const seconds = (Date.now() - started) / 1000;
  t.ok(seconds > 25 && seconds < 40, `${seconds} s`);
  const [cdr] = await stage.running.records(1);
  t.match(cdr!.termination, { by: 'us', reason: 'noAck' });
});

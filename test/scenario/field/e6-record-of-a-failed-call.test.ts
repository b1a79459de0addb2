import t from 'tap';
import { number } from '../../helpers/service.js';
import { openStage, pause } from '../harness.js';

const media = 'none' as const;
const health = { interval: 0 };

t.test('E6: every target that was tried stands in the record, with what became of it', async (t) => {
  const stage = await openStage({
    peers: {
      one: { media, answer: 'delay=0.5,unavailable', config: { health } }, two: { media, answer: 'notfound', config: { health } }, three: { media, answer: 'delay=0.3,busy', config: { health } },
      four: { media, config: { health } },
    },
    overlay: { routes: [{ name: 'main', number, stopOn: ['busy'], to: [{ peer: 'one', user: '6001' }, { peer: 'two', user: '7002' }, { peer: 'two', user: '6002' }, { peer: 'three', user: '6003' }, { peer: 'four', user: '6004' }] }], peers: { two: { users: ['6[0-9]{3}', '7002'] } } },
  });
  t.teardown(() => stage.close());
  t.equal((await stage.call({ media: 'none' })).status, 486);
  const [cdr] = await stage.running.records(1);
  t.match(cdr, { peer: 'three', target: '6003', rule: /.+/, setupMs: Number, durationMs: null, callIds: { meta: /.+/, peer: /.+/ }, termination: { by: 'peer', reason: 'busy', status: 486 } });
  t.ok(cdr!.setupMs! >= 800);
  t.match(cdr!.tries, [
    { peer: 'one', user: '6001', status: 480, reason: 'noAnswer', text: /^480/, callId: /.+/ }, { peer: 'two', user: '7002', status: 404, reason: 'refused', ringSeconds: null },
    { peer: 'two', user: '6002', status: 404 }, { peer: 'three', user: '6003', status: 486, reason: 'busy', callId: cdr!.callIds.peer },
  ]);
  t.equal(cdr!.tries.length, 4);
  t.ok((cdr!.tries[0]?.ringSeconds ?? 0) >= 0.4 && (cdr!.tries[0]?.ringSeconds ?? 9) < 2, String(cdr!.tries[0]?.ringSeconds));
});

t.test('E6: a call that was cancelled while it rang, one that was redirected, one whose ring time-out passed', async (t) => {
  let port = 0;
  const stage = await openStage({
    peers: { pbx: { media, answer: (user: string) => (user === '6001' ? 'ring' : user === '6002' ? `redirect=sip:6003@127.0.0.1:${port}` : 'decline'), config: { health } } },
    overlay: {
      routes: [
        { name: 'rings', number, payload: '^ring', to: [{ peer: 'pbx', user: '6001' }], ringTimeout: 20 }, { name: 'late', number, payload: '^late', to: [{ peer: 'pbx', user: '6001' }], ringTimeout: 1 },
        { name: 'main', number, to: [{ peer: 'pbx', user: '6002' }] },
      ],
    },
  });
  t.teardown(() => stage.close());
  port = stage.peers.pbx!.port;
  const user = stage.user({ media: 'none', payload: 'ring' });
  const status = user.place();
  await new Promise<void>((resolve) => { user.once('ringing', () => resolve()); });
  await pause(300);
  await user.cancel();
  t.equal(await status, 487);
  const [cancelled] = await stage.running.records(1);
  t.match(cancelled, { peer: 'pbx', target: '6001', termination: { by: 'user', reason: 'cancelled' }, tries: [{ peer: 'pbx', user: '6001', status: 487, reason: 'cancelled', ringSeconds: Number }] });

  await stage.call({ media: 'none', payload: 'late' });
  const late = (await stage.running.records(2)).at(-1);
  t.match(late, { target: '6001', tries: [{ status: 480, reason: 'noAnswer', ringSeconds: Number }] });
  t.ok((late!.tries[0]?.ringSeconds ?? 0) >= 0.7);

  await stage.call({ media: 'none' });
  const redirected = (await stage.running.records(3)).at(-1);
  t.match(redirected!.tries[0], { user: '6002', status: 302, reason: 'redirected' });
  t.match(redirected!.tries[1], { user: '6003', status: 603, reason: 'declined' });
});

t.test('E6: an answered call names whom it was offered to before, and L8: a record does not grow without end', async (t) => {
  const stage = await openStage({
    peers: { first: { media, answer: 'error', config: { health } }, second: { media, config: { health } } },
    overlay: { routes: [{ name: 'main', number, to: [{ peer: 'first', user: '6001' }, { peer: 'second', user: '6001' }] }] },
  });
  t.teardown(() => stage.close());
  const user = stage.user({ media: 'none' });
  t.equal(await user.place(), 200);
  const call = stage.peers.second!.lastCall!;
  const statuses: number[] = [];
  for (let i = 0; i < 70; i += 1) statuses.push(await call.refer('sip:+15551234567@pbx.example'));
  t.ok(statuses.every((one) => one >= 400), 'each is refused');
  await user.hangUp();
  const [cdr] = await stage.running.records(1);
  t.match(cdr!.tries, [{ peer: 'first', status: 500, reason: 'unreachable' }, { peer: 'second', status: 200, reason: 'answered' }]);
  t.equal(cdr!.transfers.length, 64);
  t.equal(stage.running.log.filter((line) => line.includes('more than 64 transfers')).length, 1, 'said once');
});

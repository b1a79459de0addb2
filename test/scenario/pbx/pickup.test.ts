import t from 'tap';
import { number } from '../../helpers/service.js';
import { openStage } from '../harness.js';
import { assertQuietLeg, hears, recordOf, tonesOf, until } from './steps.js';

const users: Record<string, string> = { '6001': 'silence', '6002': 'ring' };
const stage = await openStage({
  peers: {
    pbx: { answer: (user: string) => users[user] ?? 'tone', tones: tonesOf.pbx, expect: tonesOf.user },
    // Its own address by which it calls in; the first peer lets its calls go there.
    branch: { listen: 'udp:127.0.1.1:0', answer: 'tone', tones: tonesOf.pbx },
  },
  overlay: {
    peers: { pbx: { mayTransferTo: [] }, branch: { sources: ['127.0.1.1/32'] } },
    routes: [
      { name: 'ringing', number, payload: '^ring', to: [{ peer: 'pbx', user: '6002' }], ringTimeout: 20 },
      { name: 'main', number, to: [{ peer: 'pbx', user: '6001' }] },
    ],
  },
});
t.teardown(() => stage.close());
const pbx = stage.peers.pbx!;
const here = `sip:pickup@127.0.0.1:${stage.running.udp.port}`;
const replaces = ({ callId, local, remote }: { callId: string; local: string; remote: string }, more = ''): Record<string, string> =>
  ({ Replaces: `${callId};to-tag=${remote};from-tag=${local}${more}` });
const as = (user: string): { from: string } => ({ from: `<sip:${user}@pbx.example>` });

t.test('a colleague picks up a call that somebody talks on', async (t) => {
  const user = stage.user({ expect: tonesOf.pbx });
  t.equal(await user.place(), 200);
  const first = pbx.lastCall!;
  await hears(first, 'tone');
  const second = await pbx.call(here, { ...as('6005'), headers: replaces(first.ids()) });
  t.equal(await second.final, 200);
  await hears(user, 'tone');
  await hears(second, 'tone');
  await until(() => first.ended, 'the first gets a BYE');
  t.match(first.report().endReason, /SIP;cause=200/);
  // And from there on to a third, whose offer comes in our 200.
  const third = await pbx.call(here, { ...as('6006'), headers: replaces(second.ids()), delayedOffer: true });
  t.equal(await third.final, 200);
  await hears(third, 'tone');
  await until(() => second.ended, 'the second gets a BYE');
  await hears(user, 'tone');
  await third.bye();
  const cdr = await recordOf(stage, user);
  t.match(cdr, { target: '6006', termination: { by: 'peer', reason: 'hangup' }, transfers: [{ kind: 'pickup', to: '6005@pbx', status: 200 }, { to: '6006@pbx' }] });
  await until(() => user.ended, 'Meta gets the BYE');
  assertQuietLeg(t, user.report());
});

t.test('a colleague picks up a call that rings: the ringing one is cancelled as completed elsewhere', async (t) => {
  const user = stage.user({ expect: tonesOf.pbx, payload: 'ring' });
  const status = user.place();
  const ringing = await pbx.nextCall();
  await new Promise<void>((resolve) => user.once('ringing', () => resolve()));
  const { message } = ringing.report();
  const theirTag = /\r\nFrom:[^\r]*;tag=([^;\r]+)/i.exec(message)![1]!;
  const second = await pbx.call(here, { ...as('6005'), headers: replaces({ callId: ringing.callId, local: ringing.tag, remote: theirTag }, ';early-only') });
  t.equal(await second.final, 200);
  t.equal(await status, 200, 'Meta is answered');
  await hears(user, 'tone');
  await hears(second, 'tone');
  t.match(ringing.report(), { endedBy: 'far', endReason: /SIP;cause=200/ });
  await user.hangUp();
  t.match(await recordOf(stage, user), { target: '6005', route: 'ringing', transfers: [{ kind: 'pickup', status: 200 }] });
  assertQuietLeg(t, user.report());
});

t.test('what cannot be picked up', async (t) => {
  const user = stage.user({ expect: tonesOf.pbx });
  t.equal(await user.place(), 200);
  const call = pbx.lastCall!;
  const ids = call.ids();
  const tries: [string, number, Record<string, string>, string][] = [
    ['no such tag', 481, replaces({ ...ids, remote: 'other' }), '6005'], ['no such call', 481, replaces({ ...ids, callId: 'nobody@nowhere' }), '6005'],
    ['answered, and only early was meant', 486, replaces(ids, ';early-only'), '6005'], ['malformed', 400, { Replaces: 'only-a-call-id' }, '6005'],
    ['twice', 400, { Replaces: `${replaces(ids)['Replaces']}, ${replaces(ids)['Replaces']}` }, '6005'],
    ['nobody on-net', 403, replaces(ids), 'mallory'], ['a telephone number', 403, replaces(ids), '+447700900555'],
  ];
  for (const [what, status, headers, from] of tries) t.equal(await (await pbx.call(here, { ...as(from), headers })).final, status, what);
  const stranger = await stage.peers.branch!.call(here, { ...as('6005'), headers: replaces(ids) });
  t.equal(await stranger.final, 403, 'another peer, to whom no calls may go');
  t.notOk(call.ended);
  await user.hangUp();
  assertQuietLeg(t, user.report());
});

import t from 'tap';
import { follow, Peer, reply, request, start } from './harness.js';

const SDP = 'v=0\r\n';

async function scene(t: Parameters<typeof start>[0]) {
  const { srf, port, server } = await start(t);
  const caller = await Peer.on(t, ['udp:127.0.0.1:0']);
  const flow = caller.udp(port('udp'));
  const one = await Peer.on(t, ['udp:127.0.0.1:0']);
  const two = await Peer.on(t, ['udp:127.0.0.1:0']);
  const uri = (p: Peer): string => `sip:bob@127.0.0.1:${p.port('udp')}`;
  const invite = (lines: Record<string, string> = {}) => request('INVITE', `sip:bob@127.0.0.1:${port('udp')}`, flow, lines, SDP);
  return { srf, server, caller, flow, one, two, uri, invite };
}

t.test('record-routed: the call goes through us from INVITE to BYE', async (t) => {
  const { srf, server, caller, flow, one, uri, invite } = await scene(t);
  const results = new Promise<{ connected: boolean; responses: { msgs: { status: number }[] }[] }>((resolve, reject) => {
    srf.invite((req) => { req.proxy({ destination: uri(one), remainInDialog: true, headers: { 'X-Added': 'yes' } }).then(resolve, reject); });
  });
  const first = invite({ 'Max-Forwards': '9' });
  flow.send(first.toString());
  const onward = await one.next('INVITE');
  t.equal(onward.message.uri, uri(one), 'our own address as Request-URI gives way to the destination');
  t.equal(onward.message.get('max-forwards'), '8');
  t.equal(onward.message.get('x-added'), 'yes');
  t.equal(onward.message.lines('via').length, 2);
  t.match(onward.message.get('record-route'), /;lr;px=/);
  reply(onward, 180, 'bob');
  t.equal((await caller.next(180)).message.lines('via').length, 1, 'our Via is taken off');
  reply(onward, 200, 'bob', { Contact: `<${uri(one)}>` }, SDP);
  const ok = (await caller.next(200)).message;
  t.match(await results, { connected: true });
  flow.send(follow('ACK', first, ok).toString());
  const ack = (await one.next('ACK')).message;
  t.notOk(ack.has('route'), 'our Route is taken off');
  t.equal(ack.uri, uri(one));
  flow.send(follow('BYE', first, ok, 2).toString());
  reply(await one.next('BYE'), 200, undefined);
  t.equal((await caller.next(200)).message.get('cseq'), '2 BYE');
  const abuse = follow('MESSAGE', first, ok, 3).set('Call-ID', 'another');
  flow.send(abuse.toString());
  await caller.next(503);
  t.notOk(one.seen.some((r) => r.message.method === 'MESSAGE'), 'nobody else is relayed');
  t.equal(server.stats().proxied, 0);
});

t.test('in turn: the next target after a refusal; the best refusal goes back', async (t) => {
  const { srf, caller, flow, one, two, uri, invite } = await scene(t);
  const results = new Promise<{ finalStatus: number }>((resolve, reject) => {
    srf.invite((req) => { req.proxy({ destination: [uri(one), uri(two)] }).then(resolve, reject); });
  });
  const first = invite();
  flow.send(first.toString());
  const toOne = await one.next('INVITE');
  t.equal(two.seen.length, 0, 'one at a time');
  reply(toOne, 486, 'a');
  await one.next('ACK');
  reply(await two.next('INVITE'), 500, 'b');
  const refused = (await caller.next(486)).message;
  t.match(refused.get('to'), ';tag=a');
  flow.send(follow('ACK', first, refused).toString());
  await results;
});

t.test('at once: the first to accept wins, the others are cancelled', async (t) => {
  const { srf, caller, flow, one, two, uri, invite } = await scene(t);
  srf.invite((req) => { void req.proxy({ destination: [uri(one), uri(two)], forking: 'simultaneous' }); });
  flow.send(invite().toString());
  const [toOne, toTwo] = await Promise.all([one.next('INVITE'), two.next('INVITE')]);
  reply(toOne, 180, 'a');
  reply(toTwo, 180, 'b');
  await caller.next(180);
  reply(toTwo, 200, 'b', { Contact: `<${uri(two)}>` }, SDP);
  t.match((await caller.next(200)).message.get('to'), ';tag=b');
  reply(await one.next('CANCEL'), 200, 'a');
  reply(toOne, 487, 'a');
  await one.next('ACK');
  t.notOk(caller.seen.some((r) => r.message.status === 487), 'the cancelled fork is not heard of');
});

t.test('the caller cancels', async (t) => {
  const { srf, caller, flow, one, uri, invite } = await scene(t);
  srf.invite((req) => { void req.proxy({ destination: uri(one) }); });
  const first = invite();
  flow.send(first.toString());
  const onward = await one.next('INVITE');
  reply(onward, 180, 'a');
  const ringing = await caller.next(180);
  flow.send(follow('CANCEL', first, ringing.message).toString());
  t.equal((await caller.next(200)).message.get('cseq'), '1 CANCEL');
  reply(await one.next('CANCEL'), 200, 'a');
  reply(onward, 487, 'a');
  await caller.next(487);
});

t.test('redirections followed, provisional time-out, too many hops, unknown transaction', async (t) => {
  const { srf, caller, flow, one, two, uri, invite } = await scene(t);
  let options: object = { destination: uri(one), followRedirects: true };
  const outcomes: unknown[] = [];
  let told: () => void = () => { /* set below */ };
  srf.invite((req) => { req.proxy(options).then((r) => { outcomes.push(r); told(); }, (e: unknown) => { outcomes.push(e); told(); }); });

  flow.send(invite().toString());
  reply(await one.next('INVITE'), 302, 'a', { Contact: `<${uri(two)}>` });
  reply(await two.next('INVITE'), 200, 'b', { Contact: `<${uri(two)}>` }, SDP);
  await caller.next(200);

  options = { destination: [uri(one), uri(two)], provisionalTimeout: '100ms' };
  flow.send(invite().toString());
  await one.next('INVITE');
  reply(await two.next('INVITE'), 486, 'b');
  await caller.next(486);

  const failed = new Promise<void>((resolve) => { told = resolve; });
  outcomes.length = 0;
  flow.send(invite({ 'Max-Forwards': '0' }).toString());
  await caller.next(483);
  await failed;
  t.match(outcomes[0], 'Rejected with 483 Too Many Hops');
});

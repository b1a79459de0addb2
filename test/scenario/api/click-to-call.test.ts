// POST /v1/calls: a user of a peer and a WhatsApp user are rung one after the other and joined; and each way in which that does not come about.
import t from 'tap';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { PeerOptions } from '../../../lib/simulator/index.js';
import { ApiClient, apiKeys, tokens, type Listener } from '../../helpers/apiClient.js';
import { RawPeer, sdp } from '../../helpers/rawPeer.js';
import { number, type Overlay } from '../../helpers/service.js';
import { openStage, pause, type Stage } from '../harness.js';
import { hears } from '../pbx/steps.js';
import { graphServer, permissions } from '../graph/graphServer.js';

const user = '+447700900101';
const other = '+447700900009';
const order = { number, user, peer: 'pbx', peerUser: '6001', reference: 'ticket-4711' };

interface Scene { readonly stage: Stage; readonly all: ApiClient; readonly reader: ApiClient; readonly events: Listener }

async function scene(t: { teardown(action: () => unknown): void }, answer: PeerOptions['answer'], more: Overlay = {}, peer: Overlay = {}): Promise<Scene> {
  const stage = await openStage({ peers: { pbx: { answer, config: { mayCall: [number], ...peer } } }, overlay: { api: apiKeys, ...more } });
  t.teardown(() => stage.close());
  const all = new ApiClient(stage.running.service.api, tokens.all);
  const events = await all.events();
  t.teardown(() => events.close());
  return { stage, all, reader: new ApiClient(stage.running.service.api, tokens.reader), events };
}

const shown = ({ told }: Listener): string[] => told.map(({ type, data }) => `${type}${data.leg === undefined ? '' : ` ${String(data.leg)}`}`);

for (const [first, keying, course] of [
  ['peer', 'sdes', ['call.created', 'call.ringing peer', 'call.answered peer', 'call.ringing meta', 'call.answered meta', 'call.ended']],
  ['user', 'dtls', ['call.created', 'call.ringing meta', 'call.answered meta', 'call.ringing peer', 'call.answered peer', 'call.ended']],
] as const) {
  t.test(`${first} first, ${keying}: rung in turn, joined, audio both ways; who is there first hears ringing`, async (t) => {
    const { stage, all, reader, events } = await scene(t, 'tone,delay=0.3', { numbers: { [number]: { keying } } });
    const meta = await stage.answerAsMeta({ behaviour: 'tone,ring=0.4', keying });
    const placed = await all.post('/v1/calls', { ...order, first });
    t.equal(placed.status, 201);
    const { id } = placed.body;
    t.equal(placed.headers.get('location'), `/v1/calls/${id}`);
    await events.when(({ type, data }) => type === 'call.answered' && data.leg === (first === 'peer' ? 'meta' : 'peer'), 'the second answer');
    t.match((await reader.get(`/v1/calls/${id}`)).body, {
      direction: 'business-initiated', state: 'answered', number, user: '+4477******01', reference: 'ticket-4711', peer: 'pbx', peerUser: '6001', legs: [{ leg: 'meta' }, { leg: 'peer', peer: 'pbx', peerUser: '6001' }],
    });
    await pause(2000);
    const [agent] = stage.peers.pbx!.liveCalls;
    await agent!.bye();
    const ended = await events.when(({ type }) => type === 'call.ended');
    t.match(ended.data, { by: 'peer', reason: 'hangup', status: 200, reference: 'ticket-4711', user, number });
    t.same(shown(events), course);
    t.ok(events.told.every(({ call, data }) => call === id && data.reference === 'ticket-4711'));
    const [cdr] = await stage.running.records(1);
    t.match(cdr, { id, direction: 'business-initiated', number, user: '+4477******01', peer: 'pbx', target: '6001', reference: 'ticket-4711', termination: { by: 'peer', reason: 'hangup' }, tries: [{ peer: 'pbx', user: '6001', status: 200 }] });
    const [report] = meta.reports;
    t.same(report!.violations, [], 'nothing that Meta forbids');
    t.ok(report!.audio!.toneHeard, 'the user heard the agent');
    const heard = stage.peers.pbx!.reports[0]!;
    t.ok(heard.toneHeard, 'the agent heard the user');
    t.same(heard.faults, []);
    t.match(heard.message, /\r\nX-WA-Number: \+447700900001\r\n/);
    t.match(heard.from, `sip:${user}@`);
    t.equal(stage.running.service.table.onPeer('pbx'), 0, 'no place is kept');
  });
}

for (const [what, answer, behaviour, first, ending, atMeta] of [
  ['the agent does not pick up', 'status=480', 'tone', 'peer', { by: 'peer', reason: 'noAnswer' }, 0],
  ['the agent is busy', 'status=486', 'tone', 'peer', { by: 'peer', reason: 'busy' }, 0],
  ['the user declines', 'tone', 'declined', 'peer', { by: 'meta', reason: 'declined' }, 1],
  ['the user has not permitted calls, as Meta says', 'tone', 'noPermission', 'peer', { by: 'meta', reason: 'noPermission' }, 1],
  ['the user does not answer', 'tone', 'ring', 'peer', { by: 'us', reason: 'ringTimeout' }, 1],
  ['the user declines, first', 'tone', 'declined', 'user', { by: 'meta', reason: 'declined' }, 1],
  ['the user is there, the agent is busy', 'status=486', 'tone', 'user', { by: 'peer', reason: 'busy' }, 1],
  ['the user is there, the agent refuses', 'status=603', 'tone', 'user', { by: 'peer', reason: 'declined' }, 1],
] as const) {
  t.test(`${what}: both legs end, told by event and record`, async (t) => {
    const { stage, all, events } = await scene(t, answer, { meta: { ringTimeout: 5 } });
    const meta = await stage.answerAsMeta({ behaviour });
    const { status, body } = await all.post('/v1/calls', { ...order, first });
    t.equal(status, 201);
    t.match((await events.when(({ type, call }) => type === 'call.ended' && call === body.id)).data, ending);
    t.match((await stage.running.records(1))[0], { id: body.id, termination: ending, reference: 'ticket-4711' });
    t.equal(meta.reports.length + meta.attempts.filter(({ status: of }) => of !== 407).length > 0, atMeta > 0, 'what Meta heard of it');
    while (stage.peers.pbx!.liveCalls.length + meta.liveCalls.length + stage.running.service.table.size > 0) await pause(20);
    t.same(meta.reports.flatMap(({ violations }) => violations), []);
    t.match((await all.get(`/v1/calls/${body.id}`)).body, { state: 'ended', termination: ending });
    t.same([stage.running.service.table.onPeer('pbx'), stage.running.service.table.onNumber(number), stage.running.service.table.onPair(number, user)], [0, 0, 0], 'no place is kept');
  });
}

t.test('the agent gives up while the user rings: CANCEL to Meta', async (t) => {
  const { stage, all, events } = await scene(t, 'tone,hangup=0.5');
  const meta = await stage.answerAsMeta({ behaviour: 'ring' });
  const { body } = await all.post('/v1/calls', order);
  t.match((await events.when(({ type, call }) => type === 'call.ended' && call === body.id)).data, { by: 'peer', reason: 'cancelled' });
  while (meta.liveCalls.length > 0) await pause(20);
  t.match(meta.reports[0], { status: 487 });
  t.equal(shown(events).includes('call.answered meta'), false);
});

t.test('the user hangs up while the agent rings: CANCEL to the agent', async (t) => {
  const { stage, all, events } = await scene(t, 'ring');
  const meta = await stage.answerAsMeta({ behaviour: 'tone,hangup=0.7' });
  const { body } = await all.post('/v1/calls', { ...order, first: 'user' });
  t.match((await events.when(({ type, call }) => type === 'call.ended' && call === body.id)).data, { by: 'user', reason: 'hangup' });
  while (stage.peers.pbx!.liveCalls.length > 0) await pause(20);
  t.match(stage.peers.pbx!.reports[0], { status: 487 });
  t.same(meta.reports[0]!.violations, []);
  t.ok(meta.reports[0]!.audio!.packetsReceived > 20, 'they heard ringing');
});

t.test('DELETE at every stage ends both legs', async (t) => {
  const { stage, all, events } = await scene(t, 'tone,delay=0.2');
  const meta = await stage.answerAsMeta({ behaviour: 'tone,ring=0.2' });
  const rounds = 12;
  for (let round = 0; round < rounds; round += 1) {
    // A user each: a pair is free again only when Meta has let go of its call.
    const { status, body } = await all.post('/v1/calls', { ...order, user: `+4477009001${String(round + 10)}`, first: round % 2 === 0 ? 'peer' : 'user' });
    t.equal(status, 201);
    await pause(round * 50);
    t.equal((await all.ask('DELETE', `/v1/calls/${body.id}`)).status, 204);
    t.match((await events.when(({ type, call }) => type === 'call.ended' && call === body.id)).data, { by: 'us', reason: 'hangup' });
  }
  const records = await stage.running.records(rounds);
  t.equal(records.length, rounds);
  while (stage.peers.pbx!.liveCalls.length + meta.liveCalls.length + stage.running.service.table.size > 0) await pause(20);
  t.same(meta.reports.flatMap(({ violations }) => violations), []);
});

t.test('a call that is ending is known all the while: hung up twice is once, and no order to it is for a call that is unknown', async (t) => {
  const { stage, all, events } = await scene(t, 'tone');
  await stage.answerAsMeta({ behaviour: 'tone' });
  const { body } = await all.post('/v1/calls', order);
  await events.when(({ type, data }) => type === 'call.answered' && data.leg === 'meta');
  const path = `/v1/calls/${body.id}`;
  // All at once: none of them is answered when the next is judged.
  const [host = '', port = ''] = stage.running.service.api!.split(':');
  const socket = connect(Number(port), host);
  t.teardown(() => socket.destroy());
  socket.write([`DELETE ${path}`, `GET ${path}`, `POST ${path}/hold`, `DELETE ${path}`].map((line) => `${line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokens.all}\r\n\r\n`).join(''));
  let text = '';
  while ((text.match(/HTTP\/1.1 /g) ?? []).length < 4) text += String((await once(socket, 'data'))[0]);
  t.same([...text.matchAll(/HTTP\/1.1 ([0-9]{3})/g)].map(([, status]) => status), ['204', '200', '409', '204']);
  await events.when(({ type }) => type === 'call.ended');
  t.match((await all.get(path)).body, { state: 'ended', termination: { by: 'us', reason: 'hangup', status: 200 } });
});

t.test('an order that is hung up while its permission is asked for was hung up, and rings nobody', async (t) => {
  const allowed = permissions('permanent');
  const server = await graphServer(t, () => (typeof allowed === 'object' ? { ...allowed, afterMs: 600 } : allowed));
  const { stage, all, events } = await scene(t, 'tone', { graph: { url: server.url, token: 'EAAtoken' }, numbers: { [number]: { id: '100000000000001', permission: 'check' } } });
  const placing = all.post('/v1/calls', order);
  const { call } = await events.when(({ type }) => type === 'call.created');
  t.equal((await all.ask('DELETE', `/v1/calls/${call}`)).status, 204);
  t.match(await placing.then(({ status, body }) => [status, body.error.code]), [409, 'call.over']);
  t.equal(stage.peers.pbx!.reports.length + stage.peers.pbx!.liveCalls.length, 0);
  t.equal(stage.running.service.table.onPair(number, user), 0);
});

t.test('what policy, limits and permission forbid is refused before anything rings, with the code that route shows', async (t) => {
  const server = await graphServer(t, () => permissions('no_permission'));
  const { stage, all, events } = await scene(t, 'tone', {
    graph: { url: server.url, token: 'EAAtoken' }, numbers: { [number]: { id: '100000000000001', permission: 'check' }, [other]: { password: 'n0t-a-secret' } },
    peers: { gateway: { uri: 'sip:127.0.0.1:9;transport=tcp', sources: ['127.0.9.1/32'], pstn: 'unknown', users: ['6[0-9]{3}'], health: { interval: 0 } } },
  });
  const meta = await stage.answerAsMeta();
  const refused = async (more: object): Promise<string> => {
    const { status, body } = await all.post('/v1/calls', { ...order, ...more });
    return `${status} ${body.error?.code ?? 'placed'}`;
  };
  t.equal(await refused({}), '403 permission.none');
  t.equal(await refused({ peerUser: '+447911123456' }), '403 target.number', 'a telephone number is no user of a peer');
  t.equal(await refused({ peerUser: '447911123456' }), '403 target.number');
  t.equal(await refused({ peerUser: '999' }), '403 target.number', 'nor is an emergency code');
  t.equal(await refused({ peerUser: 'support' }), '403 target.user');
  t.equal(await refused({ peer: 'gateway' }), '403 caller.pstn', 'nobody has vouched for that peer');
  t.equal(await refused({ number: other }), '403 caller.number', 'a number that the peer may not use');
  t.equal(await refused({ number: '+447700900008' }), '404 number.unknown');
  t.equal(await refused({ peer: 'nobody' }), '404 peer.unknown');
  t.equal(await refused({ user: other }), '403 callee.whatsapp');
  t.equal(await refused({ user: '+989121234567' }), '403 callee.sanctioned');
  for (const more of [{ peerUser: '6001;phone-context=+44' }, { peerUser: '6001@127.0.0.1:9' }, { peerUser: '6001\r\nX-Evil: 1' }, { peerUser: '6001?Route=x' }, { user: 'tel:+447700900101' }, { user: '+447700900101@evil.example' },
    { user: '447700900101' }, { reference: 'x\r\nX-Evil: 1' }, { reference: 'x'.repeat(129) }, { first: 'both' }, { record: 1 }]) t.equal(await refused(more), '400 request.invalid', JSON.stringify(more));
  t.equal(await refused({ record: true }), '409 recording.off', 'nothing is recorded by this configuration');
  t.equal(meta.attempts.length + meta.reports.length, 0, 'Meta has heard nothing');
  t.equal(stage.peers.pbx!.reports.length + stage.peers.pbx!.liveCalls.length, 0, 'nobody was rung');
  const last = await events.when(({ type, data }) => type === 'call.ended' && data.reason === 'callee.sanctioned');
  t.equal(last.data.by, 'policy');
  const records = await stage.running.records(9);
  t.same(records.map(({ termination: { reason } }) => reason).slice(0, 2), ['permission.none', 'target.number'], 'each that got as far as policy has its record');
});

t.test('a refusal loses nothing of what was asked: in the answer the id of the call, in its events and among the recent calls number, user and agent', async (t) => {
  const { all, reader, events } = await scene(t, 'tone', {}, { mayCall: [] });
  const { status, body } = await all.post('/v1/calls', order);
  t.match([status, body], [403, { error: { code: 'caller.noNumber', message: 'peer pbx may use no business number (mayCall)' } }]);
  const { call } = body.error;
  const { data } = await events.when(({ type, call: of }) => type === 'call.ended' && of === call);
  t.match(data, { number, user, peer: 'pbx', target: '6001', reference: 'ticket-4711', by: 'policy', reason: 'caller.noNumber' });
  t.match(events.told.find(({ type }) => type === 'call.created'), { call, data: { number, user, peer: 'pbx' } });
  t.match((await all.get('/v1/recent')).body.calls, [{ id: call, number, user, peer: 'pbx', peerUser: '6001' }]);
  t.match((await reader.get(`/v1/calls/${call}`)).body, { id: call, number, user: '+4477******01', peerUser: '6001' });
  t.match((await all.post('/v1/calls', { ...order, number: other })).body.error, { code: 'number.unknown', call: undefined }, 'what does not get so far has none');
});

t.test('one call for each pair; what a limit refuses counts nowhere; a full peer is busy', async (t) => {
  const { stage, all, events } = await scene(t, 'tone', { numbers: { [number]: { newCallsPerDay: 2 } } }, { maxConcurrentCalls: 1 });
  await stage.answerAsMeta({ behaviour: 'tone' });
  const first = await all.post('/v1/calls', order);
  t.equal(first.status, 201);
  await events.when(({ type, data }) => type === 'call.answered' && data.leg === 'meta');
  t.match(await all.post('/v1/calls', order).then(({ status, body }) => [status, body.error.code]), [409, 'limit.pair']);
  t.match(await all.post('/v1/calls', { ...order, user: '+447700900102' }).then(({ status, body }) => [status, body.error.code]), [503, 'limit.peer']);
  t.equal((await all.get('/v1/numbers')).body.numbers[0].newCalls.used, 1);
  await all.ask('DELETE', `/v1/calls/${first.body.id}`);
  while (stage.running.service.table.onPair(number, user) > 0) await pause(20);
  // An agent who is never there costs the number nothing.
  await stage.peers.pbx!.close();
  const { body } = await all.post('/v1/calls', order);
  await events.when(({ type, call }) => type === 'call.ended' && call === body.id);
  t.equal((await all.get('/v1/numbers')).body.numbers[0].newCalls.used, 1);
});

t.test('an Idempotency-Key gives one call, whoever asks how often; another body under it is refused; a refusal is no outcome', async (t) => {
  const { stage, all, reader, events } = await scene(t, 'tone');
  await stage.answerAsMeta({ behaviour: 'tone' });
  const headers = { 'idempotency-key': 'order-1' };
  const many = await Promise.all(Array.from({ length: 10 }, () => all.post('/v1/calls', order, headers)));
  t.same([...new Set(many.map(({ status, body }) => `${status} ${body.id}`))], [`201 ${many[0]!.body.id}`]);
  t.equal(stage.running.service.table.size, 1);
  t.match((await all.post('/v1/calls', { ...order, peerUser: '6002' }, headers)).body, { error: { code: 'key.reused' } });
  t.match((await all.post('/v1/calls', { ...order, reference: undefined }, headers)).status, 409);
  t.equal((await all.post('/v1/calls', order, { 'idempotency-key': 'a b' })).status, 400);
  t.equal((await reader.post('/v1/calls', order, headers)).status, 403);
  const fresh = { 'idempotency-key': 'order-2' };
  t.match((await all.post('/v1/calls', order, fresh)).body, { error: { code: 'limit.pair' } });
  await all.ask('DELETE', `/v1/calls/${many[0]!.body.id}`);
  await events.when(({ type }) => type === 'call.ended');
  while (stage.running.service.table.onPair(number, user) > 0) await pause(20);
  t.equal((await all.post('/v1/calls', order, fresh)).status, 201, 'the refusal was forgotten');
  t.equal((await all.post('/v1/calls', order, headers)).body.id, many[0]!.body.id, 'also when the call is over');
});

t.test('an agent who transfers before the user is there is refused; afterwards it works', async (t) => {
  const { stage, all, events } = await scene(t, 'tone');
  await stage.answerAsMeta({ behaviour: 'tone,ring=1' });
  const { body } = await all.post('/v1/calls', order);
  await events.when(({ type, data }) => type === 'call.answered' && data.leg === 'peer');
  const [agent] = stage.peers.pbx!.liveCalls;
  t.equal(await agent!.refer(`sip:6002@127.0.0.1:${stage.peers.pbx!.port}`), 603);
  t.match((await all.post(`/v1/calls/${body.id}/hold`)).body, { error: { code: 'call.notUp' } });
  await events.when(({ type, data }) => type === 'call.answered' && data.leg === 'meta');
  t.equal((await all.post(`/v1/calls/${body.id}/transfer`, { peer: 'pbx', user: '6002' })).status, 202);
  await events.when(({ type }) => type === 'call.transferred');
  t.match((await all.get(`/v1/calls/${body.id}`)).body, { peerUser: '6002', transfers: [{ kind: 'ordered', to: '6002@pbx', status: 200 }] });
});

for (const delayedOffer of [false, true]) {
  t.test(`a colleague picks the call up while the user still rings, ${delayedOffer ? 'and has our offer' : 'with an offer'}: they hear ringing, then the user`, async (t) => {
    const { stage, all, events } = await scene(t, 'silence', {}, { sources: ['127.0.0.1'] });
    await stage.answerAsMeta({ behaviour: 'tone,ring=2.5' });
    await all.post('/v1/calls', order);
    await events.when(({ type, data }) => type === 'call.answered' && data.leg === 'peer');
    const pbx = stage.peers.pbx!;
    const { callId, local, remote } = pbx.lastCall!.ids();
    const second = await pbx.call(`sip:pickup@127.0.0.1:${stage.running.udp.port}`, { from: '<sip:6005@pbx.example>', headers: { Replaces: `${callId};to-tag=${remote};from-tag=${local}` }, delayedOffer });
    t.equal(await second.final, 200);
    await hears(second, 'music', 15);
    await events.when(({ type, data }) => type === 'call.answered' && data.leg === 'meta');
    await hears(second, 'tone');
    const rang = second.report().media?.tone.other ?? 0;
    await pause(1500);
    t.ok((second.report().media?.tone.other ?? 0) - rang < 20, 'and no ringing any more');
    await second.bye();
    t.match((await stage.running.records(1))[0], { target: '6005', transfers: [{ kind: 'pickup', status: 200 }] });
  });
}

t.test('while the service stops, and waits for the last BYE, no order is taken', async (t) => {
  const pbx = await RawPeer.open();
  t.teardown(() => pbx.close());
  pbx.script((invite, peer) => peer.answer(invite, 200, { body: sdp() }));
  pbx.meets(({ method }) => method === 'BYE');
  const stage = await openStage({ external: { pbx: { port: pbx.port, mayCall: [number] } }, overlay: { api: apiKeys, meta: { mediaTimeout: 0 } } });
  t.teardown(() => stage.close());
  t.equal(await stage.user({ from: '+447700900109' }).place(), 200);
  const closing = stage.running.service.close();
  t.match(await new ApiClient(stage.running.service.api, tokens.all).post('/v1/calls', order).then(({ status, body }) => [status, body.error?.code]), [503, 'draining']);
  await closing;
});

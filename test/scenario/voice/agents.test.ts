// Whole calls with voice agents behind WebSockets, each dialect; what the user, the agent and the record saw of them.
import t from 'tap';
import { ApiClient, apiKeys, tokens } from '../../helpers/apiClient.js';
import { number } from '../../helpers/service.js';
import { startAgent, type AgentConversation, type SimulatedUser } from '../../../lib/simulator/index.js';
import { openStage, pause } from '../harness.js';
import { assertQuietLeg, hears, recordOf, until } from '../pbx/steps.js';

const [raw, twilio, jambonz, full, mute, listener] = await Promise.all([
  startAgent({ dialect: 'raw', tone: 1500 }), startAgent({ dialect: 'twilio', behaviour: 'echo' }), startAgent({ dialect: 'jambonz', tone: 1500, behaviour: 'tone' }),
  startAgent({ dialect: 'twilio', behaviour: 'refuse=503' }), startAgent({ dialect: 'twilio', behaviour: 'vanish' }),
  startAgent({ dialect: 'raw' }),
]);
const agent = { pstn: 'none', users: ['agent'], health: { interval: 0 } };
const to = (...peers: string[]): object[] => peers.map((peer) => ({ peer, user: peer === 'pbx' || peer === 'other' ? '6001' : 'agent' }));
const stage = await openStage({
  peers: { pbx: { answer: (user) => (user === '6009' ? 'ring' : 'tone'), tones: [1000, 1000], expect: [] }, other: { answer: 'tone' } },
  overlay: {
    api: apiKeys,
    peers: {
      raw: { ...agent, websocket: raw.url, dialect: 'raw', sampleRate: 16_000, mayTransferTo: ['pbx'], mayCall: [number], headers: { Authorization: 'Bearer agent-s3cret' } },
      twilio: { ...agent, websocket: twilio.url, dialect: 'twilio' }, jambonz: { ...agent, websocket: jambonz.url, dialect: 'jambonz', sampleRate: 24_000, auth: { username: 'us', password: 'pa55' } },
      full: { ...agent, websocket: full.url }, mute: { ...agent, websocket: mute.url },
    },
    routes: [
      { name: 'raw', number, payload: '^raw', to: to('raw'), tee: { websocket: full.url } }, { name: 'twilio', number, payload: '^twilio', to: to('twilio'), tee: { websocket: listener.url, dialect: 'raw' } },
      { name: 'hunt', number, payload: '^hunt', to: to('full', 'mute', 'jambonz'), ringTimeout: 1 }, { name: 'all', number, payload: '^all', to: [{ peer: 'pbx', user: '6009' }, ...to('raw')], strategy: 'ring-all' },
      { name: 'next', number, payload: '^next', to: to('raw', 'full', 'pbx') }, { name: 'out', number, payload: '^out', to: to('raw'), unanswered: { to: to('other') } },
      { name: 'nobody', number, payload: '^nobody', to: to('raw', 'full'), transferSound: 'ringback' },
      { name: 'main', number, to: to('full', 'pbx') },
    ],
  },
});
t.teardown(async () => {
  await stage.close();
  await Promise.all([raw, twilio, jambonz, full, mute, listener].map((one) => one.close()));
});
const api = new ApiClient(stage.running.service.api, tokens.all);

async function talk(server: typeof raw, payload: string, codecs: ('opus' | 'PCMU' | 'PCMA')[] = ['opus']): Promise<{ user: SimulatedUser; there: AgentConversation }> {
  const [coming, user] = [server.next(), stage.user({ payload, expect: [1500], codecs })];
  const status = await user.place();
  if (status !== 200) throw new Error(`the call got ${status}`);
  const there = await coming;
  await until(() => there.report().call !== undefined, 'the start');
  return { user, there };
}

const heardOf = (user: SimulatedUser): number => user.report().audio?.detail.tone.heard ?? 0;
const tonesOf = (there: AgentConversation): number[] => [...there.report().tone?.frequencies ?? []].sort((a, b) => a - b);

t.test('raw: the agent hears the user and is heard, marks are true, clear is at once, digits go both ways; transfers as policy has them', async (t) => {
  const { user, there } = await talk(raw, 'raw');
  t.match(there.report(), { sampleRate: 16_000, headers: { authorization: 'Bearer agent-s3cret', 'x-wa-number': number }, call: { number, user: '+447700900101', payload: 'raw', direction: 'user-initiated' } });
  await until(() => (there.report().tone?.heard ?? 0) > 20, 'the agent hears the tone');
  t.ok(tonesOf(there).every((hz) => hz === 600 || hz === 900), `it heard ${tonesOf(there).join()}`);

  // 600 ms are 30 frames: as the mark comes, they have left, and no more than the way to the user can be under way.
  const counts: Record<string, number> = {};
  there.on('mark', (name) => { counts[name] = heardOf(user); });
  there.speak(600);
  there.mark('said');
  await until(() => counts['said'] !== undefined, 'the mark');
  await hears(user, 'silence', 3);
  t.ok(Math.abs(heardOf(user) - 30) <= 1, `${heardOf(user)} frames of its tone were heard`);
  t.ok(Math.abs(heardOf(user) - (counts['said'] ?? 0)) <= 1, `${counts['said']} of them as the mark came`);

  const before = heardOf(user);
  there.speak(4000);
  there.mark('never');
  await until(() => heardOf(user) > before + 15, 'speech');
  there.clear();
  await until(() => counts['never'] !== undefined, 'the mark that was cleared');
  const atClear = counts['never'] ?? 0;
  await hears(user, 'silence', 10);
  t.ok(heardOf(user) - atClear <= 1, `${heardOf(user) - atClear} frames were heard after the clear`);
  t.match(there.report().marks, [{ name: 'said', cleared: false }, { name: 'never', cleared: true }]);

  await user.press('42');
  there.press('7#');
  await until(() => there.report().digits === '42' && user.report().audio?.digits === '7#', 'digits both ways');

  const call = stage.running.service.table.all()[0]!;
  const { frames } = there.report();
  t.match((await api.post(`/v1/calls/${call.id}/hold`)).status, 204);
  await hears(user, 'music', 20);
  await pause(100);
  t.ok(there.report().frames - frames < 60);
  t.match((await api.post(`/v1/calls/${call.id}/dtmf`, { digits: '9', side: 'peer' })).status, 204);
  t.match((await api.post(`/v1/calls/${call.id}/unhold`)).status, 204);
  there.speak(400);
  await hears(user, 'tone', 10);
  t.equal(there.report().digits, '429');

  for (const [peer, name] of [['other', '6001'], ['pbx', '+12025550123'], ['nobody', '1'], ['__proto__', '1'], ['raw', '6001']] as const) there.transfer(peer, name);
  await until(() => there.report().transfers.length === 5, 'five refusals');
  t.same(there.report().transfers, [403, 403, 404, 404, 403]);
  t.same(there.report().refusals.slice(2, 4), ['peer.unknown', 'peer.unknown']);
  t.ok(there.report().refusals.every((code) => /^[a-z]+\.[A-Za-z]+$/.test(code)) && there.report().refusals.length === 5, there.report().refusals.join());
  there.transfer('pbx', '6001');
  await until(() => there.report().stopped, 'the agent is let go');
  await hears(user, 'music', 20);
  t.same(there.report().transfers.slice(5), [100, 180, 200].filter((status) => there.report().transfers.includes(status)));
  t.match(there.report(), { ok: true, endedBy: 'far' });
  await user.hangUp();
  assertQuietLeg(t, user.report());
  t.ok(user.report().audio!.maxGapMs < 300 + user.report().pacerLateMs, `longest gap ${user.report().audio?.maxGapMs} ms`);
  t.match(await recordOf(stage, user), {
    route: 'raw', peer: 'pbx', target: '6001', rule: 'peers.pbx.users[0]', tries: [{ peer: 'raw', user: 'agent', status: 200 }], termination: { by: 'user' },
    transfers: [...Array(5).fill({ kind: 'blind', by: 'raw', to: null }), { kind: 'blind', by: 'raw', to: '6001@pbx', status: 200 }],
  });
  t.notOk(stage.running.log.some((line) => line.includes('agent-s3cret')), 'no secret is in the log');
});

t.test('twilio: an echo comes back; an agent that does not read loses frames, and Meta notices nothing; the user hangs up; who listens hears both', async (t) => {
  const [coming, overhears, user] = [twilio.next(), listener.next(), stage.user({ payload: 'twilio' })];
  t.equal(await user.place(), 200);
  const [there, beside] = await Promise.all([coming, overhears]);
  await hears(user, 'tone', 50);
  there.socket.pause();
  await pause(1500);
  there.socket.resume();
  await hears(user, 'tone', 25);
  await user.hangUp();
  await until(() => there.report().stopped, 'the agent is told');
  t.match(there.report(), { faults: [], oddFrames: 0, call: { number, direction: 'user-initiated' } });
  await until(() => beside.report().stopped, 'so is who listens');
  const { tone, otherTone, ...rest } = beside.report();
  t.match(rest, { ok: true, sampleRate: 16_000, call: { number } });
  t.ok((tone?.heard ?? 0) > 100 && (otherTone?.heard ?? 0) > 50, `heard ${tone?.heard} frames of the user's, ${otherTone?.heard} of the agent's`);
  t.ok([...tone?.frequencies ?? [], ...otherTone?.frequencies ?? []].every((hz) => hz === 600 || hz === 900));
  assertQuietLeg(t, user.report());
  t.ok(user.report().audio!.maxGapMs < 300 + user.report().pacerLateMs, `longest gap ${user.report().audio?.maxGapMs} ms`);
  const record = await recordOf(stage, user);
  t.match(record, { peer: 'twilio', target: 'agent', termination: { by: 'user', reason: 'hangup' }, media: { peer: { codec: 'L16', keying: 'none' } } });
  t.ok(record.media!.peer.packetsIn > 50 && record.media!.peer.packetsOut > 50 && record.media!.peer.lost === 0);
});

t.test('one that refuses and one that does not answer are passed over; jambonz at 24 kHz speaks, and hangs up', async (t) => {
  const { user, there } = await talk(jambonz, 'hunt', ['PCMU']);
  t.match(there.report(), { sampleRate: 24_000, headers: { authorization: `Basic ${Buffer.from('us:pa55').toString('base64')}`, 'sec-websocket-protocol': 'audio.jambonz.org' } });
  await hears(user, 'tone', 30);
  await until(() => tonesOf(there).some((hz) => hz === 600 || hz === 900), 'the agent hears the user');
  there.hangUp();
  await until(() => user.ended, 'the user is hung up on');
  t.match(await recordOf(stage, user), {
    peer: 'jambonz', termination: { by: 'peer', reason: 'hangup' },
    tries: [{ peer: 'full', status: 503, reason: 'unreachable', text: 'HTTP 503 Service Unavailable' }, { peer: 'mute', status: 503, reason: 'unreachable' }, { peer: 'jambonz', status: 200 }],
  });
  t.match(there.report(), { ok: true });
  assertQuietLeg(t, user.report());
});

t.test('ring-all, and on to a PBX: an agent takes the call, or a person does where it does not', async (t) => {
  const all = await talk(raw, 'all');
  await all.user.hangUp();
  t.match(await recordOf(stage, all.user), { peer: 'raw' });
  await until(() => stage.running.service.table.onPeer('pbx') === 0, 'the PBX is cancelled');
  const user = stage.user({ expect: [1000] });
  t.equal(await user.place(), 200);
  await hears(user, 'tone');
  await user.hangUp();
  t.match(await recordOf(stage, user), { peer: 'pbx', tries: [{ peer: 'full', status: 503 }, { peer: 'pbx', status: 200 }] });
});

t.test('a socket that is lost is opened again and the call goes on; where it cannot be, the call ends within two seconds', async (t) => {
  const { user, there } = await talk(raw, 'raw', ['PCMA']);
  await pause(1100);
  const next = raw.next();
  there.socket.terminate();
  const second = await next;
  await until(() => second.report().call !== undefined, 'the start, again');
  second.speak(1000);
  await hears(user, 'tone', 20);
  await until(() => (second.report().tone?.heard ?? 0) > 10, 'the agent hears the user again');
  await pause(1100);
  raw.behaviour = { ...raw.behaviour, refuse: 503 };
  const began = performance.now();
  second.socket.terminate();
  await until(() => user.ended, 'the end');
  raw.behaviour = { ...raw.behaviour, refuse: undefined };
  t.ok(performance.now() - began < 3000);
  t.match(await recordOf(stage, user), { termination: { by: 'us', reason: 'peerGone', status: 408, result: 'upstream' } });
  assertQuietLeg(t, user.report());
});

for (const [payload, wanted, peer] of [
  ['next', { peer: 'pbx', target: '6001', transfers: [{ kind: 'failover', by: 'raw', to: '6001@pbx', status: 200 }], tries: [{ peer: 'raw', status: 200 }, { peer: 'full', status: 503 }, { peer: 'pbx', status: 200 }] }, 'pbx'],
  ['out', { peer: 'other', transfers: [{ kind: 'failover', by: 'raw', to: null, status: 408 }] }, 'other'],
  ['nobody', { termination: { by: 'us', reason: 'peerGone', status: 408 }, transfers: [{ kind: 'failover', by: 'raw', to: null, status: 503 }] }, null],
] as const) {
  t.test(`${payload}: an agent that is lost for good is followed by the next target, then by unanswered; else the call ends`, async (t) => {
    const events = await api.events();
    const { user, there } = await talk(raw, payload);
    await user.press('7');
    await until(() => there.report().digits === '7', 'a digit for the agent');
    raw.behaviour = { ...raw.behaviour, refuse: 503 };
    await pause(1100);
    t.match((await api.post(`/v1/calls/${stage.running.service.table.all()[0]!.id}/hold`)).status, 204);
    there.socket.terminate();
    if (peer === null) await until(() => user.ended, 'the end');
    else {
      const taken = await stage.peers[peer]!.nextCall();
      await hears(taken, 'tone');
      t.equal(stage.running.service.table.onPeer('raw'), 0, 'no place is kept');
      await user.hangUp();
    }
    raw.behaviour = { ...raw.behaviour, refuse: undefined };
    t.match(await recordOf(stage, user), wanted);
    await events.when(({ type, data }) => type === (payload === 'next' ? 'call.transferred' : 'call.transferFailed') && JSON.stringify(data).includes('failover'));
    events.close();
    assertQuietLeg(t, user.report());
    t.ok(user.report().audio!.maxGapMs < 300 + user.report().pacerLateMs, `longest gap ${user.report().audio?.maxGapMs} ms`);
  });
}

t.test('click-to-call with an agent: its socket is open before the user is rung, and it is told of the call when they answer', async (t) => {
  const meta = await stage.answerAsMeta({ behaviour: 'tone,ring=0.5' });
  const coming = raw.next();
  const placed = await api.post('/v1/calls', { number, user: '+447700900109', peer: 'raw', peerUser: 'agent', first: 'peer' });
  t.equal(placed.status, 201);
  const there = await coming;
  await pause(200);
  t.match(there.report(), { call: undefined, frames: 0 }, 'while it rings it is told nothing');
  await until(() => (there.report().tone?.heard ?? 0) > 10, 'the agent hears the user');
  t.match(there.report().call, { direction: 'business-initiated', user: '+447700900109' });
  there.speak(1000);
  await pause(1200);
  there.hangUp();
  await until(() => meta.reports.length === 1, 'the end');
  t.same(meta.reports[0]!.violations, []);
  t.ok((meta.reports[0]!.audio?.detail.tone.heard ?? 0) + (meta.reports[0]!.audio?.detail.tone.other ?? 0) > 30, 'the user heard the agent');
  t.equal(stage.running.service.table.onPeer('raw'), 0, 'no place is kept');
});

t.test('what is counted', async (t) => {
  const page = await fetch(`http://${stage.running.service.http}/metrics`).then((answer) => answer.text());
  t.match(page, /wab_agent_sockets\{peer="raw"\} 0/);
  t.match(page, /wab_agent_refused_total\{peer="full"\} 4/);
  t.match(page, /wab_agent_refused_total\{peer="tee:raw"\} 2/, 'a tee that fails hurts no call');
  t.match(page, /wab_agent_lost_total\{peer="raw"\} 5/);
  t.match(page, /wab_agent_reopened_total\{peer="raw"\} 1/);
});

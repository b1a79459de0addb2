// Calls recorded by a recorder of somebody else's (RFC 7866), as the recorder sees it; the same on every media engine.
import t, { type Test } from 'tap';
import { ApiClient, apiKeys, tokens, type Listener } from '../../helpers/apiClient.js';
import { castOf, StandInRecorder, type RecorderOptions } from '../../helpers/recorder.js';
import { number } from '../../helpers/service.js';
import type { Overlay } from '../../helpers/service.js';
import { named } from '../../helpers/xml.js';
import { openStage, pause, type Stage } from '../harness.js';
import { assertQuietLeg, until } from '../pbx/steps.js';
import { toneFile } from '../voice/rig.js';

const USER = '+447700900101';
const tones = { user: 600, agent: 1000, other: 1400, said: 2000 };
const expect = Object.values(tones);

interface Set { readonly stage: Stage; readonly api: ApiClient; readonly events: Listener; readonly recorders: StandInRecorder[] }

async function setUp(t: Test, recorders: readonly RecorderOptions[], { siprec = {}, overlay = {}, group = {} }: { siprec?: object; overlay?: Overlay; group?: object } = {}): Promise<Set> {
  const folder = t.testdir({ 'said.wav': toneFile(tones.said, 600) });
  const opened = [];
  for (const options of recorders) opened.push(await StandInRecorder.open(t, { expect, ...options }));
  const stage = await openStage({
    peers: { pbx: { answer: { source: 'tone' }, tones: [tones.agent, tones.agent] } },
    overlay: {
      api: apiKeys,
      siprec: { archive: { to: opened.map((_, i) => ({ peer: `recorder${i}`, user: 'rec' })), answerWithin: 10, ...group } },
      routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }], siprec: { recorder: 'archive', announce: `${folder}/said.wav`, ...siprec } }],
      ...overlay,
      peers: { ...Object.fromEntries(opened.map(({ config }, i) => [`recorder${i}`, config])), ...(overlay.peers as object | undefined) },
    },
  });
  t.teardown(() => stage.close());
  const api = new ApiClient(stage.running.service.api, tokens.all);
  const events = await api.events();
  t.teardown(() => events.close());
  return { stage, api, events, recorders: opened };
}

const user = (stage: Stage, more: object = {}): ReturnType<Stage['user']> => stage.user({ from: USER, tones: [tones.user, tones.user], expect, ...more });

async function hears(recorder: StandInRecorder, label: string, hertz: number, times = 1): Promise<void> {
  await until(() => recorder.media.has(label) && recorder.heard(label).filter((one) => one === hertz).length >= times, `${hertz} Hz at label ${label} for the ${times}. time`);
}

t.test('behind the announcement: the user and the business by label, on one clock, and who they are', async (t) => {
  const { stage, events, recorders: [recorder] } = await setUp(t, [{}]);
  const name = '</name><evil/>&amp; Ann';
  const caller = user(stage, { displayName: name });
  t.equal(await caller.place(), 200);
  await events.when(({ type }) => type === 'siprec.started');
  await hears(recorder!, '1', tones.user);
  await hears(recorder!, '2', tones.agent);
  t.same([recorder!.heard('1'), recorder!.heard('2')], [[tones.user], [tones.agent]], 'nobody else, and nothing of the announcement');
  t.ok(caller.report().audio!.detail.tone.course.some(({ frequency }) => frequency === tones.said), 'which the user has heard');

  const { invite, sdp, metadata } = recorder!.received[0]!;
  t.match(invite.get('require'), /siprec/);
  t.match(invite.get('contact'), /;\+sip\.src/);
  t.match(invite.get('from'), new RegExp(`^<sip:\\${number}@`));
  t.same([...sdp.matchAll(/^a=(label:\d|sendonly|sendrecv|recvonly)/gm)].map(([, line]) => line), ['sendonly', 'label:1', 'sendonly', 'label:2']);
  t.match(sdp, /^m=audio \d+ RTP\/AVP 111 0 8$/m);
  t.equal(metadata.name, 'recording');
  t.equal(named(metadata, 'datamode')[0]?.text, 'complete');
  t.same(castOf(metadata).map(({ aors }) => aors.map((aor) => aor.replace(/@.*/, ''))), [[`sip:${USER}`], ['sip:6001', `sip:${number}`]]);
  t.same(castOf(metadata).map(({ name: shown, sends }) => [shown, sends]), [[name, ['1']], ['6001@pbx', ['2']]]);
  const [record1, record2] = [recorder!.report('1'), recorder!.report('2')];
  t.not(record1.received.ssrcs[0], record2.received.ssrcs[0]);
  t.same([record1.received.ssrcs.length, record2.received.ssrcs.length], [1, 1]);
  t.ok(Math.abs(record1.received.firstAt! - record2.received.firstAt!) < 100);

  await caller.hangUp();
  await until(() => recorder!.peer.heard.some((line) => line.startsWith('BYE')), 'the BYE');
  const record = (await stage.running.records(1))[0]!;
  t.match(record, { termination: { by: 'user' }, siprec: [{ recorder: 'archive', to: 'rec@recorder0', callId: invite.get('call-id'), why: null }] });
  t.ok((record.siprec[0]!.seconds ?? 0) > 0);
  t.match(await events.when(({ type }) => type === 'siprec.ended'), { data: { recorder: 'archive', to: 'rec@recorder0', why: null } });
  assertQuietLeg(t, caller.report());
});

t.test('hold and transfer are told, and heard as silence; by SDES and in Opus as it is', async (t) => {
  const { stage, recorders: [recorder] } = await setUp(t, [{ srtp: 'sdes', codecs: ['opus'] }], { siprec: { announce: null } });
  const caller = user(stage);
  t.equal(await caller.place(), 200);
  await hears(recorder!, '1', tones.user);
  const phone = stage.peers.pbx!.liveCalls[0]!;
  await phone.hold();
  await until(() => recorder!.received.length === 2, 'the update of the hold');
  t.same(castOf(recorder!.received[1]!.metadata).map(({ sends }) => sends), [[], []]);
  const packets = recorder!.report('1').received.packets;
  await until(() => recorder!.report('1').received.packets > packets + 30, 'the stream goes on');
  await phone.resume('tone');
  await until(() => recorder!.received.length === 3, 'the update of the resume');
  t.same(castOf(recorder!.received[2]!.metadata).map(({ sends }) => sends), [['1'], ['2']]);
  await hears(recorder!, '2', tones.agent, 1);
  t.ok(recorder!.report('1').tone.silent > 10, 'silence while nobody listened');

  t.equal(await phone.refer(`sip:6002@127.0.0.1:${stage.peers.pbx!.port}`), 202);
  await until(() => recorder!.received.some(({ metadata }) => castOf(metadata).some(({ aors }) => aors[0]?.startsWith('sip:6002@'))), 'the update of the transfer');
  const last = castOf(recorder!.received.at(-1)!.metadata);
  t.same(last.map(({ aors, sends }) => [aors[0]?.replace(/@.*/, ''), sends]), [[`sip:${USER}`, ['1']], ['sip:6001', null], ['sip:6002', ['2']]]);
  const { ssrcs, sequenceJumps } = recorder!.report('1').received;
  t.same([ssrcs.length, sequenceJumps, recorder!.report('1').undecryptable], [1, 0, 0]);
  t.ok(new Set(recorder!.received.map(({ metadata }) => named(metadata, 'session')[0]!.attributes.session_id)).size === 1, 'one session');
  await caller.hangUp();
  const record = (await stage.running.records(1))[0]!;
  t.match(record.siprec, [{ why: null }]);
});

t.test('a pause by key and by order is silence at the recorder', async (t) => {
  const { stage, api, recorders: [recorder], events } = await setUp(t, [{}], { siprec: { pauseKey: '*' } });
  const caller = user(stage);
  t.equal(await caller.place(), 200);
  const { call } = await events.when(({ type }) => type === 'siprec.started');
  const state = async (): Promise<string> => (await api.get('/v1/calls')).body.calls[0].recording as string;
  await hears(recorder!, '1', tones.user);
  stage.peers.pbx!.liveCalls[0]!.press('*');
  while (await state() !== 'paused') await pause(20);
  const before = recorder!.report('1').tone;
  await until(() => recorder!.report('1').tone.silent > before.silent + 20, 'silence');
  t.equal((await api.post(`/v1/calls/${call}/record`, { action: 'resume' })).status, 204);
  t.equal(await state(), 'on');
  const heard = recorder!.report('1').tone.heard;
  await until(() => recorder!.report('1').tone.heard > heard + 20, 'it goes on');
  t.equal((await api.post(`/v1/calls/${call}/record`, { action: 'stop' })).status, 204);
  await until(() => recorder!.peer.heard.some((line) => line.startsWith('BYE')), 'the BYE');
  t.equal(caller.report().endedBy, 'nobody', 'the call goes on');
  await caller.hangUp();
  t.match((await stage.running.records(1))[0], { siprec: [{ why: null }], termination: { by: 'user' } });
});

t.test('recorders that refuse, and that do not answer, are passed over; where none takes it the call goes on', async (t) => {
  const { stage, events, recorders } = await setUp(t, [{ refuses: 486 }, { refuses: 0 }, {}], { siprec: { announce: null }, group: { answerWithin: 3 } });
  const caller = user(stage);
  t.equal(await caller.place(), 200);
  t.match(await events.when(({ type }) => type === 'siprec.started'), { data: { to: 'rec@recorder2' } });
  await hears(recorders[2]!, '1', tones.user);
  recorders[2]!.options = { ...recorders[2]!.options, refuses: 503 };
  await caller.hangUp();
  const first = (await stage.running.records(1))[0]!;
  t.match(first.siprec, [{ to: 'rec@recorder0', seconds: null, why: /^refused: 486/ }, { to: 'rec@recorder1', seconds: null, why: 'no answer within 3 s' }, { to: 'rec@recorder2', why: null }]);

  const second = user(stage);
  t.equal(await second.place(), 200);
  const failed = await events.when(({ type }) => type === 'siprec.failed');
  t.match(failed.data.why, /rec@recorder0: refused: 486.*rec@recorder2: refused: 503/);
  await until(() => second.report().audio!.toneHeard, 'the call goes on');
  await second.hangUp();
  t.match((await stage.running.records(2))[1], { termination: { by: 'user' }, siprec: [{ seconds: null }, { seconds: null }, { seconds: null }] });
  const metrics = await (await fetch(`http://${stage.running.service.http}/metrics`)).text();
  t.match(metrics, /wab_siprec_sessions_total\{outcome="recorded"\} 1/);
  t.match(metrics, /wab_siprec_sessions_total\{outcome="failed"\} 1/);
  t.match(metrics, /wab_siprec_active 0/);
});

t.test('a recorder that has forgotten the session is followed by the next; one that hangs up is not', async (t) => {
  const { stage, events, recorders } = await setUp(t, [{}, {}], { siprec: { announce: null } });
  const caller = user(stage);
  t.equal(await caller.place(), 200);
  await hears(recorders[0]!, '1', tones.user);
  recorders[0]!.peer.meets((request, peer) => {
    if (request.method !== 'INVITE') return false;
    peer.answer(request, 481);
    return true;
  });
  await stage.peers.pbx!.liveCalls[0]!.hold();
  t.match(await events.when(({ type, data }) => type === 'siprec.started' && data.to === 'rec@recorder1'), {});
  await stage.peers.pbx!.liveCalls[0]!.resume('tone');
  await hears(recorders[1]!, '1', tones.user);
  const [first, second] = [recorders[0]!.received[0]!, recorders[1]!.received[0]!];
  t.equal(named(first.metadata, 'session')[0]!.attributes.session_id, named(second.metadata, 'session')[0]!.attributes.session_id, 'it is the same call');
  t.equal((await recorders[1]!.peer.ask(second.invite, 'BYE')).status, 200);
  t.match(await events.when(({ type }) => type === 'siprec.failed'), { data: { why: 'rec@recorder1: it has ended the session' } });
  t.equal(caller.report().endedBy, 'nobody');
  await caller.hangUp();
  t.match((await stage.running.records(1))[0], { termination: { by: 'user' }, siprec: [{ why: 'it does not answer any more (481)' }, { why: 'it has ended the session' }] });
});

t.test('a recorder that takes an update in hand and says no more is followed by the next', async (t) => {
  const { stage, events, recorders } = await setUp(t, [{}, {}], { siprec: { announce: null }, group: { answerWithin: 2 } });
  const caller = user(stage);
  t.equal(await caller.place(), 200);
  await hears(recorders[0]!, '1', tones.user);
  recorders[0]!.peer.meets((request, peer) => {
    if (request.method !== 'INVITE') return false;
    peer.answer(request, 100);
    return true;
  });
  await stage.peers.pbx!.liveCalls[0]!.hold();
  await events.when(({ type, data }) => type === 'siprec.started' && data.to === 'rec@recorder1');
  await stage.peers.pbx!.liveCalls[0]!.resume('tone');
  await hears(recorders[1]!, '1', tones.user);
  await caller.hangUp();
  t.match((await stage.running.records(1))[0], { termination: { by: 'user' }, siprec: [{ why: 'it has not answered an update within 2 s' }, { why: null }] });
});

t.test('an update waits for the ACK of the recorder to its own re-INVITE', async (t) => {
  const { stage, events, recorders: [recorder] } = await setUp(t, [{}], { siprec: { announce: null } });
  const caller = user(stage);
  t.equal(await caller.place(), 200);
  await hears(recorder!, '1', tones.user);
  const { invite } = recorder!.received[0]!;
  const { status } = await recorder!.peer.ask(invite, 'INVITE', {
    body: recorder!.described,
    beforeAck: async () => {
      await stage.peers.pbx!.liveCalls[0]!.hold();
      await events.when(({ type }) => type === 'call.held');
      // What had been sent before this answer would be there.
      t.equal((await recorder!.peer.ask(invite, 'OPTIONS')).status, 200);
      t.equal(recorder!.received.length, 1, 'no update yet');
    },
  });
  t.equal(status, 200);
  await until(() => recorder!.received.length === 2, 'the update, behind the ACK');
  await caller.hangUp();
  t.match((await stage.running.records(1))[0], { siprec: [{ why: null }] });
});

t.test('a pause outlasts its recorder: the next hears silence, and where there is none no digit is told', async (t) => {
  const { stage, api, events, recorders } = await setUp(t, [{}, {}], { siprec: { announce: null } });
  const caller = user(stage);
  t.equal(await caller.place(), 200);
  const { call } = await events.when(({ type }) => type === 'siprec.started');
  const order = async (action: string): Promise<number> => (await api.post(`/v1/calls/${call}/record`, { action })).status;
  const state = async (): Promise<string> => (await api.get('/v1/calls')).body.calls[0].recording as string;
  await hears(recorders[0]!, '1', tones.user);
  t.equal(await order('pause'), 204);
  recorders[0]!.peer.meets((request, peer) => {
    if (request.method !== 'INVITE') return false;
    peer.answer(request, 481);
    return true;
  });
  await stage.peers.pbx!.liveCalls[0]!.hold();
  await events.when(({ type, data }) => type === 'siprec.started' && data.to === 'rec@recorder1');
  await stage.peers.pbx!.liveCalls[0]!.resume('tone');
  await until(() => recorders[1]!.media.has('1') && recorders[1]!.report('1').tone.silent > 30, 'silence');
  t.same([await state(), recorders[1]!.heard('1'), recorders[1]!.heard('2')], ['paused', [], []]);
  t.equal((await recorders[1]!.peer.ask(recorders[1]!.received[0]!.invite, 'BYE')).status, 200);
  await events.when(({ type }) => type === 'siprec.failed');
  t.equal(await state(), 'paused');
  await caller.press('4');
  await until(() => stage.peers.pbx!.liveCalls[0]!.report().digits.includes('4'), 'the digit');
  t.equal(await order('resume'), 204);
  await caller.press('7');
  await events.when(({ type, data }) => type === 'call.dtmf' && data.digit === '7');
  t.notOk(events.told.some(({ type, data }) => type === 'call.dtmf' && data.digit === '4'), 'nobody was told of the digit in the pause');
  t.equal(await state(), 'off');
  await caller.hangUp();
});

t.test('a business-initiated call, recorded here and there: one announcement, one key, the user at label 1', async (t) => {
  const folder = t.testdir({ 'said.wav': toneFile(tones.said, 600) });
  const manner = { announce: `${folder}/said.wav`, pauseKey: '*' };
  const { stage, api, events, recorders: [recorder] } = await setUp(t, [{}], {
    siprec: {}, overlay: { recording: { directory: `${folder}/recordings`, keepFree: 0 }, peers: { pbx: { mayCall: [number], record: manner, siprec: { recorder: 'archive', ...manner } } } },
  });
  const meta = await stage.answerAsMeta({ behaviour: 'tone,ring=0.1', expect });
  const call = await stage.peers.pbx!.call(`sip:${USER}@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>`, source: 'tone' });
  t.equal(await call.final, 200);
  const { call: id } = await events.when(({ type }) => type === 'siprec.started');
  await until(() => recorder!.report('1').tone.heard > 30 && recorder!.report('2').tone.heard > 30, 'both are heard');
  t.notOk(recorder!.heard('2').includes(tones.said), 'the announcement is not');
  const said = meta.liveCalls[0]!.report().audio!.detail.tone.course.filter(({ frequency, frames }) => frequency === tones.said && frames > 10);
  t.equal(said.length, 1, 'which was played once');
  t.same(castOf(recorder!.received[0]!.metadata).map(({ aors, name, sends }) => [aors.map((aor) => aor.replace(/@.*/, '')), name, sends]), [[[`sip:${USER}`], null, ['1']], [[`sip:${number}`, `sip:${number}`], 'pbx', ['2']]]);
  call.press('*');
  while ((await api.get('/v1/calls')).body.calls[0].recording !== 'paused') await pause(20);
  const silent = recorder!.report('1').tone.silent;
  await until(() => recorder!.report('1').tone.silent > silent + 20, 'silence');
  await call.bye();
  t.match((await stage.running.records(1))[0], { id, direction: 'business-initiated', siprec: [{ recorder: 'archive', why: null }], recordings: [{ seconds: Number }] });
  t.match(await events.when(({ type }) => type === 'call.recorded'), { data: { why: 'closed' } });
});

t.test('a reload that allows a recorder no more ends its session, and not the call', async (t) => {
  const { stage, events, recorders } = await setUp(t, [{}, {}], { siprec: { announce: null } });
  const caller = user(stage);
  t.equal(await caller.place(), 200);
  await hears(recorders[0]!, '1', tones.user);
  const { running: { service, config } } = stage;
  const peers = Object.fromEntries(Object.entries(config.peers).filter(([name]) => name !== 'recorder0'));
  await service.reload({ ...config, peers, siprec: { archive: { ...config.siprec.archive!, to: [{ peer: 'recorder1', user: 'rec' }] } } });
  t.match(await events.when(({ type }) => type === 'siprec.ended'), { data: { to: 'rec@recorder0', why: /^by the new configuration: .* is no peer of ours/ } });
  t.match(await events.when(({ type, data }) => type === 'siprec.started' && data.to === 'rec@recorder1'), {});
  await hears(recorders[1]!, '1', tones.user);
  t.equal(caller.report().endedBy, 'nobody');
  await caller.hangUp();
  t.match((await stage.running.records(1))[0], { termination: { by: 'user' }, siprec: [{ to: 'rec@recorder0' }, { to: 'rec@recorder1', why: null }] });
});

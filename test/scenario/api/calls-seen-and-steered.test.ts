// The API on whole calls: what is seen of them, what they are made to do, and what is told of it.
import t from 'tap';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiClient, apiKeys, tokens } from '../../helpers/apiClient.js';
import { number } from '../../helpers/service.js';
import { openStage, pause, type Stage } from '../harness.js';

const user = '+447700900101';
/** As it stands in Meta's id of the call. */
const inIds = Buffer.from(user.slice(1)).toString('base64');

async function stageWithApi(more: object = {}, peers: Parameters<typeof openStage>[0] = {}): Promise<{ stage: Stage; all: ApiClient; reader: ApiClient; caller: ApiClient }> {
  const stage = await openStage({ ...peers, overlay: { api: { ...apiKeys, ...more }, routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }] }] } });
  const { api } = stage.running.service;
  return { stage, all: new ApiClient(api, tokens.all), reader: new ApiClient(api, tokens.reader), caller: new ApiClient(api, tokens.caller) };
}

t.test("a user's call from its first event to its last: in order, masked for who may not see users", async (t) => {
  const { stage, all, reader } = await stageWithApi();
  t.teardown(() => stage.close());
  const [full, masked] = [await all.events(), await reader.events('?types=call.*')];
  const caller = stage.user({ from: user });
  t.equal(await caller.place(), 200);
  const { call } = await full.when(({ type, data }) => type === 'call.answered' && data.leg === 'meta');

  const list = await reader.get('/v1/calls');
  t.match(list.body, { calls: [{ id: call, direction: 'user-initiated', state: 'answered', number, user: '+4477******01', peer: 'pbx', peerUser: '6001', held: false, reference: null }] });
  t.equal((await all.get('/v1/calls')).body.calls[0].user, user);
  await pause(600);
  const detail = (await reader.get(`/v1/calls/${call}`)).body;
  t.match(detail, { legs: [{ leg: 'meta' }, { leg: 'peer', peer: 'pbx', peerUser: '6001' }], termination: null, media: { meta: { codec: 'opus' }, peer: { codec: 'PCMU' } } });
  t.ok(detail.media.meta.packetsIn > 5);
  t.match((await reader.get(`/v1/calls/${call}/media`)).body, { meta: { codec: 'opus' } });
  const ladder = await reader.get(`/v1/calls/${call}/ladder`);
  t.match(ladder.text, /INVITE .*\+sdp/);
  const [sip, sipInFull] = [await reader.get(`/v1/calls/${call}/sip`), await all.get(`/v1/calls/${call}/sip`)];
  t.notOk(sip.text.includes(user.slice(1)), 'masked');
  t.ok(sipInFull.text.includes(user), 'in full where the token may');
  const pcap = await reader.get(`/v1/calls/${call}/pcap`);
  t.match([pcap.headers.get('content-type'), pcap.text.includes('INVITE'), pcap.text.includes(user.slice(1))], ['application/x-pcapng', true, false]);
  t.ok(sipInFull.text.includes(inIds));
  const seen = [list, await reader.get(`/v1/calls/${call}`), ladder, sip, pcap, await reader.get(`/v1/calls/${call}/messages`)];
  t.same(seen.filter(({ text }) => text.includes(inIds) || text.includes(user.slice(1))).map(({ text }) => text.slice(0, 200)), [], "nor is the number read in Meta's id of the call");
  t.notMatch(sipInFull.text, /inline:[A-Za-z0-9+/]{10}/, 'never a key');

  await caller.hangUp();
  const last = await full.when(({ type }) => type === 'call.ended');
  caller.close();
  const types = full.told.map(({ type, data }) => [type, ...(data.leg === undefined ? [] : [data.leg])].join(' '));
  t.same(types, ['call.created', 'call.ringing peer', 'call.answered peer', 'call.answered meta', 'call.ended']);
  t.match(last.data, { number, user, direction: 'user-initiated', by: 'user', reason: 'hangup', status: 200, result: 'success', peer: 'pbx', target: '6001' });
  t.same(full.told.map(({ seq }) => seq), full.told.map((_, index) => (full.told[0]?.seq ?? 0) + index), 'numbered without a hole');
  t.ok(full.told.every(({ call: of, data, time, id }) => of === call && 'wacid' in data && 'reference' in data && !Number.isNaN(Date.parse(time)) && id !== ''));
  await masked.when(({ type }) => type === 'call.ended');
  t.same(masked.told.map(({ id, type }) => [id, type]), full.told.map(({ id, type }) => [id, type]), 'the same for everybody');
  t.ok(masked.told.every(({ data }) => data.user === '+4477******01'));
  t.match((await reader.get(`/v1/calls/${call}`)).body, { state: 'ended', termination: { by: 'user', reason: 'hangup' }, user: '+4477******01' }, 'it can be asked for afterwards');
  t.same((await reader.get('/v1/calls')).body, { calls: [] });
  await stage.running.records(1);
  const after = [await reader.get(`/v1/calls/${call}`), await reader.get('/v1/recent'), await reader.get('/v1/records')];
  t.ok(after.every(({ status, text }) => status === 200 && text.includes('wacid.') && !text.includes(inIds)));
  t.notOk(JSON.stringify(masked.told).includes(inIds));
  t.ok((await all.get('/v1/records')).text.includes(inIds), 'who may see users has it whole');
  for (const one of [full, masked]) one.close();
});

t.test('hold, play, stop, digits, transfer, hang up: as ordered, heard by both sides, told by events; nothing goes to Meta but media', async (t) => {
  const { stage, all, caller: token } = await stageWithApi({ sounds: null }, { peers: { pbx: { answer: 'tone' }, other: { answer: 'tone', config: { users: ['7001'] } } } });
  t.teardown(() => stage.close());
  const events = await all.events('?types=call.*');
  const caller = stage.user({ from: user });
  t.equal(await caller.place(), 200);
  const { call } = await events.when(({ type, data }) => type === 'call.answered' && data.leg === 'meta');
  const order = async (what: string, body?: unknown): Promise<number | string> => {
    const { status, body: answer } = await token.post(`/v1/calls/${call}/${what}`, body);
    return status < 300 ? status : answer.error.code;
  };
  t.equal(await order('hold'), 204);
  await events.when(({ type, data }) => type === 'call.held' && data.by === 'api');
  t.equal((await all.get('/v1/calls')).body.calls[0].held, true);
  t.equal(await order('hold'), 204, 'twice is once');
  await pause(300);
  t.equal(await order('unhold'), 204);
  await events.when(({ type, data }) => type === 'call.resumed' && data.by === 'api');
  t.equal(events.told.filter(({ type }) => type === 'call.held').length, 1);

  t.equal(await order('play', { file: 'offer.wav' }), 'sound.unknown', 'there is no folder of sounds');
  t.match((await token.post(`/v1/calls/${call}/play`, { file: 'offer.wav' })).body.error.message, /api\.sounds.* is not set/);
  t.equal(await order('dtmf', { digits: '12#', side: 'user' }), 204);
  t.equal(await order('dtmf', { digits: '34' }), 204, 'to the peer, which has agreed on events');
  // As long as three digits last.
  await pause(1200);

  t.equal(await order('transfer', { peer: 'nobody', user: '1' }), 'peer.unknown');
  t.equal(await order('transfer', { peer: 'other', user: '7001' }), 'transfer.right', 'pbx may send nobody there (mayTransferTo)');
  t.equal(await order('transfer', { peer: 'pbx', user: '+447911123456' }), 'target.number', 'a telephone number is no target');
  t.equal(await order('transfer', { peer: 'pbx', user: '6002' }), 202);
  t.match((await events.when(({ type }) => type === 'call.transferred')).data, { kind: 'ordered', by: 'api', to: '6002@pbx', status: 200 });
  const refused = events.told.filter(({ type }) => type === 'call.transferFailed');
  t.same(refused.map(({ data }) => [data.kind, data.by, data.to, data.status]), [['ordered', 'api', null, 403], ['ordered', 'api', null, 403]]);
  t.match((await all.get(`/v1/calls/${call}`)).body, { peerUser: '6002', state: 'answered' });

  await pause(700);
  t.equal((await token.ask('DELETE', `/v1/calls/${call}`)).status, 204);
  t.match((await events.when(({ type }) => type === 'call.ended')).data, { by: 'us', reason: 'hangup', status: 200 });
  t.equal((await token.ask('DELETE', `/v1/calls/${call}`)).status, 204, 'it is over: so it was wanted');
  t.equal(await order('hold'), 'call.over');
  const [cdr] = await stage.running.records(1);
  t.match(cdr, { termination: { by: 'us', reason: 'hangup' }, transfers: [{ kind: 'ordered' }, { kind: 'ordered' }, { kind: 'ordered', status: 200 }] });
  const report = caller.report();
  caller.close();
  t.same(report.violations, [], 'nothing that Meta forbids');
  t.equal(report.audio!.digits, '12#', 'the user heard the digits');
  t.equal(stage.peers.pbx!.reports[0]!.digits, '34', 'the peer heard its own');
  events.close();
});

t.test('a sound file of the folder is played, and nothing outside of it', async (t) => {
  const outside = join(t.testdir({}), 'sounds');
  await mkdir(outside);
  const { stage, all } = await stageWithApi({ sounds: outside });
  t.teardown(() => stage.close());
  await writeFile(join(outside, '..', 'secret.wav'), 'RIFF');
  await symlink(join(outside, '..', 'secret.wav'), join(outside, 'link.wav'));
  await writeFile(join(outside, 'beep.wav'), beep());
  const caller = stage.user({ from: user });
  t.equal(await caller.place(), 200);
  const [{ id }] = (await all.get('/v1/calls')).body.calls;
  const play = async (file: string): Promise<number> => (await all.post(`/v1/calls/${id}/play`, { file })).status;
  for (const file of ['../secret.wav', '/etc/passwd', 'a/../../secret.wav', '.', '', 'a\u0000.wav']) t.equal(await play(file), 400, JSON.stringify(file));
  t.equal(await play('link.wav'), 404, 'a link that leads out');
  t.equal(await play('missing.wav'), 404);
  t.equal(await play('beep.wav'), 204);
  await pause(700);
  t.equal((await all.post(`/v1/calls/${id}/play`, { file: 'beep.wav', loop: true })).status, 204);
  await pause(300);
  t.equal((await all.post(`/v1/calls/${id}/stop`)).status, 204);
  await caller.hangUp();
  t.same(caller.report().violations, []);
  t.notOk(stage.running.log.some((line) => line.includes('cannot be played')), 'it was played');
  caller.close();
});

/** Half a second of a tone, 8 kHz. */
function beep(): Buffer {
  const samples = Buffer.alloc(8000);
  for (let i = 0; i < 4000; i += 1) samples.writeInt16LE(Math.round(8000 * Math.sin((2 * Math.PI * 440 * i) / 8000)), i * 2);
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + samples.length, 4);
  head.write('WAVEfmt ', 8);
  for (const [value, at, size] of [[16, 16, 4], [1, 20, 2], [1, 22, 2], [8000, 24, 4], [16_000, 28, 4], [2, 32, 2], [16, 34, 2]] as const) head.writeUIntLE(value, at, size);
  head.write('data', 36);
  head.writeUInt32LE(samples.length, 40);
  return Buffer.concat([head, samples]);
}

// Users without a number towards a PBX that knows digits only (peers.*.bsuid: digits).
import { join } from 'node:path';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import t from 'tap';
import { ApiClient } from '../helpers/apiClient.js';
import { number } from '../helpers/service.js';
import { openStage, type Stage } from './harness.js';

const user = 'GB.13491208655302741918';
const tokens = [{ name: 'all', token: 'token-that-sees-all', scopes: ['read', 'users'] }, { name: 'masked', token: 'token-that-sees-less', scopes: ['read'] }];

function overlay(state: string): Record<string, unknown> {
  return { state, api: { listen: '127.0.0.1:0', tokens } };
}

async function shown(stage: Stage, peer: string, from = user): Promise<{ from: string | undefined; id: string | undefined }> {
  const { status } = await stage.call({ from }, 300);
  if (status !== 200) throw new Error(`the call got ${status}`);
  const invite = stage.peers[peer]!.lastCall!.report().message;
  return { from: /^From:.*<sip:([^@]+)@/im.exec(invite)?.[1], id: /^X-WA-User-Id: (\S+)/im.exec(invite)?.[1] };
}

t.test('a user without a number has digits, the same each time, which call the user', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'wab-bsuid-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const state = `file:${join(dir, 'state')}`;
  const peers = { pbx: { config: { bsuid: 'digits', mayCall: [number], country: 'GB' } } };
  const first = await openStage({ peers, overlay: overlay(state) });
  t.teardown(() => first.close());
  const seen = await shown(first, 'pbx');
  const alias = seen.from!;
  t.match(alias, /^999[0-9]{11}$/);
  t.equal(seen.id, user, 'whom it stands for is said');
  t.equal((await shown(first, 'pbx')).from, alias);
  const other = await shown(first, 'pbx', 'GB.22222222222222222222');
  t.match(other.from, /^999[0-9]{11}$/);
  t.not(other.from, alias);
  t.same(await shown(first, 'pbx', '+447700900101'), { from: '+447700900101', id: undefined }, 'who has a number is shown by it');
  await first.close();

  // After a restart, before the user has called again.
  const stage = await openStage({ peers, overlay: overlay(state) });
  t.teardown(() => stage.close());
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noPermission' });
  const dial = async (digits: string, headers: Record<string, string> = {}): Promise<number> => {
    const at = `${stage.running.udp.host}:${stage.running.udp.port}`;
    return (await stage.peers['pbx']!.call(`sip:${digits}@${at}`, { via: `udp:${at}`, from: '<sip:6001@pbx.example>', headers })).final;
  };
  const reached = (): string[] => meta.reports.map(({ invite }) => /^INVITE sip:([^@]+)@/.exec(invite)?.[1] ?? '');
  await dial(alias);
  t.same(reached(), [user], 'the alias calls the user');
  await dial(alias, { 'History-Info': `<sip:${alias}@pbx.example>;index=1` });
  t.equal(reached().length, 2, 'a history that names it as the PBX dialled it is no telephone network');
  t.equal(await dial('99900000000000'), 404, 'an alias of nobody');
  t.equal(await dial(`+${alias}`), 484, 'with + it is no alias, and no number');
  t.equal(reached().length, 2);
  const records = await stage.running.records(4);
  t.match(records.map(({ termination: { by, reason } }) => `${by} ${reason}`).sort(), ['meta noPermission', 'meta noPermission', 'policy callee.alias', 'policy callee.impossible']);

  const [full, masked] = tokens.map(({ token }) => new ApiClient(stage.running.service.api, token));
  const all = await full!.get('/v1/aliases');
  t.same(all.body.aliases.find((one: { alias: string }) => one.alias === alias), { alias, user });
  t.equal(all.body.aliases.length, 2);
  t.equal(all.body.next, null);
  const page = await full!.get('/v1/aliases?limit=1');
  t.same([...page.body.aliases, ...(await full!.get(`/v1/aliases?limit=1&cursor=${page.body.next}`)).body.aliases], all.body.aliases);
  t.notMatch((await masked!.get('/v1/aliases')).text, user);
});

t.test('who has said nothing of digits, or dials none, is as before', async (t) => {
  const stage = await openStage({ peers: { pbx: { config: { mayCall: [number] } } } });
  t.teardown(() => stage.close());
  t.equal((await shown(stage, 'pbx')).from, user);
  await stage.answerAsMeta({ media: 'none', behaviour: 'noPermission' });
  const at = `${stage.running.udp.host}:${stage.running.udp.port}`;
  const call = await stage.peers['pbx']!.call(`sip:99912345678901@${at}`, { via: `udp:${at}`, from: '<sip:6001@pbx.example>' });
  t.equal(await call.final, 484, 'digits of that form are a number that there is not');
});

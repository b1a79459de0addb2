// Calls of users through hours, announcements and menus, as the user hears them; the same on every media engine.
import { rm } from 'node:fs/promises';
import t from 'tap';
import { parseConfig } from '../../../lib/config/load.js';
import { stringify } from 'yaml';
import { number } from '../../helpers/service.js';
import { pause } from '../harness.js';
import { assertQuietLeg, recordOf, until } from '../pbx/steps.js';
import { agentTone, ended, heard, hearsTone, listener, prompts, sounds, voiceStage } from './rig.js';

const hours = { never: { timezone: 'Europe/London', week: { mon: [] } }, always: { timezone: 'Europe/London', week: { 'mon-sun': ['00:00-24:00'] } } };
const to = [{ peer: 'pbx', user: '6001' }];

t.test('outside the hours: an announcement, a refusal, another target', async (t) => {
  const { file } = await sounds(t, { closed: 700 });
  const route = (name: string, more: object): object => ({ name, number, payload: `^${name}$`, hours: 'never', to: [{ peer: 'pbx', user: '6002' }], ...more });
  const stage = await voiceStage(t, {
    hours, routes: [
      route('played', { closed: { play: file('closed') } }), route('busy', { closed: { status: 486 } }), route('plain', {}), route('night', { closed: { to } }), route('open', { hours: 'always' }),
      route('gone', { closed: { play: `${file('closed')}.gone` } }),
    ],
  });
  const played = listener(stage, { payload: 'played' });
  t.equal(await played.place(), 200);
  await ended(played);
  t.same(heard(played), [prompts.closed]);
  assertQuietLeg(t, played.report());
  t.equal(played.report().endedBy, 'business');
  t.match(played.report().byeReason, /Q\.850;cause=16/);
  const record = await recordOf(stage, played);
  t.match(record, { closed: 'never', menu: [], tries: [], termination: { by: 'us', reason: 'announced', status: 200, result: 'success' } });
  t.ok(record.durationMs! >= 650 && record.durationMs! < 4000, `${record.durationMs} ms`);

  for (const [payload, status, reason] of [['busy', 486, 'closed'], ['plain', 480, 'closed']] as const) {
    const refused = listener(stage, { payload });
    t.equal(await refused.place(), status);
    t.match(await recordOf(stage, refused), { closed: 'never', durationMs: null, media: null, termination: { by: 'us', reason, status } });
  }
  for (const [payload, target, closed] of [['night', '6001', 'never'], ['open', '6002', null]] as const) {
    const user = listener(stage, { payload });
    t.equal(await user.place(), 200);
    await hearsTone(user, agentTone);
    await user.hangUp();
    t.match(await recordOf(stage, user), { closed, target, termination: { by: 'user', reason: 'hangup' } });
  }
  const gone = listener(stage, { payload: 'gone' });
  t.equal(await gone.place(), 200);
  await ended(gone);
  t.match(await recordOf(stage, gone), { termination: { by: 'us', reason: 'fault', text: /cannot be played/ } });
});

t.test('a menu: wrong key, time-out, keys of a nested menu, repeat, barge-in, unanswered, and one stream throughout', async (t) => {
  const { file } = await sounds(t, { main: 4000, support: 1000, wrong: 300 });
  const stage = await voiceStage(t, {
    menus: {
      main: { prompt: file('main'), timeout: 1, tries: 3, wrong: file('wrong'), keys: { 1: { to }, 2: { menu: 'support' } }, otherwise: { to: [{ peer: 'pbx', user: '6009' }] } },
      support: { prompt: file('support'), timeout: 4, tries: 2, repeat: '*', keys: { 1: { to: [{ peer: 'pbx', user: '6003' }] }, 0: { menu: 'main' } } },
    },
    routes: [{ name: 'main', number, menu: 'main', unanswered: { to: [{ peer: 'pbx', user: '6005' }] } }],
  }, { peers: { pbx: { answer: (user) => (user === '6003' ? 'busy' : { source: 'tone' }), tones: [agentTone, agentTone] } } });
  const user = listener(stage);
  t.equal(await user.place(), 200);
  t.equal(user.report().setup.ringingMs, undefined, 'nothing rings before the menu');
  await hearsTone(user, prompts.main);
  const began = performance.now();
  await user.press('7', 80);
  await hearsTone(user, prompts.wrong);
  t.ok(performance.now() - began < 2500, 'the prompt was stopped');
  await hearsTone(user, prompts.main, 2);
  await user.press('2', 80);
  await hearsTone(user, prompts.support);
  // The whole prompt, and a key in the silence behind it.
  await until(() => (user.report().audio?.detail.tone.course.at(-1)?.frames ?? 0) > 40, 'the whole prompt');
  await pause(500);
  await user.press('*', 80);
  await hearsTone(user, prompts.support, 2);
  await user.press('0', 80);
  await hearsTone(user, prompts.main, 3);
  await user.press('21', 80);
  await hearsTone(user, agentTone);
  t.same(heard(user).slice(0, 6), [prompts.main, prompts.wrong, prompts.main, prompts.support, prompts.support, prompts.main], 'each once');
  await user.hangUp();
  assertQuietLeg(t, user.report());
  t.match(await recordOf(stage, user), {
    closed: null, target: '6005', tries: [{ user: '6003', reason: 'busy' }, { user: '6005', reason: 'answered' }], termination: { by: 'user', reason: 'hangup' },
    menu: [{ menu: 'main', key: '7' }, { menu: 'main', key: '2' }, { menu: 'support', key: '*' }, { menu: 'support', key: '0' }, { menu: 'main', key: '2' }, { menu: 'support', key: '1' }],
  });

  await rm(file('support'));
  const second = listener(stage);
  t.equal(await second.place(), 200);
  await hearsTone(second, prompts.main);
  await second.press('2', 80);
  // Its prompt is gone: the key is taken in silence.
  await pause(300);
  await second.press('1', 80);
  await hearsTone(second, agentTone);
  await second.hangUp();
  assertQuietLeg(t, second.report());
});

t.test('no choice, a refusal behind a key, a hang-up in a menu: how calls end there', async (t) => {
  const { file } = await sounds(t, { main: 500 });
  const stage = await voiceStage(t, {
    menus: { main: { prompt: file('main'), timeout: 1, tries: 1, keys: { 1: { status: 486 }, 5: { to } } } }, routes: [{ name: 'main', number, menu: 'main' }],
  });
  const asked = async (): Promise<ReturnType<typeof listener>> => {
    const user = listener(stage);
    t.equal(await user.place(), 200);
    await hearsTone(user, prompts.main);
    return user;
  };
  const silent = await asked();
  await ended(silent);
  t.match(await recordOf(stage, silent), { menu: [{ menu: 'main', key: null }], termination: { by: 'us', reason: 'noChoice', status: 200 } });
  t.match(silent.report().byeReason, /Q\.850;cause=16/);
  const refused = await asked();
  await refused.press('1', 80);
  await ended(refused);
  t.match(await recordOf(stage, refused), { menu: [{ menu: 'main', key: '1' }], termination: { by: 'us', reason: 'turnedAway', status: 486 } });
  t.match(refused.report().byeReason, /SIP;cause=486/);
  const gone = await asked();
  await gone.hangUp();
  t.match(await recordOf(stage, gone), { menu: [], termination: { by: 'user', reason: 'hangup' } });

  // A reload in a menu: the call keeps to the menus that it knows, and policy to what it is told now.
  const reloaded = await asked();
  const { running } = stage;
  await running.service.reload({ ...running.config, menus: {}, routes: parseConfig(stringify({
    domain: 'sbc.example.net', sip: { tls: { cert: 'c', key: 'k' } }, numbers: { [number]: { password: 'x' } }, peers: { pbx: { uri: 'sip:10.0.0.7', pstn: 'none', users: ['6[0-9]{3}'] } },
    routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6002' }] }],
  }), { env: {}, path: 'test' }).routes });
  await reloaded.press('5', 80);
  await ended(reloaded);
  t.match(await recordOf(stage, reloaded), { menu: [{ menu: 'main', key: '5' }], tries: [{ user: '6001', reason: 'route.target' }], termination: { by: 'policy', reason: 'route.target' } });
  for (const user of [silent, refused, gone, reloaded]) assertQuietLeg(t, user.report());
});

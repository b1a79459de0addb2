import t from 'tap';
import { ended } from '../../../lib/call/termination.js';
import { runFlow } from '../../../lib/voice/flow.js';
import { runMenu } from '../../../lib/voice/menu.js';
import { lineOf, settle } from './stage.js';

const menus = {
  main: { prompt: '/main.wav', timeout: 1, tries: 3, wrong: '/wrong.wav', repeat: '*', keys: { 1: { to: [{ peer: 'pbx', user: '6001' }] }, 2: { menu: 'support' }, 9: { play: '/bye.wav' } }, otherwise: { play: '/sorry.wav' } },
  support: { prompt: '/support.wav', timeout: 1, tries: 1, keys: { 0: { menu: 'main' }, 1: { status: 486 } } },
};

t.test('a key leads on, at once: it stops the prompt', async (t) => {
  const { line, media, call, accepted } = lineOf({ menus });
  const course = runMenu(line, 'main');
  await settle();
  t.same(media.played, ['/main.wav']);
  t.equal(accepted(), 1, 'Meta is answered');
  media.press('1');
  t.match(await course, { kind: 'ring', to: [{ peer: 'pbx', user: '6001' }], ringTimeout: 45 });
  t.same(media.played, ['/main.wav', null]);
  t.same(call.facts.menu, [{ menu: 'main', key: '1' }]);
});

t.test('a key while nothing plays', async (t) => {
  const { line, media } = lineOf({ menus });
  const course = runMenu(line, 'main');
  await settle();
  media.end();
  await settle();
  media.press('9');
  t.match(await course, { kind: 'play', file: '/bye.wav' });
  t.same(media.played, ['/main.wav'], 'nothing is there to be stopped');
});

t.test('keys pressed ahead go through the menus that they are for', async (t) => {
  const { line, media, call } = lineOf({ menus });
  media.press('21');
  await runFlow(line, { found: true, route: 'main', hours: null, destination: { kind: 'menu', name: 'main' }, unanswered: null, stopOn: [], ringTimeout: 45, considered: [] });
  t.same(media.played, []);
  t.match(call.termination, { by: 'us', reason: 'turnedAway', status: 486 });
  t.same(call.facts.menu, [{ menu: 'main', key: '2' }, { menu: 'support', key: '1' }]);
});

t.test('fifty wrong digits at once are one wrong key: what was behind it was meant for something else', async (t) => {
  const { line, media, call } = lineOf({ menus });
  const course = runMenu(line, 'main');
  await settle();
  media.press('5'.repeat(50));
  await settle();
  t.same(call.facts.menu, [{ menu: 'main', key: '5' }]);
  t.same(media.played, ['/main.wav', null, '/wrong.wav']);
  media.end();
  await settle();
  t.same(media.played.at(-1), '/main.wav', 'asked again');
  media.press('9');
  t.match(await course, { kind: 'play' });
});

t.test('a key that is pressed while the sentence about a wrong one plays is the next choice', async (t) => {
  const { line, media } = lineOf({ menus });
  const course = runMenu(line, 'main');
  await settle();
  media.press('7');
  await settle();
  t.equal(media.played.at(-1), '/wrong.wav');
  media.press('1');
  t.match(await course, { kind: 'ring' });
});

t.test('repeat uses no try, and not without end; A to D are no keys', async (t) => {
  const { line, media, call } = lineOf({ menus });
  const course = runMenu(line, 'main');
  for (let i = 0; i < 20; i += 1) {
    await settle();
    media.press('A*');
  }
  await settle();
  t.equal(media.played.filter((file) => file === '/main.wav').length, 21);
  t.notOk(call.over);
  for (let i = 0; i < 3; i += 1) {
    media.press('*');
    await settle();
    media.end();
    await settle();
  }
  t.match(await course, { kind: 'play', file: '/sorry.wav' }, 'then it is a wrong key');
});

t.test('time-outs use the tries; without otherwise we hang up', async (t) => {
  const { line, media, call } = lineOf({ menus });
  const course = runMenu(line, 'support');
  await settle();
  media.end();
  t.equal(await course, null);
  t.match(call.termination, { by: 'us', reason: 'noChoice', status: 200, result: 'success' });
  t.same(call.facts.menu, [{ menu: 'support', key: null }]);
});

t.test('a prompt that is gone: the call goes where nobody makes a choice; without such a place keys are still taken', async (t) => {
  const first = lineOf({ menus });
  first.media.missing.add('/main.wav');
  t.match(await runMenu(first.line, 'main'), { kind: 'play', file: '/sorry.wav' });
  const second = lineOf({ menus });
  second.media.missing.add('/support.wav');
  const course = runMenu(second.line, 'support');
  await settle();
  second.media.press('1');
  t.match(await course, { kind: 'refuse' });
});

t.test('menus that lead to each other end', async (t) => {
  const round = { main: { prompt: '/a.wav', tries: 1, keys: { 1: { menu: 'other' } }, otherwise: { menu: 'other' } }, other: { prompt: '/b.wav', tries: 1, keys: { 1: { menu: 'main' } }, otherwise: { menu: 'main' } } };
  const { line, media, call } = lineOf({ menus: round });
  media.missing.add('/a.wav').add('/b.wav');
  await runFlow(line, { found: true, route: 'main', hours: null, destination: { kind: 'menu', name: 'main' }, unanswered: null, stopOn: [], ringTimeout: 45, considered: [] });
  t.match(call.termination, { by: 'us', reason: 'noChoice' });
  t.equal(call.facts.menu.length, 0);
});

t.test('the user hangs up: before the prompt, in it, behind it, in the sentence about a wrong key', async (t) => {
  for (const steps of [[], ['end'], ['7'], ['7', 'end']]) {
    const { line, media, call } = lineOf({ menus });
    const course = runMenu(line, 'main');
    await settle();
    for (const step of steps) {
      if (step === 'end') media.end();
      else media.press(step);
      await settle();
    }
    const before = media.played.length;
    call.end(ended.userHungUp(null));
    t.equal(await course, null, steps.join(' '));
    t.equal(media.played.length, before, 'nothing further is played');
    t.match(call.termination, { by: 'user', reason: 'hangup' });
  }
  const { line, media, call } = lineOf({ menus });
  call.end(ended.userHungUp(null));
  t.equal(await runMenu(line, 'main'), null);
  t.same(media.played, []);
});

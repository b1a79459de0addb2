import t from 'tap';
import { RawPeer, sdp } from '../../helpers/rawPeer.js';
import { openStage, pause } from '../harness.js';
import { assertQuietLeg, hears, tonesOf, until } from './steps.js';

const relay = (signal: string, duration: number): [string, Record<string, string>, string] =>
  ['INFO', { 'Content-Type': 'application/dtmf-relay' }, `Signal=${signal}\r\nDuration=${duration}\r\n`];

t.test('a peer with dtmf: info: both ways, both body types, long tones, fast digits, during hold', async (t) => {
  const stage = await openStage({ peers: { pbx: { answer: { source: 'tone', digits: false }, tones: tonesOf.pbx, dtmf: null, config: { dtmf: 'info' } } } });
  t.teardown(() => stage.close());
  const user = stage.user({ expect: tonesOf.pbx });
  t.equal(await user.place(), 200);
  const call = stage.peers.pbx!.lastCall!;
  await hears(user, 'tone');

  await user.press('1234567890*#', 60);
  await user.press('5', 2500);
  await until(() => call.report().infoDigits.length >= 13, 'every digit by INFO');
  t.equal(call.report().infoDigits, '1234567890*#5');
  t.equal(call.report().digits, '', 'and none in RTP');
  const requests = call.report().requests.filter((line) => line.startsWith('INFO'));
  t.equal(requests.length, 13);

  // One after the other: a tone is cut short where the next one waits.
  const lasts = (): number => user.report().audio!.detail.dtmf.at(-1)?.durationMs ?? 0;
  for (const [index, [digit, ms]] of ([['1', 100], ['2', 40], ['9', 1500]] as const).entries()) {
    t.equal((await call.ask(...relay(digit, ms)))?.status, 200);
    await until(() => user.report().audio!.digits.length > index && lasts() >= ms - 10, `${digit} at Meta`);
  }
  t.equal((await call.ask('INFO', { 'Content-Type': 'application/dtmf' }, '#'))?.status, 200);
  t.equal((await call.ask('INFO', { 'Content-Type': 'application/dtmf-relay' }, 'Signal=16\r\n'))?.status, 200, 'a flash is no digit');
  await until(() => user.report().audio!.digits.length >= 4, 'the digits at Meta');
  t.equal(await call.hold(), 200);
  await hears(user, 'music', 20);
  t.equal((await call.ask(...relay('7', 200)))?.status, 200);
  await user.press('8', 100);
  await until(() => call.report().infoDigits.endsWith('8') && user.report().audio!.digits.endsWith('7'), 'digits during hold');
  t.equal(await call.resume('tone'), 200);

  call.plainInfoOnly = true;
  await user.press('31', 100);
  await until(() => call.report().infoDigits.endsWith('831'), 'application/dtmf for one who refuses the other');
  const pages = `http://${stage.running.service.http}/calls`;
  const [{ id }] = await (await fetch(pages)).json() as [{ id: string }];
  const messages = await (await fetch(`${pages}/${id}/sip`)).text();
  t.match(messages, /Signal=\*\s+Duration=\d/);
  t.notMatch(messages, /Signal=[0-9]/, 'what a user presses is read by nobody on the pages');
  await user.hangUp();
  const report = user.report();
  t.equal(report.audio!.digits, '129#7', 'each once');
  const lengths = report.audio!.detail.dtmf.map(({ durationMs }) => Math.round(durationMs / 20) * 20);
  t.same(lengths, [100, 40, 1500, 160, 200], 'as long as they were said to be');
  assertQuietLeg(t, report);
});

t.test('a peer with telephone events: what it sends by INFO too is not heard twice; digits during hold pass', async (t) => {
  const stage = await openStage({ peers: { pbx: { answer: { source: 'tone', digits: false }, tones: tonesOf.pbx } } });
  t.teardown(() => stage.close());
  const user = stage.user({ expect: tonesOf.pbx });
  t.equal(await user.place(), 200);
  const call = stage.peers.pbx!.lastCall!;
  await hears(user, 'tone');
  call.press('4', 120);
  t.equal((await call.ask(...relay('4', 120)))?.status, 200);
  await user.press('62', 80);
  await until(() => call.report().digits === '62' && user.report().audio!.digits === '4', 'one of each');
  t.equal(await call.hold('sendonly'), 200);
  await hears(user, 'music', 20);
  call.press('59', 100);
  await until(() => user.report().audio!.digits.length >= 3, 'digits of the peer during hold');
  await hears(user, 'music', 10);
  t.equal(await call.resume('tone'), 200);
  await hears(user, 'tone');
  await pause(300);
  await user.hangUp();
  t.equal(user.report().audio!.digits, '459', 'each once');
  t.equal(call.report().infoDigits, '', 'no INFO to one who has events');
  assertQuietLeg(t, user.report());
});

t.test('a peer that agrees on events in a reliable 183, and whose 200 says nothing of the media, gets no INFO beside them', async (t) => {
  const raw = await RawPeer.open();
  t.teardown(() => raw.close());
  const stage = await openStage({ external: { pbx: { port: raw.port } } });
  t.teardown(() => stage.close());
  raw.script((invite) => {
    void raw.next('PRACK', ({ method }) => method === 'PRACK').then(() => raw.answer(invite, 200));
    raw.answer(invite, 183, { headers: [['Require', '100rel'], ['RSeq', '1']], body: sdp() });
  });
  const user = stage.user();
  t.equal(await user.place(), 200);
  await hears(user, 'silence');
  await user.press('5', 100);
  await pause(500);
  await user.hangUp();
  await stage.running.records(1);
  t.ok(raw.heard.some((line) => line.startsWith('BYE ')));
  t.notOk(raw.heard.some((line) => line.startsWith('INFO ')), raw.heard.join(' | '));
  assertQuietLeg(t, user.report());
});

t.test('digits of a phone that says nothing else: one after each new negotiation, one under a change of source', async (t) => {
  const stage = await openStage({ peers: { pbx: { answer: { source: 'none', digits: false }, expect: tonesOf.user } } });
  t.teardown(() => stage.close());
  const user = stage.user();
  t.equal(await user.place(), 200);
  const call = stage.peers.pbx!.lastCall!;
  await hears(call, 'tone');
  let pressed = '';
  const press = async (digit: string, ms: number, meanwhile?: () => void): Promise<void> => {
    pressed += digit;
    call.press(digit, ms);
    if (meanwhile !== undefined) {
      await pause(ms / 2);
      meanwhile();
    }
    await until(() => user.report().audio!.digits.length >= pressed.length, `${digit} is heard`);
    // Its last packets, and what would make a second one of it.
    await pause(300);
  };
  await press('1', 80);
  // Another payload type for events than in our offer: the engine begins anew.
  t.equal(await call.reinvite('sendrecv', false), 200);
  await press('1', 80);
  await press('7', 400, () => call.changeSource());
  await press('7', 80);
  await user.hangUp();
  t.equal(user.report().audio!.digits, pressed);
  assertQuietLeg(t, user.report());
});

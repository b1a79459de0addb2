import t from 'tap';
import { number } from '../helpers/service.js';
import { openStage, pause, type Stage } from './harness.js';

const user = '+447700900101';
const mayCall = { peers: { pbx: { config: { mayCall: [number] } } } };

/** The PBX dials the user through the service. */
function dial(stage: Stage, to = user, from = number): ReturnType<Stage['peers'][string]['call']> {
  return stage.peers.pbx!.call(`sip:${to}@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${from}@pbx.example>` });
}

for (const keying of ['sdes', 'dtls'] as const) {
  t.test(`audio both ways, ${keying}; the PBX hangs up`, async (t) => {
    const stage = await openStage({ ...mayCall, overlay: { numbers: { [number]: { keying } } } });
    t.teardown(() => stage.close());
    const meta = await stage.answerAsMeta({ keying });
    const call = await dial(stage);
    t.equal(await call.final, 200);
    await pause(2500);
    await call.bye();
    const [cdr] = await stage.running.records(1);
    t.match(cdr, {
      direction: 'business-initiated', number, user: '+4477******01', peer: 'pbx', termination: { by: 'peer', reason: 'hangup' },
      media: { meta: { codec: 'opus', keying }, peer: { codec: 'PCMU' } },
    });
    const [report] = meta.reports;
    t.same(report!.violations, [], 'nothing Meta forbids');
    t.ok(report!.audio!.toneHeard, 'Meta heard the PBX');
    t.ok(call.report().toneHeard, 'the PBX heard Meta');
    t.ok(report!.acknowledged);
    t.same(call.report().faults, []);
  });
}

t.test('Meta hangs up: the PBX gets BYE, the CDR has wacid and duration', async (t) => {
  const stage = await openStage(mayCall);
  t.teardown(() => stage.close());
  const meta = await stage.answerAsMeta({ behaviour: 'tone,hangup=1' });
  const call = await dial(stage);
  const ended = new Promise((resolve) => call.once('ended', resolve));
  t.equal(await call.final, 200);
  t.equal(await ended, 'far');
  const [cdr] = await stage.running.records(1);
  t.match(cdr!.termination, { by: 'user', reason: 'hangup' });
  t.match(cdr!.wacid, /^wacid\./);
  t.equal(typeof cdr!.metaDuration, 'number');
  t.same(meta.reports[0]!.violations, []);
});

t.test('every form of challenge, and of answer: what the PBX gets and what the CDR says', async (t) => {
  const forms: readonly [behaviour: string, steps: number[], algorithm: string | null][] = [
    ['challenge=sha256-md5', [407, 100, 180], 'SHA-256'], ['challenge=md5-sha256', [407, 100, 180], 'SHA-256'], ['challenge=md5', [407, 100, 180], 'MD5'], ['challenge=sha256', [407, 100, 180], 'SHA-256'],
    ['challenge=none', [100, 180], null], ['auth-int', [407, 100, 180], 'SHA-256'], ['noqop', [407, 100, 180], 'SHA-256'], ['stale', [407, 407, 100, 180], 'SHA-256'],
    ['commas', [407, 100, 180], 'SHA-256'], ['noring', [407, 100], 'SHA-256'], ['own', [407, 100, 180], 'SHA-256'], ['challenge=md5,auth-int,commas,stale', [407, 407, 100, 180], 'MD5'],
  ];
  const stage = await openStage(mayCall);
  t.teardown(() => stage.close());
  const meta = await stage.answerAsMeta();
  for (const [index, [behaviour, steps, algorithm]] of forms.entries()) {
    meta.behaviour = `tone,ring=0.1,${behaviour}`;
    const call = await dial(stage, `+4477009001${index + 10}`);
    t.equal(await call.final, 200, behaviour);
    await pause(300);
    await call.bye();
    const cdr = (await stage.running.records(index + 1))[index]!;
    t.match(cdr, { number, termination: { by: 'peer', reason: 'hangup' }, media: { meta: { codec: 'opus' } } }, behaviour);
    while (meta.reports.length <= index) await pause(10);
    const report = meta.reports[index]!;
    t.same(report.violations, [], behaviour);
    t.same(report.steps, steps, behaviour);
    const credentials = /^Proxy-Authorization: (.*)$/im.exec(report.invite)?.[1] ?? null;
    if (algorithm === null) t.equal(credentials, null);
    else t.match(credentials, new RegExp(`^Digest username="447700900001", realm="wa.meta.vc", .*algorithm=${algorithm}`), behaviour);
  }
});

t.test("every refusal of Meta's: what the PBX gets and what the CDR says", async (t) => {
  const rows = [
    ['unknownNumber', 403, 'notConfigured'], ['serverMismatch', 403, 'notConfigured'], ['noPermission', 403, 'noPermission'], ['appNotAuthorized', 403, 'notConfigured'],
    ['dayLimit', 403, 'dailyLimit'], ['duplicate', 486, 'duplicate'], ['badDigest', 403, 'badCredentials'], ['payment', 403, 'payment'], ['sdp', 488, 'sdpRefused'],
    ['noFingerprint', 488, 'sdpRefused'], ['notFound', 404, 'notFound'], ['rtpTimeout', 480, 'mediaTimeout'], ['unreachable', 480, 'unreachable'],
    ['declined', 486, 'declined'], ['error', 503, 'unavailable'], ['overload', 503, 'unavailable'],
  ] as const;
  const stage = await openStage(mayCall);
  t.teardown(() => stage.close());
  const meta = await stage.answerAsMeta();
  for (const [index, [behaviour, status, reason]] of rows.entries()) {
    meta.behaviour = behaviour;
    const call = await dial(stage);
    t.equal(await call.final, status, behaviour);
    const cdr = (await stage.running.records(index + 1))[index]!;
    t.match(cdr.termination, { by: 'meta', reason }, behaviour);
    const last = [...meta.attempts.map((attempt) => ({ status: attempt.status, text: attempt.text })), ...meta.reports.map((report) => ({ status: report.status, text: report.reason }))]
      .find((one) => one.text === cdr.termination.text)!;
    t.ok(last, "the CDR has Meta's words");
    t.match(call.report().message, `\r\nReason: SIP;cause=${last.status};text="${last.text}"\r\n`, "the PBX is told why, with Meta's status");
    t.match(call.report().message, `\r\nWarning: 399 sbc.example.net "${last.text}"\r\n`, "in Meta's words");
    if (index === 2) t.equal(meta.attempts.length + meta.reports.length, 3, 'no permission is never tried again');
  }
});

t.test('a wrong password ends at once with a line that says what to do', async (t) => {
  const stage = await openStage(mayCall);
  t.teardown(() => stage.close());
  await stage.answerAsMeta({ password: 'another' });
  const call = await dial(stage);
  t.equal(await call.final, 403);
  t.ok(stage.running.log.some((line) => line.includes('sip_user_password')));
});

t.test('CANCEL from the PBX: while the challenge is in flight, while ringing, racing the 200', async (t) => {
  const stage = await openStage(mayCall);
  t.teardown(() => stage.close());
  const meta = await stage.answerAsMeta({ behaviour: 'tone,ring=0.05' });
  const rounds = 20;
  for (let round = 0; round < rounds; round++) {
    // A user each: a pair is free again only when Meta has let go of its call.
    const call = await dial(stage, `+4477009001${String(round).padStart(2, '0')}`);
    setTimeout(() => call.cancel(), round * 6);
    const status = await call.final;
    t.ok(status === 487 || status === 200, `round ${round}: ${status}`);
    if (status === 200) await call.bye();
  }
  await stage.running.records(rounds);
  await pause(300);
  t.equal(stage.running.service.table.size, 0);
  t.equal(meta.liveCalls.length, 0, 'Meta has no call left');
  t.same(meta.reports.flatMap((r) => r.violations), []);
});

t.test('a user who never answers: cancelled at the ring timer, 480 to the PBX', async (t) => {
  const stage = await openStage({ ...mayCall, overlay: { meta: { ringTimeout: 5 } } });
  t.teardown(() => stage.close());
  const meta = await stage.answerAsMeta({ behaviour: 'ring' });
  const call = await dial(stage);
  t.equal(await call.final, 480);
  const [cdr] = await stage.running.records(1);
  t.match(cdr!.termination, { by: 'us', reason: 'ringTimeout' });
  await pause(200);
  t.equal(meta.liveCalls.length, 0);
});

t.test('no Meta at all: 503 at once, and the CDR does not blame Meta', async (t) => {
  const stage = await openStage(mayCall);
  t.teardown(() => stage.close());
  await stage.meta.close();
  const call = await dial(stage);
  t.equal(await call.final, 503);
  const [cdr] = await stage.running.records(1);
  t.match(cdr!.termination, { by: 'us', reason: 'metaUnreachable' });
});

t.test('an INVITE without an offer gets ours in the 200', async (t) => {
  const stage = await openStage(mayCall);
  t.teardown(() => stage.close());
  const meta = await stage.answerAsMeta();
  const call = await stage.peers.pbx!.call(`sip:${user}@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>`, delayedOffer: true });
  t.equal(await call.final, 200);
  await pause(1500);
  await call.bye();
  await stage.running.records(1);
  t.same(meta.reports[0]!.violations, []);
  t.ok(meta.reports[0]!.audio!.toneHeard);
});

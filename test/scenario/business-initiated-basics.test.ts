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

for (const behaviour of ['challenge=sha256-md5', 'challenge=md5-sha256', 'challenge=md5', 'challenge=sha256', 'challenge=none', 'auth-int', 'noqop', 'stale', 'commas', 'noring', 'own', 'challenge=md5,auth-int,commas,stale']) {
  t.test(`Meta's forms: ${behaviour}`, async (t) => {
    const stage = await openStage(mayCall);
    t.teardown(() => stage.close());
    const meta = await stage.answerAsMeta({ behaviour: `tone,ring=0.1,${behaviour}` });
    const call = await dial(stage);
    t.equal(await call.final, 200);
    await pause(500);
    await call.bye();
    await stage.running.records(1);
    t.same(meta.reports[0]!.violations, []);
  });
}

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
    t.match(call.report().message, /\r\nReason: /i, 'the PBX is told why');
    t.match(call.report().message, /\r\nWarning: 399 /i, "in Meta's words");
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

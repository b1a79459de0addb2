import t from 'tap';
import { number } from '../helpers/service.js';
import { openStage, pause } from './harness.js';

t.test('a call with audio both ways, hung up by the user: verdict, CDR and headers agree', async (t) => {
  const stage = await openStage();
  t.teardown(() => stage.close());
  const incoming = stage.peers.pbx!.nextCall();
  const report = await stage.call({ payload: 'order-42', countryCode: 'GB', displayName: 'Ann "A" B' });
  t.same(report.violations, []);
  t.ok(report.ok);
  t.equal(report.byeStatus, 200);
  const { headers, from } = (await incoming).report();
  t.match(headers, { 'x-wa-number': number, 'x-wa-wacid': report.wacid, 'x-wa-cta-payload': 'order-42', 'x-wa-country-code': 'GB' });
  t.match(from, /\+447700900101@/);
  const [cdr] = await stage.running.records(1);
  t.match(cdr, {
    direction: 'user-initiated', number, user: '+4477******01', wacid: report.wacid, peer: 'pbx', target: '6001', route: 'main', payload: 'order-42', country: 'GB',
    termination: { by: 'user', reason: 'hangup', status: 200 },
    media: { meta: { codec: 'opus', keying: 'sdes', lost: 0 }, peer: { codec: 'PCMU', keying: 'none' } },
  });
  t.ok(cdr!.media!.meta.packetsIn > 50 && cdr!.media!.meta.packetsOut > 50, 'packets counted both ways');
  t.ok(cdr!.setupMs! >= 0 && cdr!.durationMs! >= 1400);
  t.equal(typeof cdr!.metaDuration, 'number', "Meta's own duration is recorded");
  t.equal(stage.running.service.table.size, 0);
  const ladder = stage.running.service.ladder(cdr!.id)!;
  t.match(ladder, /Meta\s+wa-b2bua\s+pbx/);
  t.notMatch(ladder, /447700900101/, 'the user is masked');
});

t.test('the peer hangs up: Meta gets BYE with a Reason over a connection of our own', async (t) => {
  const stage = await openStage({ peers: { pbx: { answer: 'echo,hangup=0.5' } } });
  t.teardown(() => stage.close());
  const user = stage.user();
  const ended = new Promise((resolve) => user.once('ended', resolve));
  t.equal(await user.place(), 200);
  t.equal(await ended, 'business');
  const report = user.report();
  t.match(report.byeReason, /Q\.850;cause=16/);
  t.same(report.violations, []);
  const [cdr] = await stage.running.records(1);
  t.match(cdr!.termination, { by: 'peer', reason: 'hangup' });
});

t.test('callers of every form: BSUID, user parameters, SHA-256', async (t) => {
  const stage = await openStage();
  t.teardown(() => stage.close());
  for (const options of [{ from: 'GB.1349Abc' }, { userParams: 'tgrp=wacall;trunk-context=byoc.example.com' }, { digest: 'SHA-256' as const }, { digest: 'MD5' as const }]) {
    const report = await stage.call(options, 600);
    t.same(report.violations, [], JSON.stringify(options));
    t.equal(report.status, 200);
  }
  const cdrs = await stage.running.records(4);
  t.equal(cdrs[0]!.user, 'GB.13***bc');
});

t.test('refusals before anything rings', async (t) => {
  const stage = await openStage();
  t.teardown(() => stage.close());
  t.equal((await stage.call({ password: 'wrong' })).status, 403, 'a wrong password');
  t.equal((await stage.call({ number: '+447700900099' })).status, 404, 'a number that is not ours');
  const cdrs = await stage.running.records(2);
  t.match(cdrs[0]!.termination, { by: 'policy', reason: 'auth.failed', status: 403 });
  t.match(cdrs[1]!.termination, { by: 'policy', reason: 'number.unknown', status: 404 });
  t.equal(stage.peers.pbx!.reports.length, 0, 'no peer heard of it');
  t.ok(stage.running.log.some((line) => line.includes('sip_user_password')), 'the log says what to compare');
});

t.test('no media before the 200, media straight after it', async (t) => {
  const stage = await openStage({ peers: { pbx: { answer: 'delay=1' } } });
  t.teardown(() => stage.close());
  const report = await stage.call();
  t.same(report.violations, []);
  t.ok(report.setup.ringingMs !== undefined && report.setup.answeredMs! - report.setup.ringingMs > 800, 'it rang for a second');
  t.ok(report.audio!.firstPacketMs! < 200, `first packet ${report.audio!.firstPacketMs} ms after the 200`);
});

t.test('a peer that never sends a packet: Meta still hears one every 20 ms', async (t) => {
  const stage = await openStage({ peers: { pbx: { answer: 'mute' } } });
  t.teardown(() => stage.close());
  const user = stage.user({ expect: [] });
  t.equal(await user.place(), 200);
  await pause(3000);
  await user.hangUp();
  const { audio, violations } = user.report();
  t.same(violations, []);
  t.ok(audio!.packetsReceived > 130, `${audio!.packetsReceived} packets in three seconds`);
});

import t from 'tap';
import { domain, number, plainListener } from '../helpers/service.js';
import { openStage, pause, type Stage } from '../scenario/harness.js';
import { absent } from './programs.js';
import { startSoftphone, type Softphone } from './softphone.js';

/** Resolves when so many devices are registered; `last` is the phone that has to do something for it. */
async function registered(stage: Stage, count: number, last: Softphone): Promise<{ user: string; userAgent: string; from: string }[]> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const { registrations } = await (await fetch(`http://${stage.running.service.http}/status`)).json() as { registrations: { user: string; userAgent: string; from: string }[] };
    if (registrations.length === count) return registrations;
    if (Date.now() > deadline) throw new Error(`${registrations.length} registrations instead of ${count}; ${last.output()}`);
    await pause(50);
  }
}

for (const transport of ['udp', 'tcp'] as const) {
  t.test(`baresip registers over ${transport}, is called, calls, unregisters`, { skip: absent('baresip') }, async (t) => {
    const stage = await openStage({
      external: {},
      overlay: {
        peers: { phones: { register: true, pstn: 'none', accounts: { 6001: { password: 'pw-6001' }, 6002: { password: 'pw-6002' } }, mayCall: [number], codecs: ['PCMU'] } },
        routes: [{ name: 'main', number, to: [{ peer: 'phones', user: '6001' }] }],
      },
    });
    t.teardown(() => stage.close());
    const meta = await stage.answerAsMeta();
    const registrar = plainListener(stage.running, transport);
    const phone = await startSoftphone({ user: '6001', password: 'pw-6001', domain, registrar, transport, audio: 'echo' });
    t.teardown(() => phone.close());

    const [device] = await registered(stage, 1, phone);
    t.match(device, { user: '6001', userAgent: /^baresip/, from: new RegExp(`^${transport}:127\\.0\\.0\\.1:`) });
    const called = await stage.call({}, 2500);
    t.equal(called.status, 200);
    t.same(called.violations, []);
    t.ok(called.ok, 'the tone came back');

    const caller = await startSoftphone({ user: '6002', password: 'pw-6002', domain, registrar, transport, audio: 'tone' });
    t.teardown(() => caller.close());
    await registered(stage, 2, caller);
    await caller.command('dial', `sip:+447700900101@${domain}`);
    for (let i = 0; i < 200 && !stage.running.service.table.all().some((call) => call.state === 'answered'); i++) await pause(50);
    await pause(2000);
    await caller.command('hangup');
    const [inbound, outbound] = await stage.running.records(2);
    t.match(inbound, { target: '6001', peer: 'phones', termination: { by: 'user', reason: 'hangup' } });
    t.match(outbound, { account: '6002', peer: 'phones', number, direction: 'business-initiated', termination: { by: 'peer', reason: 'hangup' } });
    t.ok(outbound!.media!.peer.packetsIn > 50 && outbound!.media!.meta.packetsIn > 50, 'audio both ways');
    t.same(meta.reports.flatMap((r) => r.violations), []);

    await phone.close();
    await registered(stage, 1, phone);
    t.equal((await stage.call()).status, 480, `nobody is at sip:6001@${domain} any more`);
  });
}

t.test('baresip with a wrong password does not get in', { skip: absent('baresip') }, async (t) => {
  const stage = await openStage({
    external: {},
    overlay: {
      peers: { phones: { register: true, pstn: 'none', accounts: { 6001: { password: 'pw-6001' } } } },
      routes: [{ name: 'main', number, to: [{ peer: 'phones', user: '6001' }] }],
    },
  });
  t.teardown(() => stage.close());
  const phone = await startSoftphone({ user: '6001', password: 'wrong', domain, registrar: plainListener(stage.running, 'udp'), transport: 'udp', audio: 'echo' });
  t.teardown(() => phone.close());
  for (let i = 0; i < 200 && !/403 Forbidden/.test(phone.output()); i++) await pause(50);
  t.match(phone.output(), /403 Forbidden/);
  t.same(await registered(stage, 0, phone), []);
});

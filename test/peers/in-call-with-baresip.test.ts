import t from 'tap';
import { domain, number, plainListener } from '../helpers/service.js';
import { openStage, pause } from '../scenario/harness.js';
import { assertQuietLeg, hears, recordOf, tonesOf, until } from '../scenario/pbx/steps.js';
import { absent } from './programs.js';
import { startSoftphone } from './softphone.js';

t.test('a person at baresip holds, resumes, holds and transfers to a colleague at the PBX', { skip: absent('baresip') }, async (t) => {
  const stage = await openStage({
    peers: { pbx: { answer: 'tone', tones: tonesOf.pbx } },
    overlay: {
      peers: {
        pbx: { sources: ['127.0.3.1/32'] },
        phones: { register: true, pstn: 'none', accounts: { 6001: { password: 'pw-6001' } }, codecs: ['PCMU'], mayTransferTo: ['pbx'] },
      },
      routes: [{ name: 'main', number, to: [{ peer: 'phones', user: '6001' }] }],
    },
  });
  t.teardown(() => stage.close());
  const registrar = plainListener(stage.running, 'udp');
  const phone = await startSoftphone({ user: '6001', password: 'pw-6001', domain, registrar, transport: 'udp', audio: 'tone' });
  t.teardown(() => phone.close());
  await until(() => stage.running.log.some((line) => line.includes('registered')), 'baresip registers');

  // baresip says 440 Hz; the colleague has tones of his own.
  const user = stage.user({ expect: [440] });
  t.equal(await user.place(), 200);
  await hears(user, 'tone');
  await phone.command('hold');
  await hears(user, 'music', 50);
  await phone.command('resume');
  const back = await hears(user, 'tone', 2);
  t.ok(back < 1000, `heard again ${Math.round(back)} ms after the command`);
  const next = stage.peers.pbx!.nextCall();
  await phone.command('transfer', `sip:6002@127.0.0.1:${stage.peers.pbx!.port}`);
  const colleague = await next;
  await until(() => colleague.report().status === 200, 'the colleague answers');
  await pause(1500);
  t.ok(colleague.report().toneHeard, 'the colleague hears the user');
  t.equal(stage.running.service.table.onPeer('phones'), 0, 'baresip has left');
  await user.hangUp();
  t.match(await recordOf(stage, user), { peer: 'pbx', target: '6002', transfers: [{ kind: 'blind', by: 'phones', to: '6002@pbx', status: 200 }], termination: { by: 'user' } });
  assertQuietLeg(t, user.report());
});

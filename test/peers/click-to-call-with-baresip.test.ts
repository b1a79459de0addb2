// Click-to-call with a telephone that others wrote: the agent's baresip, registered here, is rung and joined with a WhatsApp user.
import t from 'tap';
import { ApiClient, apiKeys, tokens } from '../helpers/apiClient.js';
import { domain, number, plainListener } from '../helpers/service.js';
import { openStage, pause } from '../scenario/harness.js';
import { until } from '../scenario/pbx/steps.js';
import { absent } from './programs.js';
import { startSoftphone } from './softphone.js';

for (const first of ['peer', 'user'] as const) {
  t.test(`${first} first: baresip answers, both hear each other, its hold is told, the API hangs up`, { skip: absent('baresip') }, async (t) => {
    const stage = await openStage({
      peers: { pbx: {} },
      overlay: {
        api: apiKeys,
        peers: { pbx: { sources: ['127.0.3.1/32'] }, phones: { register: true, pstn: 'none', accounts: { 6001: { password: 'pw-6001' } }, codecs: ['PCMU'], mayCall: [number] } },
      },
    });
    t.teardown(() => stage.close());
    const meta = await stage.answerAsMeta({ behaviour: 'tone,ring=0.5' });
    const phone = await startSoftphone({ user: '6001', password: 'pw-6001', domain, registrar: plainListener(stage.running, 'udp'), transport: 'udp', audio: 'tone' });
    t.teardown(() => phone.close());
    await until(() => stage.running.log.some((line) => line.includes('registered')), 'baresip registers');
    const api = new ApiClient(stage.running.service.api, tokens.all);
    const events = await api.events();
    const { status, body } = await api.post('/v1/calls', { number, user: '+447700900101', peer: 'phones', peerUser: '6001', first });
    t.equal(status, 201);
    await events.when(({ type, data }) => type === 'call.answered' && data.leg === (first === 'peer' ? 'meta' : 'peer'), 'the second answer');
    await pause(1500);
    await phone.command('hold');
    t.match((await events.when(({ type }) => type === 'call.held')).data, { by: 'peer' });
    await phone.command('resume');
    await events.when(({ type }) => type === 'call.resumed');
    await pause(500);
    t.equal((await api.ask('DELETE', `/v1/calls/${body.id}`)).status, 204);
    await events.when(({ type }) => type === 'call.ended');
    events.close();
    const [cdr] = await stage.running.records(1);
    t.match(cdr, { peer: 'phones', target: '6001', termination: { by: 'us', reason: 'hangup' }, media: { peer: { codec: 'PCMU' } } });
    t.ok(cdr!.media!.peer.packetsIn > 50 && cdr!.media!.peer.packetsOut > 50);
    await until(() => meta.reports.length > 0, 'Meta has its BYE');
    t.same(meta.reports[0]!.violations, []);
    t.ok(meta.reports[0]!.audio!.toneHeard, 'the user heard baresip');
  });
}

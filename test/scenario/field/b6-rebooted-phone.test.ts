// B6: a phone that lost its power: CSeq from 1 again in the same Call-ID, and a connection that is gone.
import t, { type Test } from 'tap';
import { engines } from '../../helpers/engines.js';
import { RawPhone } from '../../helpers/rawPhone.js';
import { domain, number, plainListener } from '../../helpers/service.js';
import { openStage, type StageOptions } from '../harness.js';
import { until } from '../pbx/steps.js';

const who = { username: '6001', password: 'pw-6001' };
const instance = (id: number): string => `+sip.instance="<urn:uuid:00000000-0000-1000-8000-000000000001>";reg-id=${id}`;

async function stageOf(t: Test, overlay: StageOptions['overlay'] = {}) {
  const stage = await openStage({
    external: {},
    overlay: {
      peers: { phones: { register: true, pstn: 'none', accounts: { 6001: { password: 'pw-6001' } }, mayCall: [number] } },
      routes: [{ name: 'main', number, to: [{ peer: 'phones', user: '6001' }] }], ...overlay,
    },
  });
  t.teardown(() => stage.close());
  const open = async (transport: 'udp' | 'tcp'): Promise<RawPhone> => {
    const [host, port] = plainListener(stage.running, transport).split(':');
    const phone = await RawPhone.open(domain, transport, { host: host!, port: Number(port) });
    t.teardown(() => phone.close());
    return phone;
  };
  const from = async (): Promise<string[]> => (await (await fetch(`http://${stage.running.service.http}/status`)).json() as { registrations: { from: string }[] }).registrations.map((one) => one.from);
  return { stage, open, from };
}

t.test('the same Call-ID and a lower CSeq, over UDP and TCP: the phone is reached where it is now', async (t) => {
  const { open, from } = await stageOf(t);
  for (const transport of ['udp', 'tcp'] as const) {
    const callId = RawPhone.newCallId();
    const contact = `<sip:6001@192.0.2.50:5060;transport=${transport}>`;
    const before = await open(transport);
    t.equal((await before.authenticated({ callId, cseq: 40, contact }, who)).status, 200);
    const after = await open(transport);
    t.equal((await after.authenticated({ callId, cseq: 1, contact }, who)).status, 200, transport);
    t.same(await from(), [`${transport}:${after.here}`]);
    t.equal((await after.authenticated({ callId, cseq: 5, contact: '*', expires: 0 }, who)).status, 200);
  }
});

for (const thread of [false, true]) {
  t.test(`a connection that has closed takes its registration along, and no other (thread: ${thread})`, { skip: engines.sip === 'embedded' ? false : 'drachtio-server does not tell' }, async (t) => {
    const { open, from, stage } = await stageOf(t, { sip: { thread } });
    const plain = await open('tcp');
    t.equal((await plain.authenticated({}, who)).status, 200);
    const flows = [await open('tcp'), await open('tcp')];
    for (const [index, flow] of flows.entries()) {
      t.equal((await flow.authenticated({ contact: `<sip:6001@${flow.here};transport=tcp>;${instance(index + 1)}`, lines: ['Supported: outbound, path'] }, who)).status, 200);
    }
    t.equal((await from()).length, 3);
    plain.close();
    flows[0]!.close();
    await until(() => stage.running.log.filter((line) => line.includes('its connection has closed')).length === 2, 'two are gone');
    t.same(await from(), [`tcp:${flows[1]!.here}`]);
  });
}

// H3, N6: a phone with a good password of its own says that it is somebody else, in credentials that are not judged.
import t, { type Test } from 'tap';
import { sdp } from '../../helpers/rawPeer.js';
import { RawPhone } from '../../helpers/rawPhone.js';
import { domain, number, plainListener } from '../../helpers/service.js';
import { openStage, type Stage } from '../harness.js';

const office = '+447700900002';
const who = { username: '6001', password: 'pw-6001' };
const user = '+447700900101';

async function stageOf(t: Test): Promise<{ stage: Stage; phone: RawPhone; callers: () => string[] }> {
  const stage = await openStage({
    external: {},
    overlay: {
      numbers: { [office]: { password: 'another' } },
      peers: {
        headoffice: { uri: 'sip:127.0.0.1:5999', sources: [], digest: { username: 'trunk', password: 'unknown-to-the-phone' }, pstn: 'none', users: ['7001'], mayCall: [office], health: { interval: 0 } },
        phones: { register: true, pstn: 'none', accounts: { 6001: { password: 'pw-6001' }, 6002: { password: 'pw-6002' } }, mayCall: [number] },
      },
      routes: [{ name: 'main', number, to: [{ peer: 'phones', user: '6001' }] }],
      meta: { mediaTimeout: 0 }, limits: { ban: { after: 0 } },
    },
  });
  t.teardown(() => stage.close());
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noPermission', numbers: [{ number, password: 'n0t-a-secret', hostname: domain }, { number: office, password: 'another', hostname: domain }] });
  const [host, port] = plainListener(stage.running, 'udp').split(':');
  const phone = await RawPhone.open(domain, 'udp', { host: host!, port: Number(port) });
  t.teardown(() => phone.close());
  return { stage, phone, callers: () => meta.reports.map(({ invite }) => /^From: <sip:([^@]+)@/im.exec(invite)![1]!) };
}

const invite = { method: 'INVITE', uri: `sip:${user}@${domain}`, body: sdp() };
const elsewhere = (name: string, realm = 'x'): string => `Digest username="${name}", realm="${realm}", nonce="n", uri="sip:x", response="00"`;
const basic = (name: string): string => `Basic ${Buffer.from(`${name}:secret`).toString('base64')}`;

/** Header lines beside the phone's own good credentials. */
const forgeries: Record<string, (ours: string) => readonly string[]> = {
  'another realm in front': (ours) => [`Authorization: ${elsewhere('trunk')}, ${ours}`],
  'another realm behind': (ours) => [`Authorization: ${ours}, ${elsewhere('trunk')}`],
  'Basic with parameters': (ours) => [`Authorization: Basic username="trunk", ${ours}`],
  'Basic as it is written': (ours) => [`Authorization: ${basic('trunk')}, ${ours}`],
  'two header lines': (ours) => [`Authorization: ${elsewhere('trunk')}`, `Authorization: ${ours}`],
  'two header lines in two cases': (ours) => [`AUTHORIZATION: ${elsewhere('trunk')}`, `Authorization: ${ours}`],
  'Proxy-Authorization beside': (ours) => [`Proxy-Authorization: ${elsewhere('trunk')}`, `Authorization: ${ours}`],
  'another account of the same peer': (ours) => [`Authorization: ${elsewhere('6002')}, ${ours}`],
};

t.test('INVITE: whoever is named beside, the call is that of the account whose password was shown', async (t) => {
  const { stage, phone, callers } = await stageOf(t);
  const names = Object.keys(forgeries);
  for (const name of names) {
    const answer = await phone.authenticated(invite, who, forgeries[name]);
    t.equal(answer.status, 403, `${name}: refused by Meta, as every call here`);
  }
  t.same(callers(), names.map(() => number), 'as the business number of the phone, never of the trunk');
  const records = await stage.running.records(names.length);
  t.same(records.map(({ peer, account }) => `${peer} ${account}`), names.map(() => 'phones 6001'));
});

t.test('two values for our realm are nobody', async (t) => {
  const { phone, callers } = await stageOf(t);
  const forged: ((ours: string) => readonly string[])[] = [
    (ours) => [`Authorization: ${elsewhere('trunk', domain)}, ${ours}`], (ours) => [`Authorization: ${ours}, ${elsewhere('trunk', domain)}`],
    (ours) => [`Authorization: ${elsewhere('6002', domain)}`, `Authorization: ${ours}`], (ours) => [`Authorization: ${ours}`, `Proxy-Authorization: ${elsewhere('trunk', domain)}`],
    (ours) => [`Authorization: ${ours.replace('Digest ', 'Digest username="trunk", ')}`], (ours) => [`Authorization: ${ours}, username="trunk"`],
  ];
  for (const lines of forged) {
    const answer = await phone.authenticated(invite, who, lines);
    t.ok([401, 403].includes(answer.status), lines('…').join(' | '));
  }
  t.same(callers(), []);
});

t.test('REGISTER: only for the account whose password was shown', async (t) => {
  const { stage, phone } = await stageOf(t);
  // The answers to faults in a row are held back: two are enough.
  for (const name of ['another account of the same peer', 'two header lines']) t.equal((await phone.authenticated({ user: '6002' }, who, forgeries[name])).status, 403, `${name}: 6001 is not 6002`);
  for (const [name, lines] of Object.entries(forgeries)) t.equal((await phone.authenticated({}, who, lines)).status, 200, `${name}: 6001 is 6001`);
  const { registrations } = await (await fetch(`http://${stage.running.service.http}/status`)).json() as { registrations: { user: string }[] };
  t.same([...new Set(registrations.map((one) => one.user))], ['6001']);
});

// L4, L5, L10: what a stolen password, another name of a user and a From of one's own choice are good for; by whole calls.
import t from 'tap';
import { startPeer } from '../../../lib/simulator/index.js';
import { sdp } from '../../helpers/rawPeer.js';
import { RawPhone } from '../../helpers/rawPhone.js';
import { domain, number, plainListener } from '../../helpers/service.js';
import { openStage, pause } from '../harness.js';
import { until } from '../pbx/steps.js';
import { ended } from '../../../lib/call/termination.js';

const user = '+447700900101';
const id = 'GB.13491208655302741918';
const who = { username: '6001', password: 'pw-6001' };
const accounts = { 6001: { password: 'pw-6001', maxConcurrentCalls: 1, callsPerDay: 3 }, 6002: { password: 'pw-6002' } };

const stage = await openStage({
  external: {},
  overlay: {
    peers: { phones: { register: true, pstn: 'none', accounts, mayCall: [number], codecs: ['PCMU'] } },
    routes: [{ name: 'main', number, to: [{ peer: 'phones', user: '6002' }], ringTimeout: 20 }], meta: { mediaTimeout: 0 },
  },
});
t.teardown(() => stage.close());
const [host, port] = plainListener(stage.running, 'udp').split(':');
const phone = await RawPhone.open(domain, 'udp', { host: host!, port: Number(port) });
t.teardown(() => phone.close());
const dial = async (to: string, more: object = {}): Promise<string> => {
  const answer = await phone.authenticated({ method: 'INVITE', uri: `sip:${to}@${domain}`, body: sdp(), ...more }, who);
  return `${answer.status} ${/text="([^"]*)"/.exec(answer.get('reason') ?? '')?.[1] ?? ''}`;
};

t.test('L5: a user who is in a call under one name is so under all', async (t) => {
  const device = await startPeer({ codecs: ['PCMU'], user: '6002' });
  t.teardown(() => device.close());
  t.equal((await device.register({ registrar: `udp:${host}:${port}`, domain, auth: { username: '6002', password: 'pw-6002' } })).status, 200);
  const caller = stage.user({ from: user.slice(1), userId: id });
  t.equal(await caller.place(), 200);
  t.match(await dial(id), /^503 this user is in a call/);
  t.match(await dial(user), /^503 this user is in a call/);
  await caller.hangUp();
  await device.register({ registrar: `udp:${host}:${port}`, domain, auth: { username: '6002', password: 'pw-6002' }, contact: '*', expires: 0 });
});

t.test('L4: the account carries its calls, and no more a day', async (t) => {
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'ring=20' });
  const began = meta.reports.length;
  const first = dial('+447700900201');
  await until(() => meta.liveCalls.length === 1, 'the first rings');
  t.match(await dial('+447700900202'), /^503 6001 has 1 calls of its own already/);
  for (const call of stage.running.service.table.all()) call.end(ended.userHungUp('enough'));
  await first;
  for (const to of ['+447700900203', '+447700900204']) {
    const next = dial(to);
    await until(() => stage.running.service.table.size === 1 && meta.liveCalls.length > 0, 'it rings');
    await pause(100);
    for (const call of stage.running.service.table.all()) call.end(ended.userHungUp('enough'));
    await next;
  }
  t.match(await dial('+447700900205'), /^403 6001 has placed 3 calls in 24 h/);
  t.ok(meta.reports.length - began <= 3);
});

t.test('L10: who picks up is the account, whatever the From says', async (t) => {
  const device = await startPeer({ codecs: ['PCMU'], user: '6002', answer: 'ring' });
  t.teardown(() => device.close());
  t.equal((await device.register({ registrar: `udp:${host}:${port}`, domain, auth: { username: '6002', password: 'pw-6002' } })).status, 200);
  const caller = stage.user();
  const placed = caller.place();
  const ringing = await device.nextCall();
  await new Promise<void>((resolve) => caller.once('ringing', () => resolve()));
  const tag = /\r\nFrom:[^\r]*;tag=([^;\r]+)/i.exec(ringing.report().message)![1]!;
  const replaces = `Replaces: ${ringing.callId};to-tag=${tag};from-tag=${ringing.tag};early-only`;
  const uri = `sip:pickup@${domain}`;
  const answer = await phone.authenticated({ method: 'INVITE', uri, from: `<sip:6002@${domain}>`, body: sdp(), lines: [replaces] }, who);
  t.equal(answer.status, 200);
  t.equal(await placed, 200);
  await caller.hangUp();
  await until(() => stage.running.service.table.size === 0, 'it is over');
  // Records of the calls before may still be on their way to the file.
  const { wacid } = caller.report();
  let record;
  for (let count = 1; record === undefined; count++) record = (await stage.running.records(count)).find((one) => one.wacid === wacid);
  t.match(record?.transfers, [{ kind: 'pickup', by: 'phones', to: '6001@phones', status: 200 }]);
});

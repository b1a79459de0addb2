// B4, B5: where a phone may register, and what it may write into its Contact; judged by whole calls.
import t from 'tap';
import { startPeer } from '../../../lib/simulator/index.js';
import { engines } from '../../helpers/engines.js';
import { RawPhone } from '../../helpers/rawPhone.js';
import { domain, number, plainListener } from '../../helpers/service.js';
import { openStage } from '../harness.js';
import { until } from '../pbx/steps.js';

const accounts = { 6001: { password: 'pw-6001' }, 6002: { password: 'pw-6002' } };

t.test('B4: registered at an address of ours, called, and transferred to by that address', { skip: engines.sip === 'embedded' ? false : 'drachtio-server has its own addresses' }, async (t) => {
  const stage = await openStage({
    external: {},
    overlay: {
      sip: { listen: ['tls:127.0.0.1:0', 'udp:0.0.0.0:0', 'tcp:0.0.0.0:0'] },
      peers: { phones: { register: true, pstn: 'none', accounts, mayCall: [number], codecs: ['PCMU'] } },
      routes: [{ name: 'main', number, to: [{ peer: 'phones', user: '6001' }], ringTimeout: 5 }],
    },
  });
  t.teardown(() => stage.close());
  const port = Number(plainListener(stage.running, 'udp').split(':')[1]);
  const raw = await RawPhone.open(domain, 'udp', { host: '127.0.0.1', port });
  t.teardown(() => raw.close());
  const at = async (to: string, uri: string): Promise<number> => (await raw.authenticated({ to: `<sip:6001@${to}>`, uri: `sip:${uri}` }, { username: '6001', password: 'pw-6001' })).status;
  for (const host of [domain, `${domain.toUpperCase()}.`, '127.0.0.1', `127.0.0.1:${port}`]) {
    t.equal(await at(host, domain), 200, `To ${host}`);
    t.equal(await at(domain, host), 200, `Request-URI ${host}`);
  }
  for (const host of ['198.51.100.1', 'pbx.example.net', 'phones.registered.invalid']) {
    t.equal(await at(host, domain), 404, `To ${host}`);
    t.equal(await at(domain, host), 404, `Request-URI ${host}`);
  }
  t.equal((await raw.ask({ to: '<sip:6001@198.51.100.1>' })).status, 401, 'told to who shows a password only');

  t.equal((await raw.authenticated({ contact: '*', expires: 0 }, { username: '6001', password: 'pw-6001' })).status, 200);
  const devices = await Promise.all(['6001', '6002'].map((user) => startPeer({ codecs: ['PCMU'], user })));
  t.teardown(() => Promise.all(devices.map((device) => device.close())));
  for (const [index, user] of ['6001', '6002'].entries()) {
    const answer = await devices[index]!.register({ registrar: `udp:127.0.0.1:${port}`, domain: '127.0.0.1', auth: { username: user, password: `pw-${user}` } });
    t.equal(answer.status, 200);
  }
  const user = stage.user();
  t.equal(await user.place(), 200);
  const call = devices[0]!.lastCall!;
  t.equal(await call.refer('sip:6002@127.0.0.1'), 202);
  await until(() => devices[1]!.lastCall !== undefined && call.ended, 'the other phone has the call');
  await user.hangUp();
  const [cdr] = await stage.running.records(1);
  t.match(cdr!.transfers, [{ kind: 'blind', by: 'phones', to: '6002@phones', status: 200 }]);
});

t.test('B5: a Contact with user=phone: the phone registers, and is called where it registered from', async (t) => {
  const stage = await openStage({
    external: {},
    overlay: {
      peers: { phones: { register: true, pstn: 'none', accounts, mayCall: [number], codecs: ['PCMU'] } },
      routes: [{ name: 'main', number, to: [{ peer: 'phones', user: '6001' }], ringTimeout: 5 }],
    },
  });
  t.teardown(() => stage.close());
  for (const transport of ['udp', 'tcp'] as const) {
    const phone = await startPeer({ codecs: ['PCMU'], user: '6001', listen: `${transport}:127.0.0.1:0` });
    const register = (contact: string, expires?: number) => phone.register({ registrar: `${transport}:${plainListener(stage.running, transport)}`, domain, auth: { username: '6001', password: 'pw-6001' }, contact, expires });
    t.equal((await register(`<sip:6001@192.0.2.50:5060;user=phone;transport=${transport}>`)).status, 200, transport);
    t.equal((await register(`<sip:6002@192.0.2.50:5060;user=phone;transport=${transport}>`)).status, 403, 'another user is to be dialled');
    const report = await stage.call({}, 500);
    t.equal(report.status, 200);
    await until(() => phone.reports.length > 0, 'its report');
    t.match(phone.reports[0]!.message, new RegExp(`^INVITE sip:6001@192\\.0\\.2\\.50:5060;user=phone;transport=${transport} SIP`), 'its own words, RFC 3261 §10.3');
    t.equal((await register('*', 0)).status, 200);
    await phone.close();
  }
});

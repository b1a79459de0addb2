import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { Config } from '../../../lib/config/types.js';
import { verifyAudit } from '../../../lib/observe/auditVerify.js';
import { startPeer } from '../../../lib/simulator/index.js';
import { number } from '../../helpers/service.js';
import { openStage, pause, type Stage } from '../harness.js';

/** The configuration in force, with some of it exchanged; its hash is of no account here. */
function changed(stage: Stage, edit: (config: Config) => Partial<Config>): Config {
  const config = stage.running.config;
  return { ...config, hash: 'changed', ...edit(config) };
}

const withPbx = (more: object) => (config: Config): Partial<Config> => ({ peers: { ...config.peers, pbx: { ...config.peers.pbx!, ...more } } });

t.test('a reload judges the calls that are up again: those that would be denied now end, the others do not notice', async (t) => {
  const audit = join(t.testdir(), 'audit.jsonl');
  const stage = await openStage({ peers: { pbx: { config: { users: ['6[0-9]{3}', 'support'], mayCall: [number] } } }, overlay: { policy: { audit }, routes: [
    { name: 'staying', number, payload: '^stay$', to: [{ peer: 'pbx', user: 'support' }] }, { name: 'going', number, to: [{ peer: 'pbx', user: '6001' }] },
  ] } });
  t.teardown(() => stage.close());
  await stage.answerAsMeta();
  const [stays, goes] = [stage.user({ payload: 'stay', expect: [] }), stage.user({ expect: [] })];
  t.same([await stays.place(), await goes.place()], [200, 200]);
  const business = await stage.peers.pbx!.call(`sip:+447700900102@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>` });
  t.equal(await business.final, 200);
  const gone = new Promise((resolve) => goes.once('ended', resolve));

  // The routes change their names, too: calls that are up do not mind.
  const routes = (config: Config): Config['routes'] => config.routes.filter(({ name }) => name === 'staying').map((route) => ({ ...route, name: 'renamed' }));
  await stage.running.service.reload(changed(stage, (config) => ({ ...withPbx({ users: ['support'] })(config), routes: routes(config) })));
  t.equal(await gone, 'business');
  t.match(goes.report().byeReason, /^SIP;cause=403;text="by the new configuration: /);
  const [cdr] = await stage.running.records(1);
  t.match(cdr!.termination, { by: 'policy', reason: 'target.user', rule: 'target.user' });
  await pause(200);
  t.same([stays.report().endedBy, business.report().endedBy, stage.running.service.table.size], ['nobody', 'nobody', 2]);

  await stage.running.service.reload(changed(stage, (config) => ({ ...withPbx({ users: ['support'], mayCall: [] })(config), routes: routes(config) })));
  const [, second] = await stage.running.records(2);
  t.match(second, { direction: 'business-initiated', termination: { by: 'policy', reason: 'caller.noNumber' } });
  t.equal(stays.report().endedBy, 'nobody');
  await stays.hangUp();
  await stage.close();
  t.match(await verifyAudit([audit]), { ok: true, lines: 5 }, 'three allowed, two denied at the reloads');
  t.match((await readFile(audit, 'utf8')).split('\n')[3], '"config":"changed"', 'each names the configuration it was made under');
});

t.test('recheckOnReload: false leaves the calls that are up alone', async (t) => {
  const stage = await openStage();
  t.teardown(() => stage.close());
  const user = stage.user({ expect: [] });
  t.equal(await user.place(), 200);
  await stage.running.service.reload(changed(stage, (config) => ({ ...withPbx({ users: ['other'] })(config), routes: [], policy: { ...config.policy, recheckOnReload: false } })));
  await pause(300);
  t.equal(user.report().endedBy, 'nobody');
  await user.hangUp();
  const second = await stage.call({ expect: [] });
  t.equal(second.status, 404, 'new calls go by the new rules');
});

t.test('a configuration with a leak is refused at a reload, and the old rules stay in force', async (t) => {
  const other = await startPeer({ codecs: ['PCMU'] });
  t.teardown(() => other.close());
  const stage = await openStage();
  t.teardown(() => stage.close());
  const leaky = changed(stage, (config) => ({ peers: { ...config.peers, gw: { ...config.peers.pbx!, uri: other.uri, pstn: 'carrier' } }, routes: [{ ...config.routes[0]!, to: [{ peer: 'gw', user: '6001' }] }] }));
  await t.rejects(stage.running.service.reload(leaky), { code: 'CONFIG_INVALID', message: /target\.gateway.*\n {4}path: number \+447700900001 -> route main -> 6001 at peer gw/ });
  const report = await stage.call({}, 800);
  t.ok(report.ok, 'calls go where they went');
  t.equal(stage.peers.pbx!.lastCall!.report().status, 200);
  t.notOk(other.lastCall, 'and not there');
});

// The service looks at its numbers' settings at Meta: told once when something differs, and once when it does not any more.
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { SettingsWatch } from '../../../lib/app/settingsWatch.js';
import { parseConfig } from '../../../lib/config/load.js';
import type { Config } from '../../../lib/config/types.js';
import type { Logger } from '../../../lib/observe/logger.js';
import { Guard } from '../../../lib/util/guard.js';
import { applyNumber } from '../../../lib/graph/provision/provision.js';
import { id, number, stage, token, type Stage } from '../graph/rig.js';

interface Watched extends Stage { readonly watch: SettingsWatch; readonly said: string[]; readonly news: object[]; readonly look: () => Promise<void>; config: Config }

async function watched(t: Test): Promise<Watched> {
  const all = await stage(t);
  const text = stringify({
    domain: 'sbc.example.net', sip: { listen: ['tls:127.0.0.1:5061'], tls: { cert: 'c', key: 'k' } }, graph: { url: all.graph.url, token }, numbers: { [number]: { passwordFile: `${t.testdir()}/password`, id, settings: {} } },
    peers: { pbx: { uri: 'sip:127.0.0.1:5060', pstn: 'none', users: ['6001'] } }, routes: [{ name: 'all', number, to: [{ peer: 'pbx', user: '6001' }] }],
  });
  const said: string[] = [];
  const news: object[] = [];
  const hear = (fields: object, message: string): void => { said.push(`${message} ${JSON.stringify(fields)}`); };
  const faults = new Guard(() => undefined, (_place, error) => { said.push(`fault ${error.message}`); });
  const config = parseConfig(text, { env: {}, path: 'c.yaml' });
  const client = (): Stage['client'] | null => (watching.config.graph === null ? null : all.client);
  const watch = new SettingsWatch(() => watching.config, client, { warn: hear, info: hear } as unknown as Logger, faults, (of, found) => { news.push({ of, differences: found.differences.length }); });
  t.teardown(() => watch.close());
  const watching: Watched = {
    ...all, watch, said, news, config,
    look: async () => {
      watch.look(number);
      await watch.idle();
    },
  };
  return watching;
}

t.test('differences are told once, and so is that there are none any more', async (t) => {
  const { watch, said, look, client, config, graph } = await watched(t);
  watch.start();
  await watch.idle();
  t.match(watch.drift(), { [number]: 4 });
  t.match(said[0], /settings at Meta differ.*"key":"server","is":"none"/);
  const before = said.length;
  await look();
  t.equal(said.length, before, 'not said again');
  t.same((await applyNumber({ client, config, now: Date.now }, number)).differences, []);
  await look();
  t.same(watch.drift(), { [number]: 0 });
  t.match(said.at(-1), /as the configuration wants them/);
  graph.change(number, 'srtp_key_exchange_protocol', 'DTLS');
  await look();
  t.same(watch.drift(), { [number]: 1 });
  t.match(said.at(-1), /differ.*srtp/);
  const password = graph.world.numbers[0]!.servers.values().next().value?.password ?? 'none';
  t.notOk(said.join().includes(password));
  t.notOk(said.join().includes(token));
});

t.test('Meta that cannot be asked is told of once, and nothing is known then', async (t) => {
  const { watch, said, look, graph } = await watched(t);
  graph.behave('token');
  await look();
  await look();
  t.equal(said.length, 1);
  t.match(said[0], /could not be looked at.*190/);
  t.same(watch.drift(), {});
});

t.test('that Meta could not be asked meanwhile is no news of the settings', async (t) => {
  const { look, graph, said, news } = await watched(t);
  await look();
  t.same(news, [{ of: number, differences: 4 }]);
  graph.behave('token');
  await look();
  graph.behave({});
  const before = said.length;
  await look();
  t.match(said.slice(before), [/settings at Meta differ/], 'the log says that they can be seen again');
  t.equal(news.length, 1, 'nothing of what others are told of has changed');
  graph.change(number, 'status', 'ENABLED');
  await look();
  t.equal(news.length, 2);
});

t.test('a reload may take a number, or all of it, away', async (t) => {
  const watching = await watched(t);
  await watching.look();
  t.same(Object.keys(watching.watch.drift()), [number]);
  const own = watching.config.numbers[number]!;
  watching.config = { ...watching.config, numbers: { [number]: { ...own, settings: null } } };
  watching.watch.start();
  t.same(watching.watch.drift(), {});
  watching.config = { ...watching.config, graph: null };
  await watching.look();
  t.same(watching.watch.drift(), {});
});

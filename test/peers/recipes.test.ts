// The pages of docs/peers say which file each block of configuration is, so that the tests beside this one can run them; the other examples run here.
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { parseConfig } from '../../lib/config/load.js';
import { startPeer } from '../../lib/simulator/index.js';
import { hears } from '../scenario/pbx/steps.js';
import { blocksOf, pageText, putHere, unmarked, withBlocks } from './recipe/docs.js';
import { openRecipe } from './recipe/stage.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Pages that configure no program of somebody else's. */
const explaining = ['mutual-tls.md', 'phones.md'];

t.test('every block of configuration names its file', async (t) => {
  for (const name of await readdir(`${root}docs/peers`)) {
    const page = await pageText(`docs/peers/${name}`);
    t.same(unmarked(page), [], name);
    if (!explaining.includes(name)) t.ok(blocksOf(page).length > 0, `${name} has some`);
  }
  t.same(unmarked('text\n```ini\n[a]\n```\n'), ['```ini\n[a]\n```\n'], 'one that does not is found');
});

t.test('blocks are put where they belong, and addresses are those of here', async (t) => {
  const blocks = blocksOf('<!-- file: a.xml, inside: list -->\n```xml\n<b/>\n```\nand\n<!-- file: c.conf -->\n```ini\n10.0.0.4:5060 at 10.0.0.7\n```\n');
  t.same(blocks.map(({ file, inside }) => [file, inside]), [['a.xml', 'list'], ['c.conf', null]]);
  t.same(withBlocks(new Map([['a.xml', '<list>\n</list>\n']]), blocks).get('a.xml'), '<list>\n<b/>\n</list>\n');
  t.equal(putHere(blocks[1]?.text ?? '', [['10.0.0.4:5060', '127.0.0.4:5999']]), '127.0.0.4:5999 at 127.0.0.7\n');
  t.throws(() => withBlocks(new Map([['a.xml', '']]), blocks), /no element list/);
});

t.test('every example loads as it stands', async (t) => {
  const cluster = { REDIS_PASSWORD: 'j', NODE_NAME: 'a', NODE_ADDRESS: '10.0.0.4', NODE_PUBLIC: '203.0.113.4', NODE_SECRET: 'the-nodes-only-0123456789', OPS_TOKEN: 'ops-0123456789abcdef' };
  const env = { WA_PASSWORD: 'a', ASTERISK_PASSWORD: 'b', FREESWITCH_IN: 'c', FREESWITCH_OUT: 'd', PHONE_6001: 'e', PHONE_6002: 'f', DRACHTIO_SECRET: 'g', ESL_SECRET: 'h', PRIVATE_IP: '10.0.0.6', PUBLIC_IP: '203.0.113.6', AGENT_TOKEN: 'i', ...cluster };
  for (const name of await readdir(`${root}config/examples`)) {
    const text = await pageText(`config/examples/${name}`);
    t.doesNotThrow(() => parseConfig(text, { env, path: name }), name);
  }
  // docker-compose.yml and the systemd unit hand it these and no others.
  const given = new Set([...(await pageText('.env.example')).matchAll(/^(\w+)=/gm)].map(([, name]) => name));
  for (const [, name = ''] of (await pageText('config/examples/production.yaml')).matchAll(/\$\{(\w+)\}/g)) t.ok(given.has(name), `${name} stands in .env.example`);
});

t.test('local-demo.yaml with an echo behind it', async (t) => {
  const echo = await startPeer({ codecs: ['PCMU'], answer: 'echo' });
  t.teardown(() => echo.close());
  const stage = await openRecipe({ example: 'local-demo.yaml', env: {}, places: [['127.0.0.1:5080', `127.0.0.1:${echo.port}`]] });
  t.teardown(() => stage.close());
  const user = stage.user();
  t.equal(await user.place(), 200);
  await hears(user, 'tone');
  await user.hangUp();
  t.match(await stage.recordOf(user), { peer: 'echo', target: '6001', termination: { by: 'user', reason: 'hangup' } });
});

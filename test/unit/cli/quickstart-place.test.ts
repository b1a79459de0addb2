// Files of the demonstration: where they go, and that nothing of anybody else's is touched.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openPlace, writeApiEnv, writeConfiguration, writeSound } from '../../../lib/cli/quickstart/place.js';
import { loadConfig } from '../../../lib/config/load.js';

t.test('a temporary folder is made, private, and removed', async (t) => {
  const place = openPlace(undefined);
  t.ok(existsSync(place.certificates.service.key));
  place.remove();
  t.notOk(existsSync(place.dir));
});

t.test('a named folder is made where it is missing, taken again, and stays', async (t) => {
  const dir = join(t.testdir(), 'new', '"quoted" # and: blank');
  const place = openPlace(dir);
  writeConfiguration(place, 'sip:127.0.0.1:5080;transport=udp', 5062, { api: { port: 8081, token: 'a-token-0123456789abc' } });
  writeSound(place);
  writeApiEnv(place, { port: 8081, token: 'a-token-0123456789abc' }, 4711, null);
  const config = loadConfig(place.config);
  t.equal(config.sip.tls.cert, join(dir, 'certs', 'service.pem'), 'whatever its name');
  t.equal(config.meta.port, 5062);
  t.equal(config.api.sounds, join(dir, 'sounds'));
  t.ok(existsSync(place.sound));
  t.same([place.config, place.apiEnv].map((file) => statSync(file).mode & 0o777), [0o600, 0o600], 'what has the token is private');
  t.match(readFileSync(place.apiEnv, 'utf8'), /^export API=http:\/\/127\.0\.0\.1:8081 API_TOKEN=a-token-0123456789abc SERVICE=4711\n$/);
  place.remove();
  t.ok(existsSync(place.config));
  writeFileSync(place.records, 'of an earlier run');
  openPlace(dir);
  t.notOk(existsSync(place.records));
});

t.test("a folder with somebody's files is left alone", async (t) => {
  for (const [name, text] of [['config.yaml', 'domain: mine.example.net\n'], ['letter.txt', 'dear']] as const) {
    const dir = t.testdir({ [name]: text });
    t.throws(() => openPlace(dir), { code: 'FILE_UNWRITABLE', message: /name a new or an empty folder, as --dir .*\/demo$/ });
    t.same(readdirSync(dir), [name]);
    t.equal(readFileSync(join(dir, name), 'utf8'), text);
  }
  const file = join(t.testdir({ here: 'a file' }), 'here');
  t.throws(() => openPlace(file), { code: 'FILE_UNWRITABLE' });
  t.equal(readFileSync(file, 'utf8'), 'a file');
});

// docs/peers/kamailio.md by mutual TLS: each side is known by its certificate alone, in calls both ways and in transfers.
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { issueLeaf, makeCa } from '../../lib/cli/quickstart/certificates.js';
import { freePort } from '../helpers/ports.js';
import { number } from '../helpers/service.js';
import { kamailioHost, kamailioPage, noKamailio, startRecipeKamailio } from './recipe/kamailio.js';
import { rowRoutes } from './recipe/rows.js';
import { openRecipe } from './recipe/stage.js';
import { bothDirections, inTheCall, phonesAt, type Bench } from './recipe/suite.js';

/** Where Debian and others put Kamailio's modules. */
const modules = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib'].map((dir) => `${dir}/kamailio/modules/tls.so`);
const noTls = noKamailio() || (modules.some((file) => existsSync(file)) ? false : 'kamailio-tls-modules is not installed');

t.test('Kamailio by mutual TLS', { skip: noTls, timeout: 240_000 }, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'wab-sip-ca-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const ca = makeCa(dir);
  issueLeaf(dir, 'kamailio', [kamailioHost]);
  issueLeaf(dir, 'wa-b2bua', ['sbc.example.net']);
  const [port, tlsPort] = [await freePort(), await freePort()];
  const stage = await openRecipe({
    example: { text: await kamailioPage('wa-b2bua-tls.yaml') }, env: {}, places: [['10.0.0.9:5061', `${kamailioHost}:${tlsPort}`], ['/etc/sip-ca', dir]], routes: rowRoutes(number, 'kamailio', [], ['6001', '6002']),
  });
  t.teardown(() => stage.close());
  await writeFile(join(dir, 'trusted.pem'), `${await readFile(ca, 'utf8')}\n${await readFile(stage.ca, 'utf8')}`);
  const kamailio = await startRecipeKamailio(stage, port, ['6003', '6004', '6005', '6006', '6008'], { port: tlsPort, certificates: dir });
  t.teardown(() => kamailio.close());
  const place = { at: kamailio.at, host: kamailioHost, password: (user: string): string => `pw-${user}` };
  const bench: Bench = { stage, peer: 'kamailio', named: kamailioHost, ...place, ...await phonesAt(t, place, '600', ['6001', '6002']), kill: () => kamailio.kill(), start: () => kamailio.start() };
  await bothDirections(t, bench);
  await inTheCall(t, bench, {
    hold: ['INVITE inactive', 'INVITE sendrecv'], blind: ['REFER to 6002', 'BYE'], attended: ['INVITE inactive', 'REFER to 6002 with Replaces', 'BYE'],
  });

  await t.test('with a certificate of another CA neither lets the other in', async (t) => {
    const other = await mkdtemp(join(tmpdir(), 'wab-other-ca-'));
    t.teardown(() => rm(other, { recursive: true, force: true }));
    makeCa(other);
    const forged = issueLeaf(other, 'forged', [kamailioHost]);
    await copyFile(forged.cert, join(dir, 'kamailio.pem'));
    await copyFile(forged.key, join(dir, 'kamailio.key'));
    await kamailio.kill();
    await kamailio.start();
    const user = stage.user({ payload: 'only-6001' });
    t.equal(await user.place(), 480, 'we do not call it');
    t.match(await stage.recordOf(user), { tries: [{ status: 503 }] });
    user.close();
    const meta = await stage.answerAsMeta({ behaviour: 'tone' });
    const call = await bench.first.phone.call(`sip:+447700900101@${kamailioHost}`, { via: `udp:${kamailio.at}`, auth: { username: '6001', password: 'pw-6001' }, from: `<sip:6001@${kamailioHost}>` });
    t.not(await call.final, 200, 'nor is it answered');
    t.equal(meta.liveCalls.length, 0);
    await meta.close();
  });
});

// The configurations of docs/peers for OpenSIPS as they are written, in a real one.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { issueLeaf, makeCa } from '../../lib/cli/quickstart/certificates.js';
import { freePort } from '../helpers/ports.js';
import { domain, number } from '../helpers/service.js';
import { blocksOf, pageText, type Places } from './recipe/docs.js';
import { frontPage, openBehind, outerHost } from './recipe/front.js';
import { noOpensips, startOpensips } from './recipe/opensips.js';
import { rowRoutes, rowsOfProxy as rows } from './recipe/rows.js';
import { openRecipe, serviceHost } from './recipe/stage.js';
import { bothDirections, inTheCall, phonesAt, rowsAre, type Bench } from './recipe/suite.js';

const peerHost = '127.0.0.9';
t.test('OpenSIPS between Meta and us', { skip: noOpensips(), timeout: 240_000 }, async (t) => {
  const { stage, output } = await openBehind(t, async (dir, places) => startOpensips(await frontPage('opensips.cfg'), { dir, at: { host: outerHost }, places }));
  const place = { at: `${serviceHost}:${stage.sipPort}`, host: domain, password: (user: string): string => `pw-${user}` };
  const bench: Bench = { stage, peer: 'phones', named: domain, ...place, ...await phonesAt(t, place, '600', ['6001', '6002']), kill: async () => undefined, start: async () => undefined };
  t.teardown(() => { if (!t.passing()) t.comment(output().split('\n').slice(-30).join('\n')); });
  await bothDirections(t, bench);
  await inTheCall(t, bench, { hold: ['INVITE inactive', 'INVITE sendrecv'], blind: ['REFER to 6002', 'BYE'], attended: null });
});

t.test('OpenSIPS as the peer, by mutual TLS', { skip: noOpensips(), timeout: 240_000 }, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'wab-sip-ca-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const ca = makeCa(dir);
  issueLeaf(dir, 'opensips', [peerHost]);
  issueLeaf(dir, 'wa-b2bua', [domain]);
  const [port, tlsPort] = [await freePort(), await freePort()];
  const page = async (file: string): Promise<string> => blocksOf(await pageText('docs/peers/opensips.md')).find((block) => block.file === file)?.text ?? '';
  const here: Places = [['10.0.0.9:5061', `${peerHost}:${tlsPort}`], ['10.0.0.9:5060', `${peerHost}:${port}`], ['/etc/sip-ca', dir]];
  const stage = await openRecipe({ example: { text: await page('wa-b2bua.yaml') }, env: {}, places: here, routes: rowRoutes(number, 'opensips', Object.keys(rows), ['6001', '6002']) });
  t.teardown(() => stage.close());
  await writeFile(join(dir, 'trusted.pem'), `${await readFile(ca, 'utf8')}\n${await readFile(stage.ca, 'utf8')}`);
  const users = ['6003', '6004', '6005', '6006', '6007', '6008'];
  const others = users.map((user) => `    case "${user}": $avp(password) = "pw-${user}"; break;\n`).join('');
  const places: Places = [...stage.places, ...here, ['${PHONE_6001}', 'pw-6001'], ['${PHONE_6002}', 'pw-6002'], ['"fr_timeout", 5', '"fr_timeout", 2'], ['"fr_inv_timeout", 30', '"fr_inv_timeout", 4'], ['    default:', `${others}    default:`]];
  const opensips = await startOpensips(await page('opensips.cfg'), { dir, at: { host: peerHost, port }, places });
  t.teardown(() => opensips.close());
  t.teardown(() => { if (!t.passing()) t.comment(opensips.output().split('\n').slice(-30).join('\n')); });
  const place = { at: `${peerHost}:${port}`, host: peerHost, password: (user: string): string => `pw-${user}` };
  const bench: Bench = { stage, peer: 'opensips', named: peerHost, ...place, ...await phonesAt(t, place, '600', ['6001', '6002']), kill: async () => undefined, start: async () => undefined };
  await bothDirections(t, bench);
  await rowsAre(t, bench, rows);
  await inTheCall(t, bench, { hold: ['INVITE inactive', 'INVITE sendrecv'], blind: ['REFER to 6002', 'BYE'], attended: ['INVITE inactive', 'REFER to 6002 with Replaces', 'BYE'] });
});

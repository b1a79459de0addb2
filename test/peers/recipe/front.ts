// docs/peers/sbc-in-front.md: somebody's proxy between the stand-in of Meta and the service.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { issueLeaf, makeCa } from '../../../lib/cli/quickstart/certificates.js';
import { freePort } from '../../helpers/ports.js';
import { domain, metaHost } from '../../helpers/service.js';
import type { Program } from '../programs.js';
import { blocksOf, pageText, type Places } from './docs.js';
import { openRecipe, serviceHost, type RecipeStage } from './stage.js';

/** Addresses of the page on this machine, where sbc.example.net leads nowhere. */
export const outerHost = '127.0.0.5';
const innerHost = '127.0.0.6';
const env = { PHONE_6001: 'pw-6001', PHONE_6002: 'pw-6002' };

/** A file of the page. */
export async function frontPage(file: string): Promise<string> {
  return blocksOf(await pageText('docs/peers/sbc-in-front.md')).find((block) => block.file === file)?.text ?? '';
}

/** What starts the proxy, from `dir` with the certificates; its files as the page has them, `places` put there. */
export type StartFront = (dir: string, places: Places) => Promise<Pick<Program, 'close' | 'output'>>;

/** The service behind the proxy, which Meta connects to. */
export async function openBehind(t: Test, start: StartFront): Promise<{ readonly stage: RecipeStage; readonly output: () => string }> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-front-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  makeCa(dir);
  issueLeaf(dir, 'inner', [innerHost]);
  issueLeaf(dir, 'wa-b2bua', [domain]);
  const [outer, inner] = [await freePort(), await freePort()];
  const ours: Places = [['/etc/sip-ca', dir], ['10.0.0.5:5061', `${innerHost}:${inner}`], ['10.0.0.5', innerHost]];
  const stage = await openRecipe({ example: { text: await frontPage('wa-b2bua.yaml') }, env, places: ours, overlay: { peers: { phones: { accounts: Object.fromEntries(['6001', '6002', '6003', '6004', '6005', '6006', '6008'].map((user) => [user, { password: `pw-${user}` }])) } } }, front: `${outerHost}:${outer}` });
  t.teardown(() => stage.close());
  const { cert, key, ca, metaPort } = stage;
  const program = await start(dir, [
    [`sip:${metaHost}:5061`, `sip:127.0.0.1:${metaPort}`], ['advertise sbc.example.net:5061', `advertise ${outerHost}:${outer}`], ['203.0.113.5:5061', `${outerHost}:${outer}`], ['203.0.113.5', outerHost],
    ['/etc/kamailio/sbc.pem', cert], ['/etc/kamailio/sbc.key', key], ['/etc/opensips/sbc.pem', cert], ['/etc/opensips/sbc.key', key], ['as sbc.example.net:5061', `as ${outerHost}:${outer}`], ['/etc/ssl/certs/ca-certificates.crt', ca], ['31.13.24.0/21', '127.0.0.1/32'],
    ['10.0.0.4:5061', `${serviceHost}:${stage.tlsPort}`], ...ours,
  ]);
  t.teardown(() => program.close());
  return { stage, output: () => program.output() };
}

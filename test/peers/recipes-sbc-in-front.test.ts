// docs/peers/sbc-in-front.md as it is written: a real Kamailio between Meta and us, by mutual TLS with us.
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { metaSources } from '../../lib/config/metaSources.js';
import { freePort } from '../helpers/ports.js';
import { domain } from '../helpers/service.js';
import { run } from './programs.js';
import { putHere } from './recipe/docs.js';
import { frontPage, openBehind } from './recipe/front.js';
import { noKamailio } from './recipe/kamailio.js';
import { serviceHost } from './recipe/stage.js';
import { bothDirections, inTheCall, phonesAt, type Bench } from './recipe/suite.js';

/** Where Debian and others put Kamailio's modules. */
const modules = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib'].map((dir) => `${dir}/kamailio/modules/tls.so`);
const noTls = noKamailio() || (modules.some((file) => existsSync(file)) ? false : 'kamailio-tls-modules is not installed');

t.test("the page has Meta's prefixes as the service has them", async (t) => {
  t.match(await frontPage('kamailio.cfg'), new RegExp(`META_PREFIXES!${metaSources.join(',').replaceAll('.', '\\.')}!g`));
});

t.test('Kamailio between Meta and us', { skip: noTls, timeout: 240_000 }, async (t) => {
  const { stage, output } = await openBehind(t, async (dir, places) => {
    const port = await freePort();
    const own = join(dir, 'kamailio');
    await mkdir(own);
    const all = [['/etc/kamailio/tls.cfg', join(own, 'tls.cfg')], ...places] as const;
    await writeFile(join(own, 'tls.cfg'), putHere(await frontPage('tls.cfg'), all));
    // A UDP socket tells that it is up; on loopback the system would have it connect from Meta's address.
    await writeFile(join(own, 'kamailio.cfg'), putHere((await frontPage('kamailio.cfg')).replace('children=2', `children=2\nlisten=udp:127.0.0.5:${port}\ntcp_source_ipv4=127.0.0.6`), all));
    return run('kamailio', ['-DD', '-E', '-f', join(own, 'kamailio.cfg'), '-Y', own, '-m', '32', '-M', '4'], port, async () => undefined, 20_000);
  });
  const place = { at: `${serviceHost}:${stage.sipPort}`, host: domain, password: (user: string): string => `pw-${user}` };
  const phones = await phonesAt(t, place, '600', ['6001', '6002']);
  const bench: Bench = { stage, peer: 'phones', named: domain, ...place, ...phones, kill: async () => undefined, start: async () => undefined };
  t.teardown(() => { if (!t.passing()) t.comment(output().split('\n').slice(-30).join('\n')); });
  await bothDirections(t, bench);
  await inTheCall(t, bench, { hold: ['INVITE inactive', 'INVITE sendrecv'], blind: ['REFER to 6002', 'BYE'], attended: null });
});

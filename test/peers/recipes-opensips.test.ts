// The configurations of docs/peers for OpenSIPS as they are written, in a real one.
import t from 'tap';
import { domain } from '../helpers/service.js';
import { frontPage, openBehind, outerHost } from './recipe/front.js';
import { noOpensips, startOpensips } from './recipe/opensips.js';
import { serviceHost } from './recipe/stage.js';
import { bothDirections, inTheCall, phonesAt, type Bench } from './recipe/suite.js';

t.test('OpenSIPS between Meta and us', { skip: noOpensips(), timeout: 240_000 }, async (t) => {
  const { stage, output } = await openBehind(t, async (dir, places) => startOpensips(await frontPage('opensips.cfg'), { dir, host: outerHost, places }));
  const place = { at: `${serviceHost}:${stage.sipPort}`, host: domain, password: (user: string): string => `pw-${user}` };
  const bench: Bench = { stage, peer: 'phones', named: domain, ...place, ...await phonesAt(t, place, '600', ['6001', '6002']), kill: async () => undefined, start: async () => undefined };
  t.teardown(() => { if (!t.passing()) t.comment(output().split('\n').slice(-30).join('\n')); });
  await bothDirections(t, bench);
  await inTheCall(t, bench, { hold: ['INVITE inactive', 'INVITE sendrecv'], blind: ['REFER to 6002', 'BYE'], attended: null });
});

// docs/peers/kamailio.md as it is written, both sides of it, in a real Kamailio.
import t from 'tap';
import { freePort } from '../helpers/ports.js';
import { number } from '../helpers/service.js';
import { kamailioHost, kamailioPage, noKamailio, startRecipeKamailio } from './recipe/kamailio.js';
import { rowRoutes, rowsOfProxy as rows } from './recipe/rows.js';
import { openRecipe } from './recipe/stage.js';
import { bothDirections, comesBack, comesBackFromOut, inTheCall, phonesAt, rowsAre, type Bench } from './recipe/suite.js';

t.test('the recipe for Kamailio', { skip: noKamailio(), timeout: 240_000 }, async (t) => {
  const port = await freePort();
  const stage = await openRecipe({
    example: { text: await kamailioPage('wa-b2bua.yaml') }, env: {}, places: [['10.0.0.9:5060', `${kamailioHost}:${port}`]],
    routes: rowRoutes(number, 'kamailio', Object.keys(rows), ['6001', '6002']),
  });
  t.teardown(() => stage.close());
  const kamailio = await startRecipeKamailio(stage, port, ['6003', '6004', '6005', '6006', '6007', '6008']);
  t.teardown(() => kamailio.close());
  const place = { at: kamailio.at, host: kamailioHost, password: (user: string): string => `pw-${user}` };
  const bench: Bench = { stage, peer: 'kamailio', ...place, ...await phonesAt(t, place, '600', ['6001', '6002']), kill: () => kamailio.kill(), start: () => kamailio.start() };
  await bothDirections(t, bench);
  await rowsAre(t, bench, rows);
  await inTheCall(t, bench, {
    hold: ['INVITE inactive', 'INVITE sendrecv'], blind: ['REFER to 6002', 'BYE'], attended: ['INVITE inactive', 'REFER to 6002 with Replaces', 'BYE'],
  });
  await comesBack(t, bench, { ended: 'user hangup', seconds: 5 });
  await comesBackFromOut(t, bench, { ended: 'user hangup', seconds: 5 });
});

// docs/peers/freeswitch.md as it is written, in a real FreeSWITCH with its vanilla configuration, with config/examples/freeswitch.yaml as it is written.
import t from 'tap';
import { freePort } from '../helpers/ports.js';
import { number } from '../helpers/service.js';
import { freeswitchHost, freeswitchPasswords, noFreeswitch, startRecipeFreeswitch } from './recipe/freeswitch.js';
import { rowRoutes } from './recipe/rows.js';
import { openRecipe } from './recipe/stage.js';
import { bothDirections, comesBack, comesBackFromOut, inTheCall, phonesAt, readsTheCause, rowsAre, type Bench } from './recipe/suite.js';

const rows = {
  1003: ['busy, or rejected with 486', { said: '486 Busy Here', reason: 'Q.850;cause=17;text="USER_BUSY"', taken: 'peer busy', wentOn: true }],
  1004: ['nobody answers', { said: '480 Temporarily Unavailable', reason: 'Q.850;cause=19;text="NO_ANSWER"', taken: 'peer noAnswer', wentOn: true }],
  1005: ['rejected with 603', { said: '603 Decline', reason: 'Q.850;cause=21;text="CALL_REJECTED"', taken: 'peer declined', wentOn: false }],
  1006: ['the phone is gone', { said: '480 Temporarily Unavailable', reason: 'Q.850;cause=19;text="NO_ANSWER"', taken: 'peer noAnswer', wentOn: true }],
  1007: ['no phone is registered', { said: '480 Temporarily Unavailable', reason: 'SIP;cause=806;text="USER_NOT_REGISTERED"', taken: 'peer noAnswer', wentOn: true }],
  1008: ['do not disturb, 480', { said: '480 Temporarily Unavailable', reason: 'Q.850;cause=18;text="NO_USER_RESPONSE"', taken: 'peer noAnswer', wentOn: true }],
  1999: ['no such account', { said: '480 Temporarily Unavailable', reason: 'Q.850;cause=20;text="SUBSCRIBER_ABSENT"', taken: 'peer noAnswer', wentOn: true }],
  'support': ['no such extension', { said: '404 Not Found', reason: 'Q.850;cause=3;text="NO_ROUTE_DESTINATION"', taken: 'peer refused', wentOn: true }],
} as const;

t.test('the recipe for FreeSWITCH', { skip: noFreeswitch(), timeout: 240_000 }, async (t) => {
  const port = await freePort();
  const { phones: password, ...env } = freeswitchPasswords;
  const stage = await openRecipe({
    example: 'freeswitch.yaml', env, places: [['10.0.0.8:5060', `${freeswitchHost}:${port}`]],
    routes: rowRoutes(number, 'freeswitch', Object.keys(rows), ['1000', '1001']), overlay: { peers: { freeswitch: { users: ['1[0-9]{3}', 'agents', 'support'] } } },
  });
  t.teardown(() => stage.close());
  const freeswitch = await startRecipeFreeswitch(stage, port);
  t.teardown(() => freeswitch.close());
  const place = { at: freeswitch.at, host: freeswitchHost, password: (): string => password };
  const bench: Bench = { stage, peer: 'freeswitch', ...place, ...await phonesAt(t, place, '100', ['1000', '1001']), kill: () => freeswitch.kill(), start: () => freeswitch.start() };
  await bothDirections(t, bench);
  await readsTheCause(t, bench, () => freeswitch.log());
  await rowsAre(t, bench, rows);
  await inTheCall(t, bench, { hold: [], blind: [], attended: [] });
  await comesBack(t, bench, { ended: 'user hangup', seconds: 5 });
  await comesBackFromOut(t, bench, { ended: 'us peerGone', seconds: 5 });
});

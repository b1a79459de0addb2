// docs/peers/asterisk.md as it is written, in a real Asterisk, with config/examples/asterisk.yaml as it is written.
import t from 'tap';
import { startPeer } from '../../lib/simulator/index.js';
import { freePort } from '../helpers/ports.js';
import { number } from '../helpers/service.js';
import { until } from '../scenario/pbx/steps.js';
import { noAsterisk } from './asteriskProcess.js';
import { asteriskHost, asteriskPassword, startRecipeAsterisk } from './recipe/asterisk.js';
import { requestsOf, rowRoutes } from './recipe/rows.js';
import { openRecipe } from './recipe/stage.js';
import { bothDirections, comesBack, comesBackFromOut, inTheCall, phonesAt, readsTheCause, rowsAre, type Bench } from './recipe/suite.js';

const q850 = (cause: number): string => `Q.850;cause=${cause}`;
/** Users 60NN are reached as the recipe says, 61NN by a dialplan that ends with its Dial. */
const rows = {
  6003: ['busy, or rejected with 486', { said: '486 Busy Here', reason: q850(17), taken: 'peer busy', wentOn: true }],
  6004: ['nobody answers', { said: '480 Temporarily Unavailable', reason: q850(19), taken: 'peer noAnswer', wentOn: true }],
  6005: ['rejected with 603', { said: '486 Busy Here', reason: q850(17), taken: 'peer busy', wentOn: true }],
  6006: ['the phone is gone', { said: '480 Temporarily Unavailable', reason: q850(19), taken: 'peer noAnswer', wentOn: true }],
  6007: ['no phone is registered', { said: '480 Temporarily Unavailable', reason: q850(20), taken: 'peer noAnswer', wentOn: true }],
  6008: ['do not disturb, 480', { said: '480 Temporarily Unavailable', reason: q850(19), taken: 'peer noAnswer', wentOn: true }],
  6999: ['no such account', { said: '480 Temporarily Unavailable', reason: q850(20), taken: 'peer noAnswer', wentOn: true }],
  'support': ['no such extension', { said: '404 Not Found', reason: null, taken: 'peer refused', wentOn: true }],
  6103: ['Dial alone: busy', { said: '486 Busy Here', reason: q850(17), taken: 'peer busy', wentOn: true }],
  6104: ['E1: Dial alone: nobody answers', { said: '603 Decline', reason: q850(0), taken: 'peer noAnswer', wentOn: true }],
  6105: ['Dial alone: rejected with 603', { said: '503 Service Unavailable', reason: /^Q.850;cause=(21|34)$/, taken: 'peer unreachable', wentOn: true }],
  6107: ['Dial alone: no phone is registered', { said: '503 Service Unavailable', reason: /^Q.850;cause=(3|34)$/, taken: 'peer unreachable', wentOn: true }],
} as const;

t.test('the recipe for Asterisk', { skip: noAsterisk(), timeout: 240_000 }, async (t) => {
  const port = await freePort();
  const stage = await openRecipe({
    example: 'asterisk.yaml', env: { ASTERISK_PASSWORD: asteriskPassword }, places: [['10.0.0.7:5060', `${asteriskHost}:${port}`]],
    routes: [...rowRoutes(number, 'asterisk', Object.keys(rows), ['6001', '6002']), { name: 'trunk', number, payload: '^only-6200$', to: [{ peer: 'asterisk', user: '6200' }] }], overlay: { peers: { asterisk: { users: ['6[0-9]{3}', 'sales', 'support'] } } },
  });
  t.teardown(() => stage.close());
  const trunk = await startPeer({ codecs: ['PCMU'], answer: 'delay=0.2,tone' });
  t.teardown(() => trunk.close());
  const asterisk = await startRecipeAsterisk(stage, port, ['6001', '6002', '6003', '6004', '6005', '6006', '6007', '6008'], {
    extensions: '[from-whatsapp]\nexten => _61XX,1,Goto(plain,${EXTEN},1)\n[plain]\nexten => _61XX,1,Dial(PJSIP/60${EXTEN:2},4)\n[from-whatsapp]\nexten => 6200,1,Dial(PJSIP/+15551234567@trunk,10)\n[internal]\nexten => _+1555X.,1,Dial(PJSIP/${EXTEN}@trunk,10)\n',
    pjsip: `[trunk]\ntype = endpoint\ntransport = transport-udp\ncontext = none\ndisallow = all\nallow = ulaw\naors = trunk\ndirect_media = no\n[trunk]\ntype = aor\ncontact = sip:127.0.0.1:${trunk.port}\n`,
  });
  t.teardown(() => asterisk.close());
  const place = { at: asterisk.at, host: asteriskHost, password: (user: string): string => `pw-${user}` };
  const bench: Bench = { stage, peer: 'asterisk', ...place, ...await phonesAt(t, place, '600', ['6001', '6002']), kill: () => asterisk.kill(), start: () => asterisk.start() };
  await bothDirections(t, bench);
  await readsTheCause(t, bench, () => asterisk.log());
  await rowsAre(t, bench, rows);
  await inTheCall(t, bench, {
    hold: ['INVITE sendonly PAI 6001', 'INVITE sendrecv PAI 6001'], blind: ['INVITE sendrecv PAI 6001', 'UPDATE PAI 6002'],
    attended: ['INVITE sendonly PAI 6001', 'INVITE sendrecv PAI 6002', 'UPDATE PAI 6002'],
  });
  await t.test('E2: a phone gives the user to a number over a trunk of Asterisk, which says so: the call ends', async (t) => {
    const user = stage.user({ payload: 'only-6001', expect: [] });
    t.equal(await user.place(), 200);
    t.equal(await bench.first.phone.refer(`sip:+15551234567@${asterisk.at}`), 202);
    await until(() => user.ended, 'the call is ended');
    const { id, termination } = await stage.recordOf(user);
    t.match(termination, { by: 'policy', reason: 'leak.connectedNumber' });
    t.ok(requestsOf(await stage.sipOf(id)).some((request) => request.includes('PAI +1555')), 'Asterisk says who is connected (masked here)');
  });
  await t.test('the dialplan calls a number itself: Asterisk says the extension, and nothing tells', async (t) => {
    const user = stage.user({ payload: 'only-6200', expect: [] });
    t.equal(await user.place(), 200);
    t.ok(trunk.liveCalls.length > 0);
    await user.hangUp();
    const { id, termination } = await stage.recordOf(user);
    t.match(termination, { by: 'user' });
    const identities = new Set([...(await stage.sipOf(id)).matchAll(/^P-Asserted-Identity: .*?sip:([^@]+)@/gm)].map(([, who]) => who));
    t.same([...identities], ['6200']);
  });
  await comesBack(t, bench, { ended: 'user hangup', seconds: 5 });
  await comesBackFromOut(t, bench, { ended: 'us peerGone', seconds: 5 });
});

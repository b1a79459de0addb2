import t from 'tap';
import { withUser } from '../../../lib/routing/index.js';

t.test('the user of a URI is the one that was given, whatever stands in it', (t) => {
  for (const [user, written] of [['6001', '6001'], ['a$&b', 'a$&b'], ["$'", "$'"], ['$1', '$1'], ['$$', '$$'], ['a@b', 'a%40b'], ['Zoë', 'Zo%C3%AB']] as const) {
    t.equal(withUser('sip:10.0.0.7:5060;transport=udp', user), `sip:${written}@10.0.0.7:5060;transport=udp`);
    t.equal(withUser('SIPS:x@pbx.example', user), `SIPS:${written}@pbx.example`);
  }
  t.end();
});

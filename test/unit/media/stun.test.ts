import t from 'tap';
import { parseMessage } from 'werift';
import { controlledCheck } from '../../../lib/media/freeswitch/stun.js';

t.test('a check of ours is read by another implementation: credentials, role, both seals', async (t) => {
  for (const username of ['a:b', 'abcd:efgh', 'x'.repeat(200)]) {
    const bytes = controlledCheck({ username, password: 'secret', priority: 1 });
    // werift gives nothing where the integrity or the fingerprint does not fit.
    const message = parseMessage(bytes, Buffer.from('secret'));
    t.equal(message?.getAttributeValue('USERNAME'), username);
    t.equal(message?.getAttributeValue('PRIORITY'), 1);
    t.ok(message?.attributesKeys.includes('ICE-CONTROLLED') && message.attributesKeys.includes('FINGERPRINT'));
    t.notOk(message?.attributesKeys.includes('USE-CANDIDATE'));
    t.equal(parseMessage(bytes, Buffer.from('another')), undefined);
    const broken = Buffer.from(bytes);
    broken[bytes.length - 1]! ^= 1;
    t.equal(parseMessage(broken), undefined);
  }
});

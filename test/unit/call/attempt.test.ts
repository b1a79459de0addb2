import t from 'tap';
import { best, firstWon, lost, redirectedTo, type Attempt } from '../../../lib/call/hunt/attempt.js';
import { peerRefusal } from '../../../lib/call/peer/refusal.js';

t.test('the Contacts of a redirection, by q, then as they stand', async (t) => {
  t.same(redirectedTo('<sip:a@x>;q=0.3, "B, the other" <sip:b@x;transport=tcp>, sip:c@x;q=0.7, <tel:+447700900002>;q=0.3'), ['sip:b@x;transport=tcp', 'sip:c@x', 'sip:a@x', 'tel:+447700900002']);
  t.same(redirectedTo('<sip:a@x>;q=much, <sip:b@x>;q=0.9'), ['sip:a@x', 'sip:b@x'], 'a q that cannot be read is none');
  t.same(redirectedTo('<sip:a@x>;q="2'), ['<sip:a@x>;q="2'], 'what cannot be read is left for policy to refuse');
  t.same(redirectedTo(''), []);
});

t.test('of several attempts the first that wins counts, else the most telling loss', async (t) => {
  const later = <T>(value: T): Promise<T> => new Promise((resolve) => { setImmediate(resolve, value); });
  const refusal = (status: number, goOn: boolean): Attempt<string> => lost(peerRefusal(status, ''), goOn);
  t.same(await firstWon<string>([Promise.resolve(refusal(486, false)), later({ won: true, result: 'desk' }), new Promise(() => undefined)]), { won: true, result: 'desk' });
  t.match(await firstWon([later(refusal(503, true)), Promise.resolve(refusal(486, false))]), { termination: { reason: 'busy' }, goOn: false });
  t.match(await firstWon([]), { won: false, termination: { by: 'us', reason: 'fault' } });
  t.equal(best([peerRefusal(486, ''), peerRefusal(603, '')])?.reason, 'declined');
  t.equal(best([]), undefined);
});

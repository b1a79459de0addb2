import t from 'tap';
import { formatReplaces, parseReplaces } from '../../../lib/call/features/replaces.js';

const read: readonly (readonly [string, ReturnType<typeof parseReplaces>])[] = [
  ['425928@bobster.example.org;to-tag=7743;from-tag=6472', { callId: '425928@bobster.example.org', toTag: '7743', fromTag: '6472', earlyOnly: false }],
  ['98asjd8;FROM-TAG=12fasd ; to-tag = 33;early-only', { callId: '98asjd8', toTag: '33', fromTag: '12fasd', earlyOnly: true }],
  ['a;to-tag=b;from-tag=c;x=y;lonely', { callId: 'a', toTag: 'b', fromTag: 'c', earlyOnly: false }],
  ['a<>:\\"/[]?{}@b;to-tag=0;from-tag=0', { callId: 'a<>:\\"/[]?{}@b', toTag: '0', fromTag: '0', earlyOnly: false }],
  // One of each tag, and both (RFC 3891 §6.1).
  ['a;to-tag=b', null],
  ['a;from-tag=b', null],
  ['a;to-tag=b;from-tag=c;to-tag=d', null],
  ['a;to-tag;from-tag=c', null],
  ['', null],
  [';to-tag=b;from-tag=c', null],
  ['a,b;to-tag=c;from-tag=d', null],
  ['a@b@c;to-tag=b;from-tag=c', null],
  ['a b;to-tag=b;from-tag=c', null],
  ['a;to-tag="b";from-tag=c', null],
  ['a;to-tag=b;from-tag=c;', null],
  ['a;to-tag=b\r\nEvil: 1;from-tag=c', null],
];

t.test('a Replaces value', (t) => {
  for (const [value, expected] of read) t.strictSame(parseReplaces(value), expected, JSON.stringify(value));
  t.end();
});

t.test('written and read again it is the same', (t) => {
  for (const [, expected] of read) if (expected !== null) t.strictSame(parseReplaces(formatReplaces(expected)), expected);
  t.end();
});

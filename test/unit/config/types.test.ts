// The types of the configuration are those of the schema: no key stands by hand elsewhere. The compiler is the test; what it must refuse is marked.
import t from 'tap';
import { oneOf, orNull } from '../../../lib/config/checks.js';
import { leaf, listOf, optional, rowsOf, secret, tableOf, valuesOf, type Group, type Shape } from '../../../lib/config/schemaForm.js';
import type { Config, ConfigFile, NumberConfig, PeerConfig } from '../../../lib/config/types.js';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
/** Does not compile unless `True` is true. */
const holds = <True extends true>(): True | undefined => undefined;

const part = {
  word: leaf('Word.', oneOf('a', 'b'), 'a'),
  maybe: leaf('Maybe.', orNull(oneOf('x')), null),
  list: listOf('List.', oneOf('p', 'q'), ['default'], { word: 'default' }),
  rows: rowsOf('Rows.', { key: secret('Key.') }),
  table: tableOf('Table.', oneOf('k'), { inner: { deep: leaf('Deep.', oneOf('d'), 'd') } }),
  values: valuesOf('Values.', oneOf('one', 'two'), oneOf('yes', 'no')),
  none: optional('None.', { key: secret('Key.') }),
} satisfies Group;

// @ts-expect-error a default that its own check refuses
leaf('Word.', oneOf('a', 'b'), 'c');

t.test('a key has the type of its check', (t) => {
  type File = Shape<typeof part>;
  holds<Same<File['word'], 'a' | 'b'>>();
  holds<Same<File['maybe'], 'x' | null>>();
  holds<Same<File['list'], readonly ('p' | 'q' | 'default')[]>>();
  holds<Same<File['rows'][number]['key'], string>>();
  holds<Same<File['table'][string]['inner']['deep'], 'd'>>();
  holds<Same<File['values'], Readonly<Partial<Record<'one' | 'two', 'yes' | 'no'>>>>>();
  holds<Same<NonNullable<File['none']>['key'], string>>();
  t.same(Object.keys(part), ['word', 'maybe', 'list', 'rows', 'table', 'values', 'none']);
  t.end();
});

t.test('what the service reads differs from the file in four places', (t) => {
  holds<Same<Exclude<keyof Config, keyof ConfigFile>, 'hash'>>();
  holds<Same<Exclude<keyof ConfigFile, keyof Config>, never>>();
  holds<Same<keyof PeerConfig, keyof ConfigFile['peers'][string]>>();
  holds<Same<PeerConfig['uri'], string>>();
  holds<Same<NumberConfig['keying'], 'sdes' | 'dtls'>>();
  holds<Same<Config['policy']['leaks']['isupBody'], 'enforce' | 'report' | undefined>>();
  holds<Same<Config['media']['rtpengine']['ports']['first'], number>>();
  t.end();
});

// Rules of the house that a reader of lib/ relies on (CONTRIBUTING.md), read off the source itself.
import t from 'tap';
import { cyclesOf, exportsOf, leapsOf, runtimeImports, sourcesIn, usesOf } from './sources.js';

const longest = 300;

/** Files that may be longer, and why. */
const longer: Readonly<Record<string, string>> = {
  'lib/config/types.ts': 'one type, as the reference page reads it from top to bottom',
  'lib/call/hunt/hunt.ts': 'to be taken apart: order, one target, outcome',
  'lib/media/anchor/outStream.ts': 'to be taken apart: digits by themselves',
  'lib/media/anchored/call.ts': 'to be taken apart',
  'lib/media/freeswitch/server.ts': 'to be taken apart: supervision by itself',
  'lib/simulator/media/endpoint.ts': 'to be taken apart',
  'lib/simulator/peer/call.ts': 'to be taken apart',
  'lib/simulator/peer/peer.ts': 'to be taken apart',
  'lib/sipserver/protocol/engine.ts': 'to be taken apart: clients by themselves',
  'lib/sipserver/protocol/uac.ts': 'to be taken apart: ACKs by themselves',
};

/** Files with assertions that something is there (`!`), and why. None may be added. */
const asserting: Readonly<Record<string, string>> = {
  'lib/policy/pattern/automaton.ts': 'indices into tables it has made itself, in its inner loops',
  'lib/policy/pattern/syntax.ts': 'indices into what it has just counted',
  'lib/call/businessInitiated.ts': 'a peer or number of the configuration that a check before has found',
  'lib/call/peer/identify.ts': 'a peer or number of the configuration that a check before has found',
  'lib/call/features/pickup.ts': 'a peer or number of the configuration that a check before has found',
  'lib/call/userInitiated.ts': 'a peer or number of the configuration that a check before has found',
  'lib/policy/compile.ts': 'a peer or number of the configuration that a check before has found',
  'lib/policy/proof.ts': 'a peer or number of the configuration that a check before has found',
  'lib/call/call.ts': 'set by the promise made beside it',
  'lib/call/hunt/hunt.ts': 'set by the promise made beside it',
  'lib/cli/route.ts': 'checked by the command line',
  'lib/config/load.ts': 'the form of the schema',
  'lib/config/reader.ts': 'the form of the schema',
  'lib/observe/auditVerify.ts': 'a group that every match has',
  'lib/observe/ladder.ts': 'the first of what is not empty',
  'lib/state/journal.ts': 'set before the constructor is left by open()',
};

/** Exports for others than this repository: the embedded SIP server and the stand-ins are of use by themselves. */
const publicEntries: Readonly<Record<string, string>> = {
  'lib/sipserver/index.ts': 'the embedded SIP server, for whoever starts it without the service',
  'lib/simulator/index.ts': "the stand-ins, for tests of others' systems",
};

/** Files that reach behind the types of others' code, each around one thing. */
const wrappers: Readonly<Record<string, string>> = {
  'lib/sip/drachtio.ts': 'drachtio-srf has no types',
  'lib/sip/inDialog.ts': 'the insides of a dialog of drachtio-srf',
  'lib/policy/dialling.ts': 'the numbering plans inside libphonenumber-js',
  'lib/config/load.ts': 'what the schema has checked becomes the type Config',
};

const lib = sourcesIn('lib');

t.test('no file needs itself at run time, directly or by others', async (t) => {
  t.same(cyclesOf(new Map(lib.map((source) => [source.path, runtimeImports(source)]))), []);
  t.same(cyclesOf(new Map([['a', ['b']], ['b', ['c']], ['c', ['b', 'd']], ['d', []]])).map((group) => group.sort()), [['b', 'c']], 'one would be found');
});

t.test('every export has somebody who imports it', async (t) => {
  const used = new Set([...lib, ...sourcesIn('test', 'scripts')].flatMap(usesOf).map(({ from, name }) => `${from} ${name}`));
  t.ok(used.size > 1000, 'imports are found');
  t.same(lib.filter(({ path }) => !(path in publicEntries)).flatMap((source) => exportsOf(source).filter((name) => !used.has(`${source.path} ${name}`) && !used.has(`${source.path} *`))
    .map((name) => `${source.path} ${name}`)), []);
});

t.test(`no file is longer than ${longest} lines`, async (t) => {
  t.same(lib.filter(({ path, lines }) => lines > longest && !(path in longer)).map(({ path, lines }) => `${path} ${lines}`), []);
});

t.test('nothing is said to be there that the compiler does not know to be there', async (t) => {
  t.same(lib.filter(({ path }) => !(path in asserting)).flatMap((source) => leapsOf(source).nonNull), []);
});

t.test("the compiler's checks are passed over in the wrappers of others' code alone", async (t) => {
  t.same(lib.filter(({ path }) => !(path in wrappers)).flatMap((source) => leapsOf(source).casts), []);
});

t.test('the lists of exceptions name files that need them', async (t) => {
  for (const path of Object.keys({ ...longer, ...asserting, ...publicEntries, ...wrappers })) t.ok(lib.some((source) => source.path === path), path);
  for (const path of Object.keys(wrappers)) t.ok(lib.some((source) => source.path === path && leapsOf(source).casts.length > 0), `${path} has a cast`);
  for (const path of Object.keys(asserting)) t.ok(lib.some((source) => source.path === path && leapsOf(source).nonNull.length > 0), `${path} has an assertion`);
  for (const path of Object.keys(longer)) t.ok(lib.some((source) => source.path === path && source.lines > longest), `${path} is long`);
});

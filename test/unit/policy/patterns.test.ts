import fc from 'fast-check';
import t from 'tap';
import { accepts, build, common, longest, shortest } from '../../../lib/policy/pattern/automaton.js';
import { parsePattern, printableAscii } from '../../../lib/policy/pattern/syntax.js';
import { readsAsFullNumber, readsAsNumber } from '../../../lib/policy/pattern/telephone.js';
import { compileUsers, findUser } from '../../../lib/policy/pattern/users.js';

const automaton = (pattern: string) => build(parsePattern(pattern, printableAscii), { mode: 'whole', universe: printableAscii });

t.test('good entries of users, and whom they match', async (t) => {
  const rows: readonly (readonly [entry: string, matched: readonly string[], not: readonly string[]])[] = [
    ['6[0-9]{3}', ['6000', '6999', '60-01', '(6)001'], ['600', '60000', '7000', '6001 ', 'x6001', '+6001', '6001\n', '']],
    ['support', ['support'], ['Support', 'suppor', 'supports']],
    ['agent-[a-z]{1,8}', ['agent-x', 'agent-abcdefgh'], ['agent-', 'agent-abcdefghi', 'agent-X', 'agentx']],
    ['(sales|help)(-(de|fr))?', ['sales', 'help-de'], ['sales-', 'help-it', 'saleshelp']],
    ['^desk[0-9]{1,3}$', ['desk1', 'desk999'], ['desk', 'desk1000']],
    ['[^@]{3}x', ['abcx'], ['ab@x', 'abx']], ['a\\.b', ['a.b'], ['axb']], ['\\*9[0-9]', ['*97'], ['97', '*9']],
    ['+442079460000', ['+442079460000', '+44-20-7946-0000'], ['442079460000', '+44207946000', '02079460000']], ['112', ['112'], ['113', '0112']], ['anna.smith', ['anna.smith'], ['annaxsmith']],
    ['[2-8][02-9]{3}', ['2000', '8222'], ['1000']], ['1[0-9]{3}', ['1000', '1999'], ['100']],
  ];
  for (const [entry, matched, not] of rows) {
    const { users, faults } = compileUsers([entry]);
    t.same(faults, [], entry);
    for (const user of matched) t.ok(findUser(users, user), `${entry} has ${user}`);
    for (const user of not) t.notOk(findUser(users, user), `${entry} has not ${JSON.stringify(user)}`);
  }
});

t.test('entries that are refused, with the number they would let through', async (t) => {
  const rows: readonly (readonly [entry: string, message: RegExp, number: boolean])[] = [
    ['.*', /telephone number/, true], ['[0-9]+', /telephone number/, true], ['6[0-9]{3}.*', /telephone number/, true], ['.{1,20}', /telephone number/, true], ['\\+?[0-9]{4,15}', /telephone number/, true],
    ['0[0-9]{3}', /telephone number/, true], ['9[0-9]{3}', /telephone number/, true], ['1[0-9]{2}', /telephone number/, true], ['[0-9]{7}', /telephone number/, true], ['[2-8]1[01]', /telephone number/, true], ['6[0-9]{3}(;.{1,9})?', /telephone number/, true],
    ['[a-z0-9]{1,12}', /telephone number/, true], ['\\w{3,8}', /telephone number/, true], ['6[0-9]{2}p[0-9]{2}', /telephone number/, true], ['[0-9]{4}x[0-9]{1,3}', /telephone number/, true], ['agent\\+[0-9]{9}', /telephone number/, true], ['[0-9-]{8}', /telephone number/, true],
    ['(112|6001)', /telephone number/, true], ['[0-9]{4}[A-D][0-9]{3}', /telephone number/, true],
    ['[a-z]+', /any length/, false], ['a*', /any length/, false], ['desk[a-z]{2,}', /any length/, false], ['a?', /empty user/, false], ['()', /empty user/, false], ['[^\\d\\D]', /matches nothing/, false],
    ['(?=a)b', /\(\?…\)/, false], ['a(', /ends too early|without its/, false], ['a)', /without its \(/, false], ['[a', /without its ]/, false], ['*7', /nothing before it/, false], ['a{2', /is not \{n\}/, false], ['a{3,1}', /out of order/, false], ['[z-a]', /out of order/, false],
    ['a{9999}', /over 512/, false], ['\\1', /not in the language/, false], ['a++', /quantifier after/, false], ['(x{100}){100}', /too large/, false],
    ['6...', /write \[0-9\]/, false], ['anna@carrier.example', /is no SIP user/, false], ['anna smith', /is no SIP user/, false], ['josé', /is no SIP user/, false],
  ];
  for (const [entry, message, number] of rows) {
    const { users, faults: [fault] } = compileUsers([entry]);
    t.match(fault?.message, message, entry);
    t.equal(fault!.counterExample !== null, number);
    if (number) t.ok(readsAsNumber(fault!.counterExample!), fault!.counterExample!);
    t.same([users.literals.size, users.patterns.length], [0, 0], 'it matches nobody');
  }
  t.match(compileUsers(['6001', '60-01']).faults[0]?.message, /another spelling/);
});

t.test('what reads as a telephone number, and what does not', async (t) => {
  const numbers = ['+1', '+44 7700 900101', '00', '020', '112', '911', '999', '411', '5550123', '116117', '(0)20', '٠٤٤٧٧٠٠', '6001p1', '600x1', 'a+12025550123', 'tel112', '44770090010A'];
  for (const text of numbers) t.ok(readsAsNumber(text), text);
  for (const text of ['', '0', '6001', '200', '1000', '60011', '600111', 'anna', 'a112', 'desk1234567', '6001a', 'x6001', 'US.1349']) t.notOk(readsAsNumber(text), text);
  for (const text of ['100', '201', '901', '6001', '0100', '112a']) t.notOk(readsAsFullNumber(text), text);
  for (const text of ['+1', '5550123', '112', '911', '02079460958']) t.ok(readsAsFullNumber(text), text);
});

t.test('automata agree with regular expressions', async () => {
  const atom = fc.oneof({ maxDepth: 3 }, fc.constantFrom('a', 'b', '7', '0', '[0-9]', '[a-c]', '[^0-9]', '.', '\\d', '\\w', '\\.', '\\+'));
  const { pattern } = fc.letrec<{ pattern: string; part: string }>((tie) => ({
    part: fc.oneof({ maxDepth: 3, depthIdentifier: 'p' }, atom, fc.tuple(atom, fc.constantFrom('?', '*', '+', '{2}', '{1,3}', '{0,2}', '{2,}')).map((p) => p.join('')), tie('pattern').map((p) => `(${p})`), tie('pattern').map((p) => `(?:${p})`)),
    pattern: fc.oneof({ maxDepth: 3, depthIdentifier: 'p' }, fc.array(tie('part'), { minLength: 1, maxLength: 4 }).map((p) => p.join('')), fc.tuple(tie('part'), tie('part')).map(([a, b]) => `${a}|${b}`)),
  }));
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '7', '0', '.', '+', 'x'), maxLength: 8 });
  fc.assert(fc.property(pattern, fc.array(text, { minLength: 5, maxLength: 5 }), (source, texts) => {
    const made = automaton(source);
    const regex = new RegExp(`^(?:${source})$`);
    return texts.every((one) => accepts(made, one) === regex.test(one)) && (longest(made) === -1 || regex.test(shortest(made)));
  }), { numRuns: 400 });
});

t.test('a pattern that is accepted gives no text that reads as a number; one that is refused for a number gives one', async () => {
  const piece = fc.constantFrom('6', '5[0-9]', '[0-9]', '[0-9]{2}', '[a-z]', 'x', '-', '[a-z0-9]{1,3}', '(00)?', '\\+?', '(112|desk)', 'p', '[2-7]{3}', 'agent');
  fc.assert(fc.property(fc.array(piece, { minLength: 1, maxLength: 5 }).map((p) => p.join('')).chain((source) => fc.tuple(fc.constant(source), fc.stringMatching(new RegExp(`^(?:${source})$`)))), ([source, text]) => {
    const { users: { patterns, literals }, faults: [fault] } = compileUsers([source]);
    if (literals.size > 0) return true;
    if (patterns.length > 0) return !readsAsNumber(text);
    return fault!.counterExample === null || (new RegExp(`^(?:${source})$`).test(fault!.counterExample) && readsAsNumber(fault!.counterExample));
  }), { numRuns: 400 });
});

t.test('intersections', async (t) => {
  t.equal(common(automaton('[0-9]{3}'), automaton('7.*')), '700');
  t.equal(common(automaton('[a-z]{3}'), automaton('[0-9]+')), null);
  t.equal(longest(automaton('a{2,5}|b')), 5);
  t.equal(longest(automaton('a+')), null);
});

// What a SIP server in a thread of its own knows of bans: nobody's made-up addresses make it forget one, keep one for ever, or ask without end.
import t, { type Test } from 'tap';
import { Judgements } from '../../../lib/sipserver/judgements.js';

function rig(t: Test): { judgements: Judgements; asked: string[]; after(ms: number): void } {
  let now = 1_000_000;
  const asked: string[] = [];
  const judgements = new Judgements((address) => { asked.push(address); }, () => now);
  t.teardown(() => { asked.length = 0; });
  return { judgements, asked, after: (ms) => { now += ms; } };
}

t.test('let in until the answer comes, then as it says, for a second', (t) => {
  const { judgements, asked, after } = rig(t);
  t.ok(judgements.allow('192.0.2.1'));
  t.same(asked, ['192.0.2.1']);
  judgements.judged('192.0.2.1', false);
  t.notOk(judgements.allow('192.0.2.1'));
  t.equal(asked.length, 1, 'not asked again so soon');
  after(1001);
  t.notOk(judgements.allow('192.0.2.1'), 'as before until the next answer');
  judgements.judged('192.0.2.1', true);
  t.ok(judgements.allow('192.0.2.1'), 'a ban that has lapsed');
  t.end();
});

t.test('a /64 is one', (t) => {
  const { judgements, asked } = rig(t);
  judgements.judged('2001:db8::1', false);
  const letIn = Array.from({ length: 30_000 }, (_, n) => `2001:db8::${n.toString(16)}`).filter((address) => judgements.allow(address));
  t.same(letIn, []);
  t.equal(asked.length, 0);
  t.ok(judgements.allow('2001:db8:0:1::1'), 'the next one is another');
  t.end();
});

t.test('40,000 banned places in 20 s: later ones are judged too, and those that were banned are let in when they may be', (t) => {
  const { judgements, asked, after } = rig(t);
  for (let second = 0; second < 20; second++) {
    for (let n = 0; n < 2000; n++) {
      const address = `10.${second}.${n >> 8}.${n & 255}`;
      judgements.allow(address);
      judgements.judged(address, false);
    }
    after(1000);
  }
  judgements.allow('192.0.2.9');
  judgements.judged('192.0.2.9', false);
  t.notOk(judgements.allow('192.0.2.9'), 'a ban of now counts');
  after(2000);
  const before = asked.length;
  judgements.allow('10.19.0.1');
  t.equal(asked.length, before + 1, 'and an old one is asked about again');
  judgements.judged('10.19.0.1', true);
  t.ok(judgements.allow('10.19.0.1'));
  t.end();
});

t.test('2000 questions a second; who is banned and goes on sending stays so beyond them', (t) => {
  const { judgements, asked, after } = rig(t);
  judgements.judged('192.0.2.9', false);
  after(1500);
  for (let round = 0; round < 15; round++) {
    for (let n = 0; n < 5000; n++) judgements.allow(`10.${round}.${n >> 8}.${n & 255}`);
    t.notOk(judgements.allow('192.0.2.9'));
    after(1000);
  }
  t.ok(asked.length <= 15 * 2000, `${asked.length} questions`);
  t.end();
});

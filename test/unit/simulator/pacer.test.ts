import t from 'tap';
import { Pacer } from '../../../lib/simulator/media/pacer.js';

const wait = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms); });

t.test('fifty frames a second, without drift, for members in every phase', async (t) => {
  const pacer = new Pacer();
  const members = Array.from({ length: 8 }, () => ({ ticks: 0, skipped: 0, tick() { this.ticks++; }, skip(n: number) { this.skipped += n; } }));
  const start = performance.now();
  for (const member of members) pacer.add(member);
  await wait(1000);
  const due = (performance.now() - start) / 20;
  for (const member of members) pacer.remove(member);
  for (const { ticks, skipped } of members) t.ok(Math.abs(ticks + skipped - due) <= 2, `${ticks} + ${skipped} of ${due.toFixed(1)}`);
});

t.test('a short stall is caught up, a long one is skipped', async (t) => {
  const pacer = new Pacer();
  const member = { ticks: 0, skipped: 0, tick() { this.ticks++; }, skip(n: number) { this.skipped += n; } };
  pacer.add(member);
  await wait(50);
  const before = member.ticks;
  const until = performance.now() + 300;
  while (performance.now() < until) { /* the process is busy */ }
  await wait(1);
  t.ok(member.skipped >= 8 && member.skipped <= 11, `${member.skipped} skipped`);
  t.ok(member.ticks - before <= 8, `${member.ticks - before} in a burst`);
  t.ok(pacer.maxLateMs > 250);
  pacer.remove(member);
  const after = member.ticks;
  await wait(60);
  t.equal(member.ticks, after, 'no tick after it left');
});

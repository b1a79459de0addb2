// M3, N7: a time that somebody else chose is read within bounds, and a timer never takes one that is too long for "at once".
import t from 'tap';
import { SessionTimer } from '../../../lib/call/peer/sessionTimer.js';
import { parseMinSE, parseSessionExpires, toSeconds } from '../../../lib/sipserver/parser/index.js';
import { after } from '../../../lib/util/after.js';

const message = (headers: Record<string, string>): Parameters<SessionTimer['take']>[0] => ({
  headers, body: '', source_address: '', source_port: 0, protocol: 'udp', get: (name) => headers[name.toLowerCase()], has: (name) => name.toLowerCase() in headers,
});

t.test('Session-Expires and Min-SE', async (t) => {
  for (const [text, seconds, tooShort, refresher] of [
    ['1800', 1800, false, undefined], [' 1800 ; Refresher = UAC ;x=y', 1800, false, 'uac'], ['4294967;refresher=uac', 86_400, false, 'uac'], ['5000000;refresher=uas', 86_400, false, 'uas'],
    ['0', 90, true, undefined], ['89', 90, true, undefined], ['9999999999', 86_400, false, undefined], ['1800;refresher=nobody', 1800, false, undefined], ['1800;x="refresher=uas"', 1800, false, undefined],
  ] as const) t.same(parseSessionExpires(text), { seconds, tooShort, refresher }, text);
  for (const text of ['', '-1', '1e3', '99999999999999999999', '18 00', ';refresher=uac', '1800, 90']) t.equal(parseSessionExpires(text), undefined, text);
  t.equal(parseMinSE('5000000'), 86_400);
  t.equal(parseMinSE('0;x'), 90);
  t.equal(toSeconds(' 12 '), 12);
});

t.test('what we answer is within bounds too', async (t) => {
  const timer = new SessionTimer();
  t.same(timer.take(message({ 'session-expires': '5000000;refresher=uac', supported: 'timer' })), { tooSmall: false, headers: { 'Session-Expires': '86400;refresher=uac', Require: 'timer' } });
  t.same(timer.take(message({ 'session-expires': '0', supported: 'timer' })), { tooSmall: true, headers: { 'Min-SE': '90' } });
  timer.agreed(message({ 'session-expires': '5000000;refresher=uac' }));
  t.match(timer.take(message({ supported: 'timer' })), { headers: { 'Session-Expires': '86400;refresher=uas' } });
});

t.test('a timer for longer than a timer can wait waits', async (t) => {
  let rang = 0;
  const timers = [5e9, 2 ** 31, Infinity, Number.NaN].map((ms) => after(ms, () => { rang += 1; }));
  await new Promise((resolve) => setTimeout(resolve, 30));
  t.equal(rang, 0);
  timers.forEach(clearTimeout);
  await new Promise<void>((resolve) => after(-5, resolve));
});

t.test('a refused re-INVITE leaves the timer as it was (RFC 3261 §14.2)', async (t) => {
  const timer = new SessionTimer();
  timer.take(message({ 'session-expires': '1800;refresher=uas', supported: 'timer' }));
  const putBack = timer.mark();
  timer.take(message({ 'session-expires': '600;refresher=uac', supported: 'timer' }));
  putBack();
  t.match(timer.take(message({})), { headers: { 'Session-Expires': '1800;refresher=uas' } });
});

// RFC 4028 as a UAS and a UAC: who refreshes, what a 2xx says of it, when a 422 is due.
import t from 'tap';
import { askForTimer, SessionTimer } from '../../../lib/call/peer/sessionTimer.js';
import { FakeAnswer, FakeRequest } from '../../fakes/sip.js';

type Headers = Record<string, string>;
const timer: Headers = { Supported: 'timer' };

/** Before: the Session-Expires of the 2xx to our own INVITE; null: the peer called us. */
const rows: readonly { what: string; before: string | null; asks: Headers; gets: Headers; tooSmall?: true }[] = [
  { what: 'no timer on either side', before: null, asks: {}, gets: {} },
  { what: 'a caller that leaves the choice to us refreshes', before: null, asks: { ...timer, 'Session-Expires': '1800' }, gets: { 'Session-Expires': '1800;refresher=uac', Require: 'timer' } },
  { what: 'a caller that wants us to refresh', before: null, asks: { ...timer, 'Session-Expires': '1800;refresher=uas' }, gets: { 'Session-Expires': '1800;refresher=uas' } },
  { what: 'a caller that refreshes itself', before: null, asks: { ...timer, 'Session-Expires': '600;refresher=uac' }, gets: { 'Session-Expires': '600;refresher=uac', Require: 'timer' } },
  { what: 'a proxy wants a timer, the caller knows none: we refresh', before: null, asks: { 'Session-Expires': '1800' }, gets: { 'Session-Expires': '1800;refresher=uas' } },
  { what: 'too short for a caller that understands', before: null, asks: { ...timer, 'Session-Expires': '30' }, gets: { 'Min-SE': '90' }, tooSmall: true },
  { what: 'too short, but a 422 would say nothing to it', before: null, asks: { 'Session-Expires': '30' }, gets: { 'Session-Expires': '90;refresher=uas' } },
  { what: 'the compact name', before: null, asks: { ...timer, 'Session-Expires': ' 1800 ; refresher=UAC' }, gets: { 'Session-Expires': '1800;refresher=uac', Require: 'timer' } },
  { what: 'we refresh: a request without the header does not end that', before: '1800;refresher=uac', asks: timer, gets: { 'Session-Expires': '1800;refresher=uas' } },
  { what: 'the peer refreshes: without the header the timer is off', before: '1800;refresher=uas', asks: timer, gets: {} },
  { what: 'we refresh, and the peer leaves it open: it stays so', before: '1800', asks: { ...timer, 'Session-Expires': '900' }, gets: { 'Session-Expires': '900;refresher=uas' } },
  { what: 'the peer refreshes, and leaves it open: it stays so', before: '1800;refresher=uas', asks: { ...timer, 'Session-Expires': '900' }, gets: { 'Session-Expires': '900;refresher=uac', Require: 'timer' } },
  { what: 'roles may change', before: '1800;refresher=uac', asks: { ...timer, 'Session-Expires': '900;refresher=uac' }, gets: { 'Session-Expires': '900;refresher=uac', Require: 'timer' } },
];

for (const { what, before, asks, gets, tooSmall = false } of rows) {
  t.test(what, (t) => {
    const session = new SessionTimer();
    if (before !== null) session.agreed(new FakeAnswer(200, 'OK', { 'Session-Expires': before }));
    t.strictSame(session.take(new FakeRequest('UPDATE', asks)), { tooSmall, headers: gets });
    t.end();
  });
}

t.test('what a refused request asked for is put back', (t) => {
  const session = new SessionTimer();
  session.agreed(new FakeAnswer(200, 'OK', { 'Session-Expires': '1800;refresher=uac' }));
  const putBack = session.mark();
  session.take(new FakeRequest('INVITE', { ...timer, 'Session-Expires': '90;refresher=uac' }));
  putBack();
  t.strictSame(session.take(new FakeRequest('UPDATE', timer)).headers, { 'Session-Expires': '1800;refresher=uas' });
  t.end();
});

t.test('a 2xx without the header, or none at all, agrees on no timer', (t) => {
  for (const response of [new FakeAnswer(200, 'OK'), undefined]) {
    const session = new SessionTimer();
    session.agreed(response);
    t.strictSame(session.take(new FakeRequest('UPDATE', timer)).headers, {});
  }
  t.end();
});

t.test('what our own INVITE asks for', (t) => {
  t.strictSame(askForTimer(0, false), {});
  t.strictSame(askForTimer(1800, false), { 'Session-Expires': '1800', 'Min-SE': '90' });
  t.strictSame(askForTimer(1800, true), { 'Session-Expires': '1800;refresher=uas', 'Min-SE': '90' }, 'who challenges us refreshes itself');
  t.strictSame(askForTimer(10, false), { 'Session-Expires': '90', 'Min-SE': '90' });
  t.end();
});

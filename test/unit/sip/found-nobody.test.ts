// What a 503 and a 408 say of a peer's health.
import t from 'tap';
import { foundNobody } from '../../../lib/sip/options.js';

const response = (status: number, headers: Record<string, string> = {}): Parameters<typeof foundNobody>[0] => ({ status, get: (name: string) => headers[name] }) as never;

t.test('who is not there, and who has answered', async (t) => {
  t.equal(foundNobody(response(503), 'INVITE'), true);
  t.equal(foundNobody(response(503, { Reason: 'SIP;cause=503' }), 'INVITE'), true);
  t.equal(foundNobody(response(503, { Reason: 'Q.850;cause=20' }), 'INVITE'), false, 'a dialplan has spoken');
  t.equal(foundNobody(response(503, { Reason: 'SIP;cause=503, q.850 ;cause=34;text="x"' }), 'INVITE'), false);
  t.equal(foundNobody(response(408, { Via: 'SIP/2.0/UDP h;branch=z9hG4bK1;rport' }), 'INVITE'), true, 'our own');
  t.equal(foundNobody(response(408, { Via: 'SIP/2.0/UDP h;branch=z9hG4bK1;rport=5060' }), 'INVITE'), false);
  t.equal(foundNobody(response(480), 'INVITE'), false);
  t.equal(foundNobody(response(503, { Reason: 'Q.850;cause=38' }), 'OPTIONS'), true, 'nobody was dialled');
  t.equal(foundNobody(response(480), 'OPTIONS'), false);
});

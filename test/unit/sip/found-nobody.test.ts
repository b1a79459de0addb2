// What a 503 and a 408 say of a peer's health.
import t from 'tap';
import { foundNobody } from '../../../lib/sip/options.js';

const response = (status: number, headers: Record<string, string> = {}): Parameters<typeof foundNobody>[0] => ({ status, get: (name: string) => headers[name] }) as never;

t.test('who is not there, and who has answered', async (t) => {
  t.equal(foundNobody(response(503)), true);
  t.equal(foundNobody(response(503, { Reason: 'SIP;cause=503' })), true);
  t.equal(foundNobody(response(503, { Reason: 'Q.850;cause=20' })), false, 'a dialplan has spoken');
  t.equal(foundNobody(response(503, { Reason: 'SIP;cause=503, q.850 ;cause=34;text="x"' })), false);
  t.equal(foundNobody(response(408, { Via: 'SIP/2.0/UDP h;branch=z9hG4bK1;rport' })), true, 'our own');
  t.equal(foundNobody(response(408, { Via: 'SIP/2.0/UDP h;branch=z9hG4bK1;rport=5060' })), false);
  t.equal(foundNobody(response(480)), false);
});

// X-WAB-Certified-As counts where the SIP server that was started writes it, whatever a reloaded file says of sip.server.
import t from 'tap';
import { CallRouter } from '../../../lib/call/router.js';
import { fakeContext } from '../../fakes/context.js';
import { FakeRequest, FakeResponse } from '../../fakes/sip.js';
import { configOf } from '../policy/configuration.js';

t.test('who says so in a header is a peer only where nobody else can say it', async (t) => {
  const config = configOf({ peers: { sbc: { uri: 'sip:sbc.example.org;transport=tls', pstn: 'none', users: ['anna'], tls: { ca: 'ca.pem' } } } });
  t.equal(config.sip.server, 'embedded');
  for (const [certifies, status] of [[true, 200], [false, 403]] as const) {
    const { context, stack } = await fakeContext(config, { certifies, onStranger: () => undefined, registrar: { peerAt: () => null } as never });
    const response = new FakeResponse();
    new CallRouter(context).take(new FakeRequest('OPTIONS', { 'X-WAB-Certified-As': 'sbc', To: '<sip:x@example.net>' }, '', '198.51.100.7'), response, stack.stack);
    t.equal(response.final.status, status, `certifies: ${certifies}`);
  }
});

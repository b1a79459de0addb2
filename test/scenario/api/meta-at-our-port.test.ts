// A configuration that `check` cannot see through has Meta at a listener of this service's own: the end of the call says where to look.
import t from 'tap';
import { once } from 'node:events';
import { startService } from '../../../lib/app/compose.js';
import { parseConfig } from '../../../lib/config/load.js';
import { createLogger } from '../../../lib/observe/logger.js';
import { startPeer } from '../../../lib/simulator/index.js';
import { ApiClient, apiKeys, tokens } from '../../helpers/apiClient.js';
import { freePort, number, writeConfig } from '../../helpers/service.js';

t.test('where Meta is to be at a port of our own, the end of the call names meta.port', async (t) => {
  const peer = await startPeer({ codecs: ['PCMU'], answer: 'tone' });
  t.teardown(() => peer.close());
  const port = await freePort();
  const { text } = await writeConfig(t.testdir(), { metaPort: null, media: 'embedded', peers: { pbx: { port: peer.port, mayCall: [number] } }, overlay: { sip: { listen: [`tls:127.0.0.1:${port}`, 'udp:127.0.0.1:0'] }, api: apiKeys } });
  const config = parseConfig(text, { env: {}, path: 'test' });
  const service = await startService({ ...config, meta: { ...config.meta, port } }, createLogger('fatal'));
  t.teardown(() => service.close());
  const all = new ApiClient(service.api, tokens.all);
  const events = await all.events('?types=call.ended');
  t.teardown(() => events.close());
  const hungUp = once(peer, 'ended');
  t.equal((await all.post('/v1/calls', { number, user: '+447700900101', peer: 'pbx', peerUser: '6001' })).status, 201);
  t.match((await events.when(({ type }) => type === 'call.ended')).data, { by: 'us', reason: 'metaUnreachable', text: `Meta could not be reached: can not send request to myself: this service listens at 127.0.0.1:${port} itself (meta.port)` });
  await hungUp;
});

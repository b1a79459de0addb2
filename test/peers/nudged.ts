import { SipConnections } from '../../lib/sip/connections.js';
import { Guard } from '../../lib/util/guard.js';
import { startSipServer } from '../../lib/sipserver/index.js';
import { createMediaEngine, type MediaEngine } from '../../lib/media/index.js';
import { engines } from '../helpers/engines.js';
import { startFreeswitch } from '../helpers/freeswitch.js';
import { mediaPorts } from '../helpers/ports.js';
import { keepingLogger, mediaConfig } from '../scenario/media/bench.js';

/** FreeSWITCH alone for numbers keyed with DTLS (media.webrtc: nudge), its media on `address`. */
export async function startNudged(address: string): Promise<{ engine: MediaEngine; close(): Promise<void> }> {
  const logger = keepingLogger();
  const freeswitch = await startFreeswitch(engines.freeswitch, (await mediaPorts()).split('-').map(Number) as [number, number], { WAB_RTP_IP: address });
  const server = await startSipServer({ listen: ['udp:127.0.0.1:0'], admin: { host: '127.0.0.1', port: 0, secret: 'test' } });
  const connections = new SipConnections([{ ...server.admin, secret: 'test' }], logger, new Guard(() => undefined, () => undefined));
  await connections.connect(5000, { request: () => undefined, message: null });
  const config = await mediaConfig();
  const engine = createMediaEngine({ ...config, engine: 'freeswitch', freeswitch: [freeswitch.esl], webrtc: 'nudge' }, logger, { webrtc: true, stack: () => connections.pick() });
  await engine.start();
  return {
    engine,
    async close() {
      await engine.close();
      connections.close();
      await server.close();
      await freeswitch.close();
    },
  };
}

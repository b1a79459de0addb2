// The service between a PBX and both stand-ins of Meta, Graph and SIP, on one ledger.
import type { Test } from 'tap';
import { startGraph, type SimulatedGraph, type SimulatedMeta } from '../../../lib/simulator/index.js';
import { freePort } from '../../helpers/ports.js';
import { domain, number, password } from '../../helpers/service.js';
import { openStage, pause, type Stage } from '../harness.js';

export const id = '100000000000001';
const secret = 'secret-of-the-app';
const calling = { status: 'ENABLED', sip: { status: 'ENABLED', webhook_delivery: 'ENABLED' }, srtp_key_exchange_protocol: 'SDES', callback_permission_status: 'ENABLED' };
export const user = (n: number): string => `+4477009001${String(n).padStart(2, '0')}`;

export interface Scene { readonly stage: Stage; readonly graph: SimulatedGraph; readonly meta: SimulatedMeta; dial(to: string): Promise<number>; until(what: () => boolean, why: string): Promise<void> }

export async function scene(t: Test, permission: 'check' | 'request', behaviour = ''): Promise<Scene> {
  const port = await freePort();
  const graph = await startGraph({
    tokens: { EAAtoken: '9' }, numbers: [{ number, id, calling, servers: { 9: { hostname: domain, port: 5061, password } } }], webhooks: { url: `http://127.0.0.1:${port}/meta`, secret }, behaviour,
  });
  t.teardown(() => graph.close());
  const stage = await openStage({
    peers: { pbx: { media: 'none', config: { mayCall: [number] } } },
    overlay: {
      meta: { mediaTimeout: 0 }, graph: { url: graph.url, token: 'EAAtoken', verifyEvery: 0 }, numbers: { [number]: { id, permission } }, webhooks: { listen: `127.0.0.1:${port}`, appSecret: secret, verifyToken: 'v' },
    },
  });
  t.teardown(() => stage.close());
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noring', ledger: graph.calls });
  return {
    stage, graph, meta,
    async dial(to) {
      const call = await stage.peers['pbx']!.call(`sip:${to}@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>` });
      const status = await call.final ?? 0;
      if (status === 200) {
        await pause(50);
        await call.bye();
      }
      // The pair is given back when Meta has let go of the call.
      await Promise.all(stage.running.service.table.all().map((one) => one.ended));
      return status;
    },
    async until(what, why) {
      for (let i = 0; i < 500; i += 1) {
        if (what()) return;
        await pause(20);
      }
      throw new Error(why);
    },
  };
}

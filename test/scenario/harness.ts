import {
  MetaSide, SimulatedUser, startMeta, startPeer, type MetaOptions, type PeerOptions, type SimulatedMeta, type SimulatedPeer, type UserOptions, type UserReport,
} from '../../lib/simulator/index.js';
import { freePort } from '../helpers/ports.js';
import { domain, number, password, runService, type Overlay, type Running } from '../helpers/service.js';

/** A service with its stand-ins: Meta on one side, PBX users on the other. */
export interface Stage {
  readonly running: Running;
  readonly meta: MetaSide;
  readonly peers: Record<string, SimulatedPeer>;
  /** Plays wa.meta.vc for business-initiated calls, as `behaviour` says; the number is set up there as the service has it. */
  answerAsMeta(options?: Partial<MetaOptions> & { keying?: 'sdes' | 'dtls'; g711?: boolean; password?: string }): Promise<SimulatedMeta>;
  /** A user who has not called yet. */
  user(options?: Partial<UserOptions>): SimulatedUser;
  /** Places a call, waits `ms` after the answer, hangs up, gives the verdict. */
  call(options?: Partial<UserOptions>, ms?: number): Promise<UserReport>;
  close(): Promise<void>;
}

export interface StageOptions {
  /** Peers by name; default one echo. `config` is laid over the peer in the configuration. */
  readonly peers?: Record<string, PeerOptions & { config?: Overlay }>;
  /** Peers that run elsewhere: their port, and what is laid over their configuration. */
  readonly external?: Record<string, { port: number } & Overlay>;
  readonly overlay?: Overlay;
  readonly drachtioServers?: number;
  readonly media?: 'rtpengine' | 'embedded' | 'freeswitch';
}

/** Opens everything on free ports; closes it all again when something does not start. */
export async function openStage(options: StageOptions = {}): Promise<Stage> {
  const undo: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const step of undo.reverse().splice(0)) await step();
  };
  try {
    const peers: Record<string, SimulatedPeer> = {};
    const configured: Record<string, { port: number } & Overlay> = { ...options.external };
    for (const [name, { config, ...peerOptions }] of Object.entries(options.peers ?? (options.external === undefined ? { pbx: {} } : {}))) {
      const peer = peers[name] = await startPeer({ codecs: ['PCMU'], ...peerOptions });
      undo.push(() => peer.close());
      configured[name] = { port: peer.port, ...config };
    }
    const metaPort = await freePort();
    const running = await runService({ metaPort, peers: configured, overlay: options.overlay, drachtioServers: options.drachtioServers, media: options.media });
    undo.push(() => running.close());
    const meta = await MetaSide.open({
      to: `127.0.0.1:${running.tls.port}`, serverName: domain, ca: running.certificates.ca,
      listen: `127.0.0.1:${metaPort}`, cert: running.certificates.metaCert, key: running.certificates.metaKey,
    });
    undo.push(() => meta.close());
    const user = (more: Partial<UserOptions> = {}): SimulatedUser => new SimulatedUser(meta, { number, password, ...more });
    return {
      running, meta, peers, user, close,
      async answerAsMeta({ keying, g711, password: secret, ...more } = {}) {
        const simulated = await startMeta({ side: meta, numbers: [{ number, password: secret ?? password, hostname: domain, keying, g711 }], byeVia: 'fresh', ...more });
        undo.push(() => simulated.close());
        return simulated;
      },
      async call(more = {}, ms = 1500) {
        const caller = user(more);
        const status = await caller.place();
        if (status === 200) {
          await pause(ms);
          await caller.hangUp();
        }
        const report = caller.report();
        caller.close();
        return report;
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Time that a call is to last, or that an absence must last to count; never a wait for something to happen. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

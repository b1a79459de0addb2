import { availableParallelism } from 'node:os';
import type { MediaConfig } from '../config/types.js';
import { WabError } from '../errors.js';
import { EmbeddedEngine } from './embedded/engine.js';
import { PortPool } from './embedded/ports.js';
import { mediaInterface } from './interfaces.js';
import type { SipStack } from '../sip/drachtio.js';
import { FreeswitchEngine } from './freeswitch/engine.js';
import type { MediaLogger } from './logger.js';
import { RtpengineEngine, rtpengineInstances } from './rtpengine/engine.js';
import type { MediaEngine } from './types.js';

export type { MediaLogger } from './logger.js';
export { SHIPPED_MUSIC, SHIPPED_RINGBACK, SHIPPED_TONE } from './prompts/shelf.js';
export * from './types.js';

/**
 * The configured media engine, not yet started. `webrtc`: some number is keyed with DTLS. `stack`: a connected SIP server, for engines that are controlled by SIP.
 * @throws WabError 'CONFIG_INVALID' when it names none, or asks for what this build does not have.
 */
export function createMediaEngine(config: MediaConfig, logger: MediaLogger, { webrtc, stack }: { readonly webrtc: boolean; readonly stack: () => SipStack }): MediaEngine {
  if (config.engine === 'embedded') {
    const { interface: at, ports, workers } = config;
    return new EmbeddedEngine({ interface: at, ports, workers: workers === 'auto' ? availableParallelism() : workers }, logger);
  }
  const forksAt = { ports: new PortPool(config.ports), at: mediaInterface(config.interface.peers) };
  const relayWorkers = Math.max(1, Math.floor(availableParallelism() / 2));
  if (config.engine === 'rtpengine') return new RtpengineEngine(config.rtpengine, logger, { relayWorkers, forksAt });
  if (config.freeswitch.length === 0) throw new WabError('CONFIG_INVALID', 'media.freeswitch is empty');
  // A reload may bring the first number keyed with DTLS: the nudge, one socket, is there for it; rtpengine is not started for nothing.
  const nudge = config.webrtc === 'nudge';
  const front = webrtc && config.webrtc === 'rtpengine' ? rtpengineInstances(config.rtpengine, logger) : [];
  const own = config.webrtc === 'embedded' ? { interface: config.interface, ports: config.ports } : null;
  return new FreeswitchEngine({ servers: config.freeswitch, front, own, forksAt, nudge, relay: config.rtpengine.anchor, relayWorkers, stack }, logger);
}

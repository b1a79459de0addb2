import { availableParallelism } from 'node:os';
import type { MediaConfig } from '../config/types.js';
import { WabError } from '../errors.js';
import type { MediaLogger } from './logger.js';
import { RtpengineEngine } from './rtpengine/engine.js';
import type { MediaEngine } from './types.js';

export type { MediaLogger } from './logger.js';
export { SHIPPED_MUSIC, SHIPPED_RINGBACK } from './recording/shelf.js';
export * from './types.js';

/**
 * The configured media engine, not yet started.
 * @throws WabError 'CONFIG_INVALID' for an engine this build does not have.
 */
export function createMediaEngine(config: MediaConfig, logger: MediaLogger): MediaEngine {
  if (config.engine !== 'rtpengine') throw new WabError('CONFIG_INVALID', `media.engine: ${config.engine} is not available`);
  return new RtpengineEngine(config.rtpengine, logger, { anchorWorkers: Math.max(1, Math.floor(availableParallelism() / 2)) });
}

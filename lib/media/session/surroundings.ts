import type { Keying } from '../../config/types.js';
import type { RelayPool } from '../relay/relayPool.js';
import type { MediaLogger } from '../logger.js';
import type { Recorder } from '../recording/recorder.js';
import type { RecordingShelf } from '../prompts/shelf.js';
import type { ForkPlaces } from './fork.js';
import type { MediaSession } from './session.js';
import type { EngineNode } from './sides.js';

/** What an engine is wanted for. */
export interface Wanted {
  readonly role: 'meta' | 'peer';
  /** How Meta's leg is keyed; null in the role of a peer's. */
  readonly keying: Keying | null;
  /** An engine that the call uses already, if it does. */
  readonly other: EngineNode | null;
  readonly tried: ReadonlySet<EngineNode>;
}

/** What calls share. */
export interface CallSurroundings {
  /** A healthy engine not among `tried`. @throws WabError 'MEDIA_UNAVAILABLE'. */
  pick(wanted: Wanted): EngineNode;
  readonly relays: RelayPool;
  readonly relayAddress: string;
  /** What is played. */
  readonly recordings: RecordingShelf;
  /** Writes recordings. */
  readonly recorder: Recorder;
  readonly forksAt: ForkPlaces;
  readonly logger: MediaLogger;
  closed(call: MediaSession): void;
}

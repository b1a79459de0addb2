import { randomInt } from 'node:crypto';
import { WabError } from '../../errors.js';
import { withTimeout } from '../../util/withTimeout.js';
import type { Recorder } from '../recording/recorder.js';
import type { RelayHandle } from '../relay/handle.js';
import type { RelayCodec } from '../relay/rtp.js';
import type { AgentEnd, CallRecording, ForkProfile, MediaFork, RecordingOptions } from '../types.js';
import { SessionFork, type ForkPlaces } from './fork.js';

/** How long the end of a call waits for its recordings to be closed, in milliseconds. */
const CLOSING_MS = 1000;

async function ended(recording: CallRecording): Promise<void> {
  await recording.result;
  await recording.followed;
}

/** What is recorded of one call, and who else gets a copy of it. `relay` null: there is nothing to be heard yet, or any more. */
export class Recordings {
  readonly #id: string;
  readonly #recorder: Recorder;
  readonly #forksAt: ForkPlaces;
  readonly #going = new Set<CallRecording>();
  readonly #forks = new Set<SessionFork>();

  constructor(id: string, { recorder, forksAt }: { readonly recorder: Recorder; readonly forksAt: ForkPlaces }) {
    this.#id = id;
    this.#recorder = recorder;
    this.#forksAt = forksAt;
  }

  /** @throws WabError 'MEDIA_REFUSED' */
  record(relay: RelayHandle | null, codec: RelayCodec, options: RecordingOptions): CallRecording {
    if (relay === null) throw new WabError('MEDIA_REFUSED', 'there is nothing to record');
    const recording = this.#recorder.record(relay, codec, options);
    this.#going.add(recording);
    recording.once('ended', () => this.#going.delete(recording));
    return recording;
  }

  tee(relay: RelayHandle | null, codec: RelayCodec, end: AgentEnd): void {
    if (relay === null) end.link.close();
    else relay.post({ op: 'tee', end, codec });
  }

  /** `first`: the first of two numbers that no leg has. @throws WabError 'MEDIA_REFUSED' */
  fork(relay: RelayHandle | null, first: number, profile: ForkProfile): MediaFork {
    if (relay === null) throw new WabError('MEDIA_REFUSED', 'the call was closed');
    const ssrc = (): number => randomInt(1, 0xffff_ffff);
    const fork = new SessionFork({ ...this.#forksAt, id: this.#id, first, relay, cname: `wab-${ssrc().toString(36)}`, ssrc }, profile);
    this.#forks.add(fork);
    return fork;
  }

  /** Resolves when all are closed, or a moment later. Never rejects. */
  async closed(): Promise<void> {
    for (const fork of this.#forks) fork.close();
    await withTimeout(Promise.all([...this.#going].map(ended)), CLOSING_MS, () => undefined);
  }
}

import { WabError } from '../../errors.js';
import { withTimeout } from '../../util/withTimeout.js';
import type { Recorder } from '../recording/recorder.js';
import type { RelayHandle } from '../relay/handle.js';
import type { RelayCodec } from '../relay/rtp.js';
import type { CallRecording, RecordingOptions } from '../types.js';

/** How long the end of a call waits for its recordings to be closed, in milliseconds. */
const CLOSING_MS = 1000;

async function ended(recording: CallRecording): Promise<void> {
  await recording.result;
  await recording.followed;
}

/** What is recorded of one call. */
export class Recordings {
  readonly #recorder: Recorder;
  readonly #going = new Set<CallRecording>();

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  /** `relay` null: there is nothing to be heard yet, or any more. @throws WabError 'MEDIA_REFUSED' */
  record(relay: RelayHandle | null, codec: RelayCodec, options: RecordingOptions): CallRecording {
    if (relay === null) throw new WabError('MEDIA_REFUSED', 'there is nothing to record');
    const recording = this.#recorder.record(relay, codec, options);
    this.#going.add(recording);
    recording.once('ended', () => this.#going.delete(recording));
    return recording;
  }

  /** Resolves when all are closed, or a moment later. Never rejects. */
  async closed(): Promise<void> {
    await withTimeout(Promise.all([...this.#going].map(ended)), CLOSING_MS, () => undefined);
  }
}

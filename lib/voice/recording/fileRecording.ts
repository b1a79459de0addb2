import type { Bridge } from '../../call/bridge.js';
import type { Call } from '../../call/call.js';
import type { CallRecording } from '../../media/types.js';
import type { Recordable } from './callRecorder.js';

/** A place that a recording has. */
export interface Kept {
  /** Path without the extension. */
  readonly stem: string;
  readonly format: 'ogg' | 'wav';
  readonly file: string;
  readonly call: Call;
  /** It is not to be. Never rejects. */
  abandon(): Promise<void>;
}

/** Who keeps files. */
export interface Keeper {
  /** Makes a place for a recording, with what is known of its call. @throws Error where there is none */
  keep(bridge: Bridge, index: number): Promise<Kept>;
  /** It goes on; `kept` follows it to its end. */
  follow(kept: Kept, recording: CallRecording): void;
  /** It has ended before its call, and why. */
  broken(bridge: Bridge, kept: Kept, why: string): void;
}

/** Begins to write what both say to a file. See RecorderHost.begin. */
export async function recordToFile(keeper: Keeper, bridge: Bridge, index: number, wanted: () => boolean): Promise<Recordable | null> {
  const kept = await keeper.keep(bridge, index);
  if (!wanted()) {
    await kept.abandon();
    return null;
  }
  let recording: CallRecording;
  try {
    recording = bridge.media.record({ file: kept.stem, format: kept.format, channels: 'both', maxSeconds: null, silenceSeconds: null });
  } catch (error) {
    await kept.abandon();
    throw error;
  }
  keeper.follow(kept, recording);
  recording.once('ended', (why, detail) => { if (why === 'failed') keeper.broken(bridge, kept, detail ?? 'unknown'); });
  return {
    pause: () => recording.pause(), resume: () => recording.resume(), stop: () => { void recording.stop(); },
    over: recording.result.then(() => undefined),
  };
}

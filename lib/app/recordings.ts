import { RecordingService } from '../voice/recording/service.js';
import { SiprecService } from '../voice/siprec/service.js';
import type { Start } from './start.js';
import type { State } from './state.js';

/** Null: nothing is recorded. What a process before has left behind is looked for meanwhile. */
export function openRecordings({ config, log, faults, undo }: Start, state: State): RecordingService | null {
  if (config.recording === null) return null;
  const service = new RecordingService({
    config: config.recording, current: () => state.rules.config.recording, log: log.child({ part: 'recording' }),
    news: { recorded: (call, sidecar) => state.news.recorded(call, sidecar), failed: (call, file, why) => state.news.recordingFailed(call, file, why) },
  });
  undo.push(() => service.close());
  faults.spawn('the folder of the recordings', service.start());
  return service;
}

/** Recorders of others. */
export function openSiprec({ log }: Start, state: State): SiprecService {
  return new SiprecService(log.child({ part: 'siprec' }), {
    started: (call, recorder, to) => state.news.siprec('started', call, { recorder, to, seconds: null, why: null }),
    ended: (call, recorder, told) => state.news.siprec('ended', call, { recorder, ...told }),
    failed: (call, recorder, why) => state.news.siprec('failed', call, { recorder, to: null, seconds: null, why }),
  });
}

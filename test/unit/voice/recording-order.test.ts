// What is written beside a recording: a hold in its last moment does not come back behind its sidecar.
import t from 'tap';
import { existsSync, readdirSync } from 'node:fs';
import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { Bridge } from '../../../lib/call/bridge.js';
import { Call } from '../../../lib/call/call.js';
import type { CallRecording, RecordingEvents, RecordingResult } from '../../../lib/media/types.js';
import { RecordingService } from '../../../lib/voice/recording/service.js';
import { sidecarOf } from '../../../lib/voice/recording/store.js';
import { log } from '../../fakes/context.js';

const config = { directory: '', format: 'ogg', keepDays: 0, keepFree: 0, upload: null } as const;

t.test('eight recordings whose hold ends with them leave nothing but their sidecars', async (t) => {
  const directory = join(t.testdir(), 'recordings');
  const service = new RecordingService({ config: { ...config, directory }, current: () => null, log, news: { recorded: () => undefined, failed: (_call, _file, why) => { t.fail(why); } } });
  t.teardown(() => service.close());
  const files = await Promise.all(Array.from({ length: 8 }, async () => {
    const call = new Call({ direction: 'user-initiated', startedAt: 0, log, showUser: (user) => user, onEnded: () => undefined });
    // What is long takes as long to be written as anything does on a disk that is slow.
    call.facts.wacid = 'x'.repeat(4_000_000);
    const kept = await service.keep({ call, current: null } as unknown as Bridge, 1);
    const recording = new EventEmitter<RecordingEvents>();
    let followed: Promise<void> = Promise.resolve();
    Object.assign(recording, { follow: (work: Promise<void>) => { followed = work; } });
    service.follow(kept, recording as unknown as CallRecording);
    recording.emit('changed', 'hold', 1);
    recording.emit('changed', 'unhold', 2);
    call.facts.wacid = 'wacid.short';
    const result: RecordingResult = { file: kept.file, channels: 2, seconds: 12, bytes: 40_000, sha256: 'ab', whole: true, lost: 0, pauses: [], holds: [{ from: 1, to: 2 }], gaps: [] };
    recording.emit('ended', 'closed', null, result);
    await followed;
    return kept.file;
  }));
  await service.close();
  await turn();
  t.same(readdirSync(join(directory, '.open')), [], 'nothing says that it is still written');
  for (const file of files) t.ok(existsSync(join(directory, sidecarOf(file))), file);
});

// A disk that is full: a small tmpfs, where one can be mounted.
import t from 'tap';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RecordingStore } from '../../../lib/voice/recording/store.js';
import { Clicker, readRecording, RecordingRig, rtp } from '../../helpers/recordingRig.js';

const folder = mkdtempSync(join(tmpdir(), 'record-full-'));
let mounted = true;
try {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'tmpfs', folder], { stdio: 'ignore' });
} catch {
  mounted = false;
}
t.teardown(() => {
  if (mounted) execFileSync('umount', [folder]);
  rmSync(folder, { recursive: true, force: true });
});

for (const format of ['ogg', 'wav'] as const) {
  t.test(`${format}: a disk that is full ends the recording, and what is in the file plays`, { skip: mounted ? false : 'no tmpfs can be mounted here' }, async (t) => {
    const rig = new RecordingRig({ file: join(folder, format, `a.${format}`), format });
    t.teardown(() => rmSync(join(folder, format), { recursive: true, force: true }));
    const clicker = new Clicker('opus', 16_000);
    for (let n = 0; n < 60 * 50; n += 1) {
      const payload = clicker.coded(n % 50 === 10);
      rig.user(rtp(111, { seq: n, ts: n * 960, ssrc: 5 }, payload));
      rig.meta.outgoing.audio(rtp(111, { seq: n, ts: n * 960, ssrc: 6 }, payload), 960, rig.now);
      rig.advance(20);
    }
    rig.taps.close();
    const { why, detail, result } = await rig.ended;
    t.same([why, detail, result.whole], ['failed', 'ENOSPC', false]);
    const { channels, rate } = readRecording(result.file);
    const plays = (channels[0]?.length ?? 0) / rate;
    t.ok(plays > 1 && plays <= result.seconds && result.seconds - plays < 1.1, `${plays} of ${result.seconds} s play`);
    t.equal(statSync(result.file).size, result.bytes, 'no part of a piece stays');
    const store = new RecordingStore(folder);
    const open = { call: 'x', direction: 'user-initiated' as const, wacid: null, number: null, user: null, route: null, peer: null, peerUser: null, reference: 'x'.repeat(200_000), file: '2026-11-30/x.ogg', began: '', channels: [], pauses: [], holds: [] };
    await t.rejects(store.keepOpen(open), { code: 'ENOSPC' }, 'no place for a sidecar: the next recording does not begin');
  });
}

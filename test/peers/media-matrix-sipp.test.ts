import t from 'tap';
import { playMatrix } from './mediaMatrix.js';
import { absent } from './programs.js';
import { startHoldingSipp } from './sippEcho.js';

const nothing = (): Promise<void> => Promise.resolve();

// sipp echoes tone and digits.
t.test('sipp that echoes and holds', { skip: absent('sipp') || absent('dumpcap') }, async (t) => {
  await playMatrix(t, async (codec) => ({ ...await startHoldingSipp(codec), hears: 440, press: nothing, mute: nothing }));
});

import t from 'tap';
import { DIGITS_MS, HOLD_MS, playMatrix, TALK_MS } from './mediaMatrix.js';
import { absent, startSipp } from './programs.js';
import { holdingEcho } from './sippEcho.js';

const nothing = (): Promise<void> => Promise.resolve();

// sipp echoes tone and digits, and keeps the times of its scenario.
t.test('sipp that echoes and holds', { skip: absent('sipp') || absent('dumpcap') }, async (t) => {
  await playMatrix(t, async (codec) => {
    const sipp = await startSipp(holdingEcho(codec, TALK_MS + DIGITS_MS, HOLD_MS));
    return { port: sipp.port, hears: 440, press: nothing, hold: nothing, resume: nothing, mute: nothing, close: () => sipp.close() };
  });
});

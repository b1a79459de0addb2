import t from 'tap';
import { pause } from '../scenario/harness.js';
import { DIGITS, playMatrix } from './mediaMatrix.js';
import { absent, startBaresip } from './programs.js';

t.test('baresip with a tone of its own, its own digits, hold and mute', { skip: absent('baresip') || absent('dumpcap') }, async (t) => {
  await playMatrix(t, async (codec) => {
    const baresip = await startBaresip({ codec: { opus: 'opus/48000/2', G722: 'G722/16000/1' }[codec as string] ?? codec, tone: 700 });
    return {
      port: baresip.port, hears: 700,
      async press() {
        for (const digit of DIGITS) {
          await baresip.press(`/sndcode ${digit}\n`);
          // Nine updates and three ends of 20 ms each.
          await pause(260);
        }
      },
      hold: () => baresip.press('x'),
      resume: () => baresip.press('X'),
      mute: () => baresip.press('m'),
      close: () => baresip.close(),
    };
  });
});

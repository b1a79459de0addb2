import t from 'tap';
import { startPeer } from '../../../lib/simulator/index.js';
import { DIGITS, playMatrix } from '../../peers/mediaMatrix.js';
import { absent } from '../../peers/programs.js';

t.test('the stand-in with its own tone, digits, hold and mute', { skip: absent('dumpcap') }, async (t) => {
  await playMatrix(t, async (codec) => {
    const peer = await startPeer({ codecs: [codec], answer: 'tone', tones: [1000, 1000] });
    const current = (): NonNullable<typeof peer.lastCall> => peer.lastCall!;
    return {
      port: peer.port, hears: 1000,
      press: () => { current().press(DIGITS); return Promise.resolve(); },
      hold: async () => { await peer.hold('sendonly'); },
      resume: async () => { await peer.resume('tone'); },
      mute: (on) => { current().mute(on); return Promise.resolve(); },
      close: () => peer.close(),
    };
  });
});

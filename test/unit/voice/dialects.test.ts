import t from 'tap';
import { dialectOf } from '../../../lib/voice/agents/dialects/index.js';
import type { AgentCall, AgentWord, DialectName } from '../../../lib/voice/agents/dialects/types.js';
import { Rates } from '../../../lib/voice/agents/dialects/rates.js';
import { AgentWire } from '../../../lib/simulator/agent/dialect.js';
import { shareAt, ToneGenerator } from '../../../lib/simulator/media/tone.js';

const call: AgentCall = {
  id: '0b8f5f6e-3f57-4f0a-9d0c-1f2e3d4c5b6a', stream: 'ab'.repeat(16), number: '+447700900001', user: '+447700900101', wacid: 'wacid.1', payload: 'order-7', direction: 'user-initiated', reconnected: false, listens: false,
};
const text = (value: unknown): Buffer => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const said = (word: AgentWord): string => (word.kind === 'audio' ? `audio ${word.pcm.length}` : word.kind === 'fault' ? 'fault' : JSON.stringify(word));

for (const [name, rate] of [['twilio', 8000], ['jambonz', 16_000], ['raw', 24_000]] as const) {
  t.test(`${name}: read and written by an agent's own reader and writer, which share nothing with ours`, async (t) => {
    const [ours, theirs] = [dialectOf(name, call, rate), new AgentWire(name)];
    const read = (message: string | Buffer) => theirs.read(Buffer.from(message), typeof message !== 'string');
    const begun = ours.begin().map(read);
    t.match(begun.at(-1), { kind: 'start', rate, call: { number: call.number, user: call.user, wacid: 'wacid.1', payload: 'order-7' } });
    const tone = new ToneGenerator(700, rate).next(rate / 50);
    for (let i = 0; i < 3; i += 1) {
      const heard = read(ours.audio(tone)[0]!);
      if (heard.kind !== 'audio') return t.fail(JSON.stringify(heard));
      t.equal(heard.pcm.length, rate / 50);
      t.ok(shareAt(heard.pcm, 700, rate) > 0.95);
    }
    t.match(read(ours.digit('#', 160)), { kind: 'digit', digit: '#' });
    t.match(read(ours.mark('said', true)), { kind: 'mark', name: 'said', cleared: name === 'twilio' ? undefined : true });
    t.match(read(ours.transferring({ status: 180, text: 'Ringing', code: null }) ?? ''), { kind: 'transfer', status: 180, refused: undefined });
    t.match(read(ours.transferring({ status: 403, text: 'no', code: 'target.user' }) ?? ''), { kind: 'transfer', status: 403, refused: name === 'raw' ? 'target.user' : undefined });
    const stop = ours.stop('ended');
    if (stop !== null) t.match(read(stop), { kind: 'stop' });
    const back = (message: string | Buffer): AgentWord => ours.read(Buffer.from(message), typeof message !== 'string');
    const spoken = back(theirs.audio(tone));
    t.ok(spoken.kind === 'audio' && shareAt(spoken.pcm, 700, rate) > 0.95);
    t.same([theirs.mark('m'), theirs.clear(), theirs.digit('5'), theirs.hangUp(), theirs.transfer('pbx', '6001')].map((word) => said(back(word))), [
      '{"kind":"mark","name":"m"}', '{"kind":"clear"}', '{"kind":"digit","digit":"5"}', '{"kind":"hangup"}', '{"kind":"transfer","peer":"pbx","user":"6001"}',
    ]);
  });
}

t.test('what is hostile or wrong is a fault, and nothing else', async (t) => {
  const words: unknown[] = [
    '', '{', 'null', '[]', '"media"', '1e999', '{"__proto__":{"event":"clear","type":"clear"}}', { constructor: 1 }, { event: 'toString', type: 'toString' },
    { event: 'media', media: { payload: '****' } }, { event: 'media', media: { payload: 7 } }, { event: 'media', media: null }, { event: 'media' },
    { event: 'mark' }, { event: 'mark', mark: { name: 'x'.repeat(2000) } }, { type: 'mark', name: {} }, { type: 'mark', data: { name: ['a'] } },
    { event: 'dtmf', dtmf: { digit: '12' } }, { type: 'dtmf', digit: 'x', data: { digit: '' } }, { event: 'transfer', transfer: { peer: 'pbx' } }, { type: 'transfer', peer: 'pbx', user: 'a b', data: {} },
    { type: 'transfer', peer: 'x'.repeat(65), user: '1', data: { peer: 'p', user: 'x'.repeat(129) } }, { type: 'playAudio' }, { type: 'playAudio', data: { audioContent: '!' } },
    { type: 'playAudio', data: { audioContent: 'AAAA', sampleRate: 22_050 } }, { type: 'playAudio', data: { audioContent: 'AAAA', audioContentType: 'wav' } }, { type: 'playAudio', data: { audioContent: 'AAAA', sampleRate: '__proto__' } },
  ];
  for (const name of ['twilio', 'jambonz', 'raw'] as const satisfies readonly DialectName[]) {
    const dialect = dialectOf(name, call, 8000);
    for (const word of words) t.equal(said(dialect.read(text(word), false)), 'fault', `${name}: ${JSON.stringify(word).slice(0, 60)}`);
  }
  t.equal(said(dialectOf('twilio', call, 8000).read(Buffer.alloc(320), true)), 'fault', 'octets where text belongs');
  t.equal(said(dialectOf('raw', call, 8000).read(Buffer.alloc(321), true)), 'audio 160', 'half a sample is none');
  t.equal(Object.keys({}).length + Object.keys(Object.prototype).length, 0, 'no prototype has changed');
});

t.test('jambonz: audio in a message of its own, at other rates too', async (t) => {
  const [dialect, rates] = [dialectOf('jambonz', call, 16_000), new Rates(16_000)];
  for (const rate of [8000, 16_000, 24_000, 48_000]) {
    const pcm = new ToneGenerator(700, rate).next(rate / 5);
    const octets = Buffer.from(pcm.buffer);
    const header = Buffer.concat([Buffer.from('RIFF\0\0\0\0WAVEfmt '), Buffer.from(Uint32Array.of(16).buffer), Buffer.from(Uint16Array.of(1, 1).buffer), Buffer.from(Uint32Array.of(rate, rate * 2).buffer), Buffer.from(Uint16Array.of(2, 16).buffer), Buffer.from('data'), Buffer.from(Uint32Array.of(octets.length).buffer)]);
    for (const [type, content] of [['raw', octets], ['wav', Buffer.concat([header, octets])]] as const) {
      const word = dialect.read(text({ type: 'playAudio', data: { audioContent: content.toString('base64'), audioContentType: type, sampleRate: rate } }), false);
      if (word.kind !== 'audio') return t.fail(`${type} ${rate}: ${JSON.stringify(word)}`);
      const brought = rates.brought(word.pcm, word.rate);
      t.equal(brought.length, 3200, `${type} ${rate}`);
      t.ok(shareAt(brought.subarray(320), 700, 16_000) > 0.9);
    }
  }
});

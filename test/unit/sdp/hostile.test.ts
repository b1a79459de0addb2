import fc from 'fast-check';
import t from 'tap';
import { WabError } from '../../../lib/errors.js';
import { readMetaOffer, readPeerOffer, readSdp, writeSdp } from '../../../lib/sdp/index.js';
import { metaDtlsOffer, metaSdesOffer, peerPcmuAnswer } from './samples.js';

const profile = { codecs: ['PCMU', 'opus'], srtp: 'none', dtmf: 'rfc4733' } as const;
const texts = [metaSdesOffer, metaDtlsOffer, peerPcmuAnswer];

/** A text with lines removed, doubled, moved or garbled. */
const mangled = fc.tuple(
  fc.constantFrom(...texts),
  fc.array(fc.tuple(fc.nat(), fc.constantFrom('drop', 'double', 'swap', 'garble', 'cut'), fc.string({ maxLength: 30 })), { minLength: 1, maxLength: 6 }),
).map(([text, changes]) => {
  const lines = text.split('\r\n');
  for (const [place, kind, junk] of changes) {
    const at = place % lines.length;
    const line = lines[at] ?? '';
    if (kind === 'drop') lines.splice(at, 1);
    else if (kind === 'double') lines.splice(at, 0, line);
    else if (kind === 'swap') lines.push(...lines.splice(at, 1));
    else if (kind === 'garble') lines[at] = line.slice(0, 2) + junk;
    else lines[at] = line.slice(0, place % (line.length + 1)) + junk;
  }
  return lines.join('\r\n');
});

t.test('whatever comes, it is read or refused with SDP_UNACCEPTABLE', async (t) => {
  for (const read of [(s: string): unknown => readMetaOffer(s, 'dtls'), (s: string): unknown => readPeerOffer(s, profile)]) {
    fc.assert(fc.property(fc.oneof(mangled, fc.string().map((s) => `v=0\r\n${s}`)), (text) => {
      try { read(text); } catch (error) { if (!(error instanceof WabError && error.code === 'SDP_UNACCEPTABLE')) throw error; }
    }), { numRuns: 3000 });
  }
  t.pass('no other error');
});

t.test('what is read can be written, and reads the same again', async (t) => {
  fc.assert(fc.property(mangled, (text) => {
    let session;
    try { session = readSdp(text); } catch { return; }
    // Nothing usable in a section: it is written as refused formats, so there is nothing to compare.
    if (session.sections.some((x) => 'audio' in x && x.audio.codecs.length === 0)) return;
    const written = writeSdp(session);
    const again = readSdp(written);
    const strip = (s: typeof session): unknown => JSON.stringify({ ...s, bundle: false, sections: s.sections.map((x) => ('audio' in x ? (x.audio.port === 0 ? x.audio.protocol : x) : x.other.kind)) });
    if (strip(again) !== strip(session)) throw new Error(`${strip(session)} became ${strip(again)}`);
    if (/[^\r]\n|\r[^\n]/.test(written)) throw new Error('a stray line end was written');
  }), { numRuns: 3000 });
  t.pass('round trips');
});

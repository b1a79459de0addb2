// Metadata of recording sessions: in the shape of RFC 7865, and XML whatever people call themselves.
import t from 'tap';
import { metadataOf, type Snapshot } from '../../../lib/voice/siprec/metadata.js';
import { multipartOf } from '../../../lib/sip/multipart.js';
import { castOf } from '../../helpers/recorder.js';
import { named, readXml } from '../../helpers/xml.js';

const id = (n: number): string => `00000000-0000-4000-8000-00000000000${n}`;
const snapshot = (name: string | null, aor = 'sip:+447700900101@sbc.example.net'): Snapshot => ({
  session: { id: id(1), call: '0FCF0F0F-1111-4222-8333-444444444444', began: 0 }, recordedSince: 1500,
  streams: [{ id: id(2), label: '1' }, { id: id(3), label: '2' }],
  participants: [
    { id: id(4), aors: [aor], name, since: 0, until: null, sends: [id(2)], hears: [id(3)] },
    { id: id(5), aors: ['sip:6001@10.0.0.7', 'sip:+447700900001@sbc.example.net'], name: '6001@pbx', since: 0, until: 2000, sends: [], hears: [] },
  ],
});

t.test('elements in the order of the schema, ids of 16 octets, times in UTC', (t) => {
  const metadata = readXml(metadataOf(snapshot('Ann')));
  t.equal(metadata.attributes.xmlns, 'urn:ietf:params:xml:ns:recording:1');
  t.same(metadata.children.map(({ name }) => name), [
    'datamode', 'session', 'participant', 'participant', 'stream', 'stream', 'sessionrecordingassoc', 'participantsessionassoc', 'participantsessionassoc', 'participantstreamassoc',
  ]);
  const session = named(metadata, 'session')[0]!;
  t.same(session.children.map(({ name, text }) => [name, text]), [['sipSessionID', '0fcf0f0f111142228333444444444444;remote=00000000000000000000000000000000'], ['start-time', '1970-01-01T00:00:00.000Z']]);
  const ids = (element: typeof metadata): string[] => [...Object.entries(element.attributes).filter(([name]) => name.endsWith('_id')).map(([, value]) => value), ...element.children.flatMap(ids)];
  for (const one of ids(metadata)) t.equal(Buffer.from(one, 'base64').length, 16, one);
  const stays = named(metadata, 'participantsessionassoc').map(({ children }) => children.map(({ name, text }) => [name, text]));
  t.same(stays, [[['associate-time', '1970-01-01T00:00:00.000Z']], [['associate-time', '1970-01-01T00:00:00.000Z'], ['disassociate-time', '1970-01-01T00:00:02.000Z']]]);
  t.same(castOf(metadata), [
    { aors: ['sip:+447700900101@sbc.example.net'], name: 'Ann', sends: ['1'] }, { aors: ['sip:6001@10.0.0.7', 'sip:+447700900001@sbc.example.net'], name: '6001@pbx', sends: null },
  ]);
  t.end();
});

t.test('a name or a URI adds no markup, and nothing that no document may have', (t) => {
  const names: [string, string][] = [
    ['"/><participant participant_id="x"><nameID aor="sip:boss@bank', '"/><participant participant_id="x"><nameID aor="sip:boss@bank'],
    ['</name></nameID></participant></recording><!--', '</name></nameID></participant></recording><!--'],
    ['&amp; &#0; &lol; ]]>', '&amp; &#0; &lol; ]]>'], ["O'Hara & \"Söhne\" 🙂", "O'Hara & \"Söhne\" 🙂"],
    ['a\u0000b\u0007c\r\nd\ufffee\u0085', 'a b c  d e '], ['\ud800 alone \udc00', '\ufffd alone \ufffd'], ['x'.repeat(5000), 'x'.repeat(128)], [`${'🙂'.repeat(200)}`, '🙂'.repeat(128)],
  ];
  for (const [name, shown] of names) {
    const metadata = readXml(metadataOf(snapshot(name, `sip:${name}@h`)));
    t.equal(castOf(metadata)[0]!.name, shown, JSON.stringify(name.slice(0, 60)));
    t.equal(named(metadata, 'participant').length, 2);
  }
  t.equal(castOf(readXml(metadataOf(snapshot(null))))[0]!.name, null);
  t.end();
});

t.test('the strict reader of these tests refuses what is no XML', (t) => {
  for (const text of ['<a>', '<a></b>', '<a b="1" b="2"/>', '<a>&x;</a>', '<a>& </a>', '<a/><b/>', 'x<a/>', '<a b=1/>', '<a>\u0001</a>', '<a b="<"/>']) t.throws(() => readXml(text), text);
  t.end();
});

t.test('parts of a body: nobody can end one who writes in it', (t) => {
  const { type, body } = multipartOf([{ type: 'application/sdp', body: 'v=0\r\n' }, { type: 'application/rs-metadata+xml', disposition: 'recording-session', body: '--wab-\r\n<x/>' }]);
  const boundary = /^multipart\/mixed;boundary=(wab-[0-9a-f]{32})$/.exec(type)![1]!;
  t.equal(body, `--${boundary}\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--${boundary}\r\nContent-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n\r\n--wab-\r\n<x/>\r\n--${boundary}--\r\n`);
  t.not(multipartOf([]).type, type);
  t.end();
});

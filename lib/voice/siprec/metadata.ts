/** Metadata of recording sessions: XML as RFC 7865 has it. Pure. */

/** Somebody who is or was in the call. */
export interface Participant {
  /** A UUID. */
  readonly id: string;
  /** URIs that are theirs, the most telling first. */
  readonly aors: readonly string[];
  /** Display name; null: none is known. */
  readonly name: string | null;
  /** When they came and left, milliseconds since 1970; `until` null: they are there. */
  readonly since: number;
  readonly until: number | null;
  /** Streams that they are heard in, and that they hear, as ids; none of somebody who holds, or is held. */
  readonly sends: readonly string[];
  readonly hears: readonly string[];
}

/** A recording session at one moment. Ids are UUIDs, times milliseconds since 1970. */
export interface Snapshot {
  /** Of the communication session. */
  readonly session: { readonly id: string; readonly call: string; readonly began: number };
  /** When this recorder came. */
  readonly recordedSince: number;
  readonly streams: readonly { readonly id: string; readonly label: string }[];
  readonly participants: readonly Participant[];
}

const NAMESPACE = 'urn:ietf:params:xml:ns:recording:1';
/** RFC 7989 §5: the UUID of the other end, which is not known here. */
const NIL = '00000000000000000000000000000000';
/** A name that is longer than anybody's is cut. */
const longestName = 128;

/** The whole of it (datamode complete), in the order of elements that the schema of RFC 7865 wants. */
export function metadataOf({ session, recordedSince, streams, participants }: Snapshot): string {
  const id = idOf(session.id);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<recording xmlns="${NAMESPACE}">`,
    '  <datamode>complete</datamode>',
    `  <session session_id="${id}">`,
    `    <sipSessionID>${session.call.replaceAll('-', '').toLowerCase()};remote=${NIL}</sipSessionID>`,
    `    <start-time>${timeOf(session.began)}</start-time>`,
    '  </session>',
    ...participants.flatMap(participant),
    ...streams.flatMap((stream) => [`  <stream stream_id="${idOf(stream.id)}" session_id="${id}">`, `    <label>${text(stream.label)}</label>`, '  </stream>']),
    `  <sessionrecordingassoc session_id="${id}">`,
    `    <associate-time>${timeOf(recordedSince)}</associate-time>`,
    '  </sessionrecordingassoc>',
    ...participants.flatMap(({ id: who, since, until }) => [
      `  <participantsessionassoc participant_id="${idOf(who)}" session_id="${id}">`, ...times(since, until), '  </participantsessionassoc>',
    ]),
    ...participants.filter(({ until }) => until === null).flatMap(({ id: who, sends, hears }) => [
      `  <participantstreamassoc participant_id="${idOf(who)}">`,
      ...sends.map((stream) => `    <send>${idOf(stream)}</send>`), ...hears.map((stream) => `    <recv>${idOf(stream)}</recv>`),
      '  </participantstreamassoc>',
    ]),
    '</recording>',
    '',
  ].join('\r\n');
}

function participant({ id, aors, name }: Participant): string[] {
  const [first = 'sip:anonymous@anonymous.invalid', ...others] = aors;
  const named = name === null ? [] : [`      <name>${text([...name].slice(0, longestName).join(''))}</name>`];
  return [
    `  <participant participant_id="${idOf(id)}">`,
    `    <nameID aor="${text(first)}">`, ...named, '    </nameID>',
    ...others.map((aor) => `    <nameID aor="${text(aor)}"/>`),
    '  </participant>',
  ];
}

function times(since: number, until: number | null): string[] {
  return [`    <associate-time>${timeOf(since)}</associate-time>`, ...(until === null ? [] : [`    <disassociate-time>${timeOf(until)}</disassociate-time>`])];
}

/** xs:dateTime, UTC. */
function timeOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** RFC 7865: the 16 octets of a UUID in base64. */
function idOf(uuid: string): string {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex').toString('base64');
}

/** As it may stand in an element and in an attribute (XML 1.0 §2.2, §2.4): whoever chose it adds no markup, and what no document may have is left out. */
function text(value: string): string {
  const marks: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };
  return value.toWellFormed()

    .replace(/[\u0000-\u001f\u007f-\u009f\ufffe\uffff]/g, ' ').replace(/[&<>"']/g, (mark) => marks[mark] ?? '');
}

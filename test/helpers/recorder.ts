import type { Test } from 'tap';
import { CallMedia } from '../../lib/simulator/peer/callMedia.js';
import { Pacer } from '../../lib/simulator/media/pacer.js';
import type { CodecName } from '../../lib/simulator/media/codec.js';
import type { MediaReport } from '../../lib/simulator/index.js';
import type { SipMessage } from '../../lib/sipserver/parser/index.js';
import { RawPeer } from './rawPeer.js';
import { named, readXml, type Element } from './xml.js';

/** How it meets calls. */
export interface RecorderOptions {
  readonly codecs?: readonly CodecName[];
  readonly srtp?: 'none' | 'sdes';
  /** Tones that it tells apart, Hz. */
  readonly expect?: readonly number[];
  /** Status of its refusal; 0: it does not answer at all; null: it takes calls. */
  readonly refuses?: number | null;
}

/** What it got in an INVITE or re-INVITE. */
export interface Received { readonly invite: SipMessage; readonly sdp: string; readonly metadata: Element }

/** A session recording server on loopback: takes both streams, reads the metadata, hears tones. It has nothing of the client's code but the SIP parser. */
export class StandInRecorder {
  readonly peer: RawPeer;
  readonly received: Received[] = [];
  options: RecorderOptions;
  /** Of the session that it has, by label. */
  media = new Map<string, CallMedia>();
  /** Its last description. */
  described = '';
  readonly #pacer = new Pacer();

  private constructor(peer: RawPeer, options: RecorderOptions) {
    this.peer = peer;
    this.options = options;
    peer.script((invite) => { void this.#take(invite); });
    peer.meets((request) => {
      if (request.method !== 'INVITE') return false;
      void this.#again(request);
      return true;
    });
  }

  static async open(t: Test, options: RecorderOptions = {}): Promise<StandInRecorder> {
    const recorder = new StandInRecorder(await RawPeer.open(), options);
    t.teardown(() => recorder.close());
    return recorder;
  }

  /** Its entry in `peers`. */
  get config(): object {
    return { uri: `sip:127.0.0.1:${this.peer.port}`, pstn: 'none', users: ['rec'], srtp: this.options.srtp ?? 'none', codecs: ['opus', 'PCMU', 'PCMA'], health: { interval: 0 } };
  }

  report(label: string): MediaReport {
    const report = this.media.get(label)?.report();
    if (report === undefined) throw new Error(`no stream ${label}`);
    return report;
  }

  /** Tones of a stream, one after the other, each for 60 ms at least. */
  heard(label: string): number[] {
    return this.report(label).tone.course.filter(({ frames }) => frames >= 3).map(({ frequency }) => frequency);
  }

  close(): void {
    this.#drop();
    this.peer.close();
  }

  #drop(): void {
    for (const media of this.media.values()) media.close();
  }

  async #take(invite: SipMessage): Promise<void> {
    const { refuses = null, codecs = ['PCMU'], srtp = 'none', expect = [] } = this.options;
    const sections = this.#read(invite);
    if (refuses !== null) {
      if (refuses > 0) this.peer.answer(invite, refuses);
      return;
    }
    this.#drop();
    this.media = new Map();
    for (const section of sections) {
      const media = new CallMedia({
        address: '127.0.0.1', pacer: this.#pacer, bank: undefined, sockets: true, codecs: [...codecs], srtp, dtmf: undefined, tones: [440, 440], expect: [...expect],
        source: 'none', first: 'recvonly', renumber: null, onDigit: () => undefined,
      });
      await media.open(false);
      this.media.set(labelOf(section), media);
    }
    this.#answer(invite, sections);
  }

  async #again(invite: SipMessage): Promise<void> {
    this.#answer(invite, this.#read(invite));
  }

  #answer(invite: SipMessage, sections: readonly string[]): void {
    const answers = sections.map((section) => {
      const media = this.media.get(labelOf(section));
      const answer = media?.answer(section, 'recvonly') ?? '';
      media?.start(true);
      return answer;
    });
    const [session = ''] = answers[0]?.split(/^(?=m=)/m) ?? [];
    const body = this.described = session + answers.map((answer) => answer.split(/^(?=m=)/m)[1] ?? '').join('');
    this.peer.answer(invite, 200, { body, contact: `<sip:rec@${this.peer.address}>;+sip.srs`, headers: [['Allow', 'INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE']] });
  }

  /** The description's m-lines, each with the lines above them. */
  #read(invite: SipMessage): string[] {
    const { sdp, metadata } = partsOf(invite);
    this.received.push({ invite, sdp, metadata: readXml(metadata) });
    const [session = '', ...media] = sdp.split(/^(?=m=)/m);
    return media.map((section) => session + section);
  }
}

/** RFC 7866 §9.1: the two parts of a body. */
function partsOf(invite: SipMessage): { sdp: string; metadata: string } {
  const boundary = /^multipart\/mixed;\s*boundary="?([^";]+)"?$/i.exec(invite.get('content-type') ?? '')?.[1];
  if (boundary === undefined) throw new Error(`no multipart: ${invite.get('content-type')}`);
  const text = Buffer.from(invite.body, 'latin1').toString('utf8');
  const [, ...parts] = text.split(`--${boundary}`);
  const bodies = new Map(parts.slice(0, -1).map((part) => {
    const end = part.indexOf('\r\n\r\n');
    return [/Content-Type: (\S+)/.exec(part.slice(0, end))?.[1] ?? '', { head: part.slice(0, end), body: part.slice(end + 4).replace(/\r\n$/, '') }];
  }));
  const metadata = bodies.get('application/rs-metadata+xml');
  if (metadata === undefined || !/Content-Disposition: recording-session/.test(metadata.head) || parts.at(-1)?.trim() !== '--') throw new Error(text);
  return { sdp: bodies.get('application/sdp')?.body ?? '', metadata: metadata.body };
}

function labelOf(section: string): string {
  return /^a=label:(\S+)/m.exec(section)?.[1] ?? '';
}

/** Who is in a call by its metadata: names and URIs of participants, and the labels of the streams that each sends now; null: they have left. */
export function castOf(metadata: Element): { readonly aors: string[]; readonly name: string | null; readonly sends: string[] | null }[] {
  const labels = new Map(named(metadata, 'stream').map((stream) => [stream.attributes.stream_id, named(stream, 'label')[0]?.text ?? '']));
  return named(metadata, 'participant').map((participant) => {
    const id = participant.attributes.participant_id;
    const stay = named(metadata, 'participantsessionassoc').find(({ attributes }) => attributes.participant_id === id);
    const streams = named(metadata, 'participantstreamassoc').find(({ attributes }) => attributes.participant_id === id);
    return {
      aors: named(participant, 'nameID').map(({ attributes }) => attributes.aor ?? ''),
      name: named(participant, 'nameID').flatMap((nameId) => named(nameId, 'name'))[0]?.text ?? null,
      sends: stay === undefined || named(stay, 'disassociate-time').length > 0 ? null : (streams === undefined ? [] : named(streams, 'send').map(({ text }) => labels.get(text) ?? '')),
    };
  });
}

import { WabError } from '../../errors.js';
import { readSdp, writeSdp, type AudioSection, type Flow } from '../../sdp/index.js';
import { EmbeddedPeerSide } from '../embedded/peerSide.js';
import type { Ports } from '../embedded/ports.js';
import type { MediaInterface } from '../interfaces.js';
import type { RelayHandle } from '../relay/handle.js';
import type { ForkState, SidePath, Track } from '../relay/messages.js';
import type { ForkProfile, MediaFork } from '../types.js';
import type { PeerSideResult } from './sides.js';

/** Where streams to recorders leave from: ports of the relay's own, whichever engine has the call. */
export interface ForkPlaces { readonly ports: Ports; readonly at: MediaInterface }

/** What a fork needs of its call. `first`: number of the first of its two sides. */
export interface ForkHost extends ForkPlaces {
  readonly id: string;
  readonly first: number;
  readonly relay: RelayHandle;
  /** Of the call: both streams are of one clock, which is what an RTCP CNAME says (RFC 3550 §6.5.1). */
  readonly cname: string;
  /** A number that is an SSRC of its own. */
  readonly ssrc: () => number;
}

/** One of the two streams. */
interface Stream {
  readonly track: Track;
  readonly label: string;
  readonly number: number;
  readonly ssrc: number;
  readonly side: EmbeddedPeerSide;
  settled: PeerSideResult | null;
  /** What was settled last, whether it stands or not. */
  stood: PeerSideResult | null;
  /** Why it is not taken. */
  refused: string | null;
}

/** Labels of the two streams, in their order. */
const FORK_LABELS: Readonly<Record<Track, string>> = { user: '1', other: '2' };
const TRACKS: readonly Track[] = ['user', 'other'];

/** Both streams of one recording session: each a port of the relay's, as a peer's is, that takes in nothing. */
export class SessionFork implements MediaFork {
  readonly #host: ForkHost;
  readonly #streams: readonly Stream[];
  readonly #id = String(Date.now());
  #version = 0;
  #told = '';
  #state: ForkState = 'shut';
  #closed = false;

  constructor(host: ForkHost, { codecs, srtp, refuses }: ForkProfile) {
    this.#host = host;
    this.#streams = TRACKS.map((track, index) => {
      const place = { id: `${host.id}-r${host.first + index}`, local: { address: '', port: 0 }, relay: host.relay, side: host.first + index };
      const side = new EmbeddedPeerSide(place, host.ports, host.at, { codecs, srtp, dtmf: 'info', refuses }, '');
      return { track, label: FORK_LABELS[track], number: host.first + index, ssrc: host.ssrc(), side, settled: null, stood: null, refused: null };
    });
  }

  get flow(): Flow | null {
    const settled = this.#streams.flatMap(({ settled: result }) => (result === null ? [] : [result]));
    return settled.length === 0 ? null : { listens: settled.some(({ media }) => media.flow.listens), sends: false };
  }

  get missing(): string | null {
    return this.#streams.flatMap(({ label, refused }) => (refused === null ? [] : [`stream ${label} is not taken: ${refused}`])).join('; ') || null;
  }

  async offer(): Promise<string> {
    if (this.#told !== '') return this.#told;
    return this.#write(await Promise.all(this.#streams.map(async ({ side }) => audioOf(await side.offer('0', 0)))));
  }

  async takeAnswer(answer: string): Promise<void> {
    const sections = sectionsOf(answer, this.#streams.length);
    const faults: Error[] = [];
    for (const [index, stream] of this.#streams.entries()) {
      try {
        stream.settled = await stream.side.takeAnswer(sections[index] ?? '', stream.settled);
        stream.refused = null;
      } catch (error) {
        // RFC 7866 §7.1.1.1: a recorder may want one of the two alone.
        stream.settled = null;
        stream.refused = (error as Error).message;
        faults.push(error as Error);
      }
    }
    this.#settle();
    const [fault] = faults;
    if (fault !== undefined && faults.length === this.#streams.length) throw fault;
  }

  async answer(offer: string): Promise<string> {
    const sections = sectionsOf(offer, this.#streams.length);
    const answers: { readonly stream: Stream; readonly audio: AudioSection; readonly result: PeerSideResult | null }[] = [];
    // What cannot be used is refused as a whole: what stands goes on (RFC 3261 §14.2). A stream that it does not want stays so (RFC 3264 §8.2).
    for (const [index, stream] of this.#streams.entries()) {
      const section = sections[index] ?? '';
      const audio = audioOf(section);
      if (audio.port === 0) {
        answers.push({ stream, audio, result: null });
        continue;
      }
      const result = await stream.side.answer(section, stream.settled, '0', 0);
      answers.push({ stream, audio: audioOf(result.sdp), result });
    }
    if (answers.every(({ result }) => result === null)) throw new WabError('SDP_UNACCEPTABLE', 'it wants neither of the two streams');
    for (const { stream, result } of answers) {
      stream.settled = result;
      stream.refused = result === null ? 'its offer has port 0' : null;
    }
    this.#settle();
    return this.#write(answers.map(({ audio }) => audio));
  }

  set(state: ForkState): void {
    this.#state = state;
    for (const { number, track, settled } of this.#streams) {
      if (settled !== null) this.#host.relay.post({ op: 'fork', side: number, track, state });
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { number, side } of this.#streams) {
      this.#host.relay.post({ op: 'drop', side: number });
      void side.close();
    }
  }

  #settle(): void {
    if (this.#closed) throw new WabError('MEDIA_REFUSED', 'the recording session was closed');
    const { relay, cname } = this.#host;
    for (const stream of this.#streams) {
      const { number, ssrc, settled, stood } = stream;
      const source = { id: ssrc, cname };
      if (settled !== null) {
        relay.side(number, settled.path, settled.format, { flow: settled.media.flow, source });
        stream.stood = settled;
      } else if (stood !== null) {
        // It keeps its port, keys and counters, for it may be taken again: with new ones SRTP would use a key's indexes twice (RFC 3711 §9.1).
        relay.side(number, nowhere(stood.path), stood.format, { flow: { listens: false, sends: false }, source });
      }
    }
    this.set(this.#state);
  }

  /** RFC 7866 §7.1.1: the recorder only listens, to streams that have labels. */
  #write(sections: readonly AudioSection[]): string {
    this.#version += 1;
    return this.#told = writeSdp({
      id: this.#id, version: this.#version, bundle: false,
      sections: sections.map((audio, index) => ({ audio: { ...audio, direction: audio.direction === 'inactive' ? 'inactive' : 'sendonly', label: this.#streams[index]?.label ?? '' } })),
    });
  }
}

/** Nothing is sent there, RTCP neither. */
function nowhere(path: SidePath): SidePath {
  return 'wire' in path ? { wire: { ...path.wire, remote: { ...path.wire.remote, port: 0 } } } : path;
}

function audioOf(sdp: string): AudioSection {
  const [section] = readSdp(sdp).sections;
  if (section === undefined || !('audio' in section)) throw new WabError('SDP_UNACCEPTABLE', 'no audio');
  return section.audio;
}

/** Each m-line as a description of its own. @throws WabError 'SDP_UNACCEPTABLE' where there are not as many as there are streams (RFC 3264 §6). */
function sectionsOf(text: string, count: number): string[] {
  const [session = '', ...media] = text.split(/^(?=m=)/m);
  if (media.length !== count) throw new WabError('SDP_UNACCEPTABLE', `${media.length} m-lines where ${count} streams were offered`);
  return media.map((section) => `${session}${section}`);
}

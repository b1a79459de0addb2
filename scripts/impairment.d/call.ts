// One call through one engine: a WhatsApp user who speaks Opus and a peer who speaks PCMA, or Opus too; what each is sent and what each hears.
import type { MediaCall, MediaEngine } from '../../lib/media/index.js';
import { metaCalls, peerAnswers } from '../../test/scenario/media/bench.js';
import type { Endpoint, Seen } from '../../test/scenario/media/endpoint.js';
import { rtp } from '../../test/helpers/transcoderRig.js';
import type { Arrival } from './listener.js';
import type { Fate } from './network.js';
import { FRAME_MS } from './speech.js';

export type Way = 'user to peer' | 'peer to user';

const FORMATS = {
  opus: { codec: 'opus', type: 111, perMs: 48, rtpmap: '111 opus/48000/2' },
  PCMA: { codec: 'PCMA', type: 8, perMs: 8, rtpmap: '8 PCMA/8000' },
} as const;
export type PeerCodec = keyof typeof FORMATS;
type Format = typeof FORMATS[PeerCodec];

/** How each way is sent, and how it arrives. */
export function formatsOf(way: Way, peer: PeerCodec): { readonly sent: Format; readonly heard: Format } {
  return way === 'user to peer' ? { sent: FORMATS.opus, heard: FORMATS[peer] } : { sent: FORMATS[peer], heard: FORMATS.opus };
}

/** How long the user's client takes for a report, in milliseconds. */
const REPORT_MS = 20;
const FIRST = { seq: 1000, ts: 500_000 };

export class TrialCall {
  readonly #call: MediaCall;
  readonly #user: Endpoint;
  readonly #peer: Endpoint;
  readonly #codec: PeerCodec;

  private constructor(call: MediaCall, user: Endpoint, peer: Endpoint, codec: PeerCodec) {
    this.#call = call;
    this.#user = user;
    this.#peer = peer;
    this.#codec = codec;
  }

  /** `loss`: what the user's client reports of what it is sent, 0 to 1. */
  static async open(engine: MediaEngine, id: string, codec: PeerCodec, loss: number): Promise<TrialCall> {
    const { call, meta } = await metaCalls(engine, id);
    const { leg, peer } = await peerAnswers(call, { codecs: [codec], srtp: 'none', dtmf: 'rfc4733' }, [FORMATS[codec].rtpmap]);
    meta.reports = { lost: Math.round(loss * 256), jitter: 0, delay: REPORT_MS };
    call.connect(leg);
    call.start();
    return new TrialCall(call, meta, peer, codec);
  }

  /** Sends the packet with this number, whichever comes before it. */
  send(way: Way, index: number, payload: Buffer): void {
    const { type, perMs } = formatsOf(way, this.#codec).sent;
    const from = way === 'user to peer' ? this.#user : this.#peer;
    from.send(type, payload, 0, { seq: (FIRST.seq + index) & 0xffff, ts: FIRST.ts + index * FRAME_MS * perMs, marker: index === 0 });
  }

  /** What arrived since `since`, behind a network that gives the packets these fates. */
  heard(way: Way, since: number, network: readonly Fate[]): Arrival[] {
    const { type } = formatsOf(way, this.#codec).heard;
    const seen = (way === 'user to peer' ? this.#peer : this.#user).seen.filter((one) => one.type === type && one.at >= since);
    const first = seen[0]?.seq ?? 0;
    return seen.flatMap((one) => arrivalsOf(one, network[(one.seq - first) & 0xffff] ?? [0]));
  }

  async close(): Promise<void> {
    await this.#call.close();
    // A report that is on its way.
    this.#user.reports = null;
    await new Promise((resolve) => { setTimeout(resolve, 2 * REPORT_MS); });
    await Promise.all([this.#user.close(), this.#peer.close()]);
  }
}

function arrivalsOf({ at, type, seq, ts, ssrc, payload }: Seen, fate: Fate): Arrival[] {
  return fate.map((delay) => ({ at: at + delay, packet: rtp(type, seq, ts, payload, ssrc) }));
}

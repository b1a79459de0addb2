import { Bridge, COMFORT_NOISE } from './bridge.js';
import type { ForkState, Track } from './messages.js';
import { clockRate, FRAME_MS, opusSamples, RTP_HEADER, type RelayCodec } from './rtp.js';
import type { Side } from './side.js';

/** Towards Opus, as where it is transcoded for Meta (META-SIP §6.1). */
const OPUS_BITS = 20_000;

interface Fork {
  readonly track: Track;
  state: ForkState;
  /** What its bridge transcodes from. */
  heard: RelayCodec | null;
}

/**
 * Copies of what either side of a call says, each a stream of its own to a recorder (RFC 7866). All of them have the call's one clock: from their first
 * packet on one leaves every 20 ms, silence where nobody is to be heard. They change nothing of the call.
 */
export class Forks {
  readonly #forks = new Map<Side, Fork>();

  /** Nobody listens: nothing need be handed over. */
  get none(): boolean {
    return this.#forks.size === 0;
  }

  set(side: Side, track: Track, state: ForkState): void {
    const known = this.#forks.get(side);
    if (known === undefined) this.#forks.set(side, { track, state, heard: null });
    else known.state = state;
  }

  drop(side: Side): void {
    this.#forks.delete(side);
  }

  /** A packet of audio of one of the two; it is copied, for it is changed on its way. */
  take(track: Track, packet: Buffer, codec: RelayCodec, now: number): void {
    for (const [side, fork] of this.#forks) {
      if (fork.track === track && fork.state === 'open' && side.flow.listens) send(side, fork, Buffer.from(packet), { codec, now });
    }
  }

  /** Call it every 5 ms. */
  tick(now: number): void {
    for (const [side, { state }] of this.#forks) {
      if (state === 'shut' || !side.flow.listens) continue;
      side.outgoing.start(now);
      side.rtcp?.start(now);
      side.outgoing.tick(now);
      side.toward?.tick(now);
    }
  }
}

function send(side: Side, fork: Fork, packet: Buffer, { codec, now }: { readonly codec: RelayCodec; readonly now: number }): void {
  const samples = codec === 'opus' ? opusSamples(packet, RTP_HEADER) : packet.length - RTP_HEADER;
  if (samples <= 0) return;
  const { codec: wanted, ptime = FRAME_MS } = side.format;
  if (fork.heard !== codec) side.closeBridges();
  fork.heard = codec;
  if (side.toward === null && codec === wanted && samples === (ptime * clockRate(codec)) / 1000) return side.outgoing.passed(packet, samples, now);
  side.toward ??= new Bridge({ codec, ptime: FRAME_MS, cn: COMFORT_NOISE }, { codec: wanted, ptime, fec: true, bitrate: OPUS_BITS }, side.outgoing);
  side.toward.audio(packet, RTP_HEADER, now);
}

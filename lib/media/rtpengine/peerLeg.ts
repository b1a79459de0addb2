import { randomInt } from 'node:crypto';
import { WabError } from '../../errors.js';
import type { AnchorHandle } from '../anchor/anchorPool.js';
import type { SideCounters } from '../anchor/messages.js';
import type { LegMediaStats, PeerLeg, PeerMediaProfile } from '../types.js';
import type { EngineCall } from './engineCall.js';
import type { PeerSide, PeerSideResult } from './peerSide.js';
import { engineFigures, peerStats } from './stats.js';

/** What a leg needs of its call. */
export interface LegHost {
  /** The leg's engine call and its two sides; allocates the call's engine when this is the first leg. */
  openLeg(number: number, profile: PeerMediaProfile): Promise<{ readonly engine: EngineCall; readonly side: PeerSide; readonly anchor: AnchorHandle }>;
  /** A recording, as the anchor plays it. */
  frames(file: string): Promise<readonly Buffer[]>;
  /** The leg has a stream now, or a new one. */
  legReady(leg: RtpenginePeerLeg): void;
  legClosed(leg: RtpenginePeerLeg): void;
}

/** One peer leg of a call on rtpengine. */
export class RtpenginePeerLeg implements PeerLeg {
  readonly #sessionId = String(randomInt(1, 0xffff_ffff));
  readonly #host: LegHost;
  #opening: ReturnType<LegHost['openLeg']> | null = null;
  #offer: Promise<string> | null = null;
  #current: PeerSideResult | null = null;
  #version = 1;
  #plays = 0;
  #lastSdp: string | null = null;
  /** One negotiation after the other: an answer must not overtake a re-offer. */
  #queue: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | null = null;
  #final: LegMediaStats | null = null;

  constructor(readonly number: number, readonly profile: PeerMediaProfile, host: LegHost) {
    this.#host = host;
  }

  offer(): Promise<string> {
    this.#offer ??= this.#inTurn(async () => {
      const { side } = await this.#open();
      return this.#lastSdp = await side.offer(this.#sessionId, this.#version);
    });
    return this.#offer;
  }

  takeAnswer(answer: string): Promise<void> {
    return this.#inTurn(async () => {
      const { side } = await this.#open();
      await this.#settle(await side.takeAnswer(answer));
    });
  }

  answer(offer: string): Promise<string> {
    return this.#inTurn(async () => {
      const { side } = await this.#open();
      // RFC 3264 §8: the version grows by one whenever the text changes.
      let result = await side.answer(offer, this.#current, this.#sessionId, this.#version);
      if (this.#lastSdp !== null && result.sdp !== this.#lastSdp) {
        this.#version += 1;
        const bumped = result.sdp.replace(/^o=.*$/m, (line) => line.replace(/^(o=\S+ \S+) \d+/, `$1 ${this.#version}`));
        result = { ...result, sdp: bumped };
      }
      this.#lastSdp = result.sdp;
      await this.#settle(result);
      return result.sdp;
    });
  }

  async play(source: { readonly file: string; readonly loop: boolean } | null): Promise<void> {
    const turn = (this.#plays += 1);
    const frames = source === null ? null : await this.#host.frames(source.file);
    // Another play or stop came while the file was read.
    if (turn !== this.#plays || this.#closing || !this.#opening) return;
    const { anchor } = await this.#opening;
    anchor.playTo(this.number, frames, source?.loop ?? false);
  }

  /** The peer's packets, passed through so far, last `ms`: has the engine make 20 ms ones of them. The peer notices nothing. */
  repacketise(ms: number): Promise<void> {
    return this.#inTurn(async () => {
      const { side } = await this.#open();
      if (this.#current) await this.#settle(await side.repacketise(this.#current.media, ms));
    });
  }

  async #settle(result: PeerSideResult): Promise<void> {
    const { anchor } = await this.#open();
    this.#current = result;
    anchor.side(this.number, result.remote, result.format);
    anchor.post({ op: 'listen', side: this.number, listens: result.media.listens });
    this.#host.legReady(this);
  }

  /** Figures so far; `counters` are the anchor's of this leg. */
  async stats(counters: SideCounters | null): Promise<LegMediaStats> {
    if (this.#final) return this.#final;
    const opened = await this.#opening?.catch(() => null);
    return this.#compose(counters, await opened?.engine.query() ?? null);
  }

  #compose(counters: SideCounters | null, engine: Parameters<typeof engineFigures>[0]): LegMediaStats {
    return peerStats(this.#current?.wire ?? null, counters, engineFigures(engine, 'peer'));
  }

  close(): Promise<void> {
    this.#closing ??= this.#release();
    return this.#closing;
  }

  async #release(): Promise<void> {
    const opened = await this.#opening?.catch(() => null);
    if (opened) {
      const [counters, engine] = await Promise.all([opened.anchor.stats(), opened.engine.query()]);
      this.#final = this.#compose(counters.peers[this.number] ?? null, engine);
      opened.anchor.post({ op: 'drop', side: this.number });
      await opened.engine.close();
    }
    this.#host.legClosed(this);
  }

  #open(): ReturnType<LegHost['openLeg']> {
    if (this.#closing) return Promise.reject(new WabError('MEDIA_REFUSED', 'the leg was closed'));
    this.#opening ??= this.#host.openLeg(this.number, this.profile);
    return this.#opening;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => { /* reported to who asked for it */ });
    return turn;
  }
}

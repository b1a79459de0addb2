import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { WabError } from '../../errors.js';
import { digitLength, eventOf } from '../relay/events.js';
import type { RelayHandle } from '../relay/handle.js';
import type { RelayCodec } from '../relay/rtp.js';
import type { Flow } from '../../sdp/index.js';
import type { SideCounters } from '../relay/messages.js';
import type { LegMediaStats, PeerLeg, PeerMediaProfile } from '../types.js';
import { isOfPeer } from './latch.js';
import type { EngineNode, PeerSide, PeerSideResult } from './sides.js';
import { peerStats, type EngineFigures } from './stats.js';
import { Serial } from '../../util/serial.js';

/** A leg's side at an engine. */
export interface OpenLeg {
  readonly side: PeerSide;
  readonly relay: RelayHandle;
  readonly node: EngineNode;
  /** The side was closed: the engine carries one less. */
  release(): void;
}

/** What a leg needs of its call. */
export interface LegHost {
  /** @throws WabError 'MEDIA_UNAVAILABLE' when there is no engine that was not tried. */
  openLeg(number: number, profile: PeerMediaProfile, tried: ReadonlySet<EngineNode>): OpenLeg;
  /** A recording, as the relay plays it. */
  frames(file: string, codec: RelayCodec): Promise<readonly Buffer[]>;
  /** The leg has a stream now, or a new one. */
  legReady(leg: SessionPeerLeg): void;
  legClosed(leg: SessionPeerLeg): void;
  /** Somebody else sends to where this leg's peer is to send. */
  strangerHeard(leg: SessionPeerLeg, address: string): void;
}

/** How long nobody is listened to in a peer's place where it was not the peer, in milliseconds; longer the more often. */
const KNOCK_PAUSE = 100;
/** How long an engine may have packets in hand that it has taken, in milliseconds. */
const STALE_MS = 80;

/** One peer leg of a call on an engine. */
export class SessionPeerLeg implements PeerLeg {
  readonly #sessionId = String(randomInt(1, 0xffff_ffff));
  readonly #host: LegHost;
  #opened: OpenLeg | null = null;
  readonly #tried = new Set<EngineNode>();
  #offer: Promise<string> | null = null;
  /** What stands is an answer of ours. */
  #answered = false;
  #current: PeerSideResult | null = null;
  #version = 1;
  #plays = 0;
  /** How often somebody else was heard in the peer's place. */
  #strangers = 0;
  /** What the engine had counted of the peer's when half of its time-out was over. */
  #countedThen: number | null = null;
  #lastSdp: string | null = null;
  /** One negotiation after the other: an answer must not overtake a re-offer. */
  readonly #queue = new Serial();
  #closing: Promise<void> | null = null;
  #final: LegMediaStats | null = null;

  constructor(readonly number: number, readonly profile: PeerMediaProfile, host: LegHost) {
    this.#host = host;
  }

  /** Whether this engine holds it. */
  isOn(node: EngineNode): boolean {
    return this.#opened?.node === node;
  }

  /** Its engine has been told Meta's codec. */
  get followsMeta(): boolean {
    return this.#opened?.node.transcodes ?? false;
  }

  get events(): boolean | null {
    return this.#current === null ? null : this.#current.media.events !== null;
  }

  get flow(): Flow | null {
    return this.#current?.media.flow ?? null;
  }

  offer(): Promise<string> {
    if (this.#answered) return this.#queue.run(async () => this.#offerAgain());
    this.#offer ??= this.#queue.run(async () => {
      return this.#lastSdp = await this.#first((side) => side.offer(this.#sessionId, this.#version));
    });
    return this.#offer;
  }

  takeAnswer(answer: string): Promise<void> {
    return this.#queue.run(async () => {
      const { side } = this.#open();
      await this.#settle(await side.takeAnswer(answer, this.#current));
    });
  }

  /** RFC 3264 §8, RFC 6337 §3.2: what stands, willing to send and to receive, whatever the peer wanted last. */
  #offerAgain(): string {
    const last = this.#lastSdp ?? '';
    // RFC 5763 §5: an offer names no role.
    const open = last.replace(/^a=(?:sendonly|recvonly|inactive)\r$/gm, 'a=sendrecv\r').replace(/^a=setup:(?:active|passive)\r$/gm, 'a=setup:actpass\r');
    return this.#lastSdp = open === last ? last : this.#next(open);
  }

  /** The same text as the next version. */
  #next(sdp: string): string {
    this.#version += 1;
    return sdp.replace(/^o=.*$/m, (line) => line.replace(/^(o=\S+ \S+) \d+/, `$1 ${this.#version}`));
  }

  answer(offer: string): Promise<string> {
    return this.#queue.run(async () => {
      // RFC 3264 §8: the version grows by one whenever the text changes.
      let result = await this.#first((side) => side.answer(offer, this.#current, this.#sessionId, this.#version));
      if (this.#lastSdp !== null && result.sdp !== this.#lastSdp) {
        result = { ...result, sdp: this.#next(result.sdp) };
      }
      this.#lastSdp = result.sdp;
      this.#answered = true;
      await this.#settle(result);
      return result.sdp;
    });
  }

  /** Lets ICE and DTLS of its port begin, where it has them; the peer has our description, or is about to. More than once does nothing. */
  secure(): void {
    const path = this.#current?.path;
    if (path !== undefined && 'wire' in path && path.wire.dtls !== null) this.#opened?.relay.post({ op: 'secure', side: this.number });
  }

  async play(source: { readonly file: string; readonly loop: boolean } | null): Promise<void> {
    const turn = (this.#plays += 1);
    const codec = this.#current?.format.codec ?? null;
    const frames = source === null || codec === null ? null : await this.#host.frames(source.file, codec);
    // Another play or stop came while the file was read.
    if (turn !== this.#plays || this.#closing || !this.#opened) return;
    const { relay } = this.#opened;
    relay.playTo(this.number, frames, source?.loop ?? false);
  }

  /** The peer's packets, passed through so far, last `ms`: has the engine make 20 ms ones of them. The peer notices nothing. */
  repacketise(ms: number): Promise<void> {
    return this.#queue.run(async () => {
      const { side } = this.#open();
      const result = this.#current === null ? null : await side.repacketise(this.#current.media, ms);
      if (result !== null) await this.#settle(result);
    });
  }

  /** A digit of the WhatsApp user's, for an engine that takes them out of the stream; only to a peer that wants them there. */
  sendDigit(digit: string, durationMs: number): void {
    if (this.#current !== null && this.#current.media.events !== null && this.#current.media.flow.listens) this.#opened?.side.sendDigit?.(digit, durationMs);
  }

  sendDtmf(digit: string, durationMs: number): boolean {
    const event = eventOf(digit);
    if (event === null || this.#opened === null || this.#current === null || this.#current.media.events === null || !this.#current.media.flow.listens) return false;
    const { side, relay } = this.#opened;
    if (side.sendDigit === undefined) relay.post({ op: 'digit', side: this.number, event, durationMs: digitLength(durationMs) });
    else side.sendDigit(digit, durationMs);
    return true;
  }

  /** Packets have come that may be a stranger's: they count once they are known to come from the peer's address, or one that signals for it. */
  knocked(): void {
    void this.#identify().catch(() => this.#askAgain()).catch(() => { /* the leg has been closed meanwhile */ });
  }

  /** The engine did not say who it is: the next packet asks again, for an engine that is slow is not dead. */
  async #askAgain(): Promise<void> {
    await sleep(KNOCK_PAUSE, undefined, { ref: false });
    if (!this.#closing) this.#opened?.relay.post({ op: 'admit', side: this.number, admitted: false });
  }

  async #identify(): Promise<void> {
    const { known, asked } = await this.#queue.run(async () => ({ known: await this.#isPeer(), asked: this.#current }));
    if (known === null) return;
    if (known === 'peer') {
      // What the engine still has in hand of a stranger.
      if (this.#strangers > 0) await sleep(STALE_MS, undefined, { ref: false });
    } else {
      // At a moment of chance: both send every 20 ms, and one would be the first each time.
      await sleep(KNOCK_PAUSE * Math.min(10, 1 + this.#strangers / 4) * (0.5 + Math.random()), undefined, { ref: false });
      if (known === 'stranger') await this.#queue.run(async () => this.#opened?.side.relearn());
    }
    // What was negotiated meanwhile is to be asked about anew.
    this.#opened?.relay.post({ op: 'admit', side: this.number, admitted: known === 'peer' && asked === this.#current });
  }

  /** Who sends what the engine takes for the peer's: 'nobody' where it does not know; null: the leg is no more. */
  async #isPeer(): Promise<'peer' | 'stranger' | 'nobody' | null> {
    const [opened, current] = [this.#opened, this.#current];
    if (opened === null || current === null || this.#closing) return null;
    const source = await opened.side.source();
    if (source === null) return 'nobody';
    if (isOfPeer(source, current.media.audio, this.profile.latch)) return 'peer';
    if (this.#strangers === 0) this.#host.strangerHeard(this, source);
    this.#strangers += 1;
    return 'stranger';
  }

  /**
   * No RTP of the peer's has come for its time-out (`whole`), or for half of that. True when that is the peer's doing: the engine has counted
   * nothing in between, no RTCP and no comfort noise either, which do not reach us. An engine that does not say has not heard nothing.
   */
  async isSilent(whole: boolean): Promise<boolean> {
    const before = this.#countedThen;
    const counted = await this.packets();
    this.#countedThen = whole ? null : counted;
    return whole && counted !== null && counted === before;
  }

  async packets(): Promise<number | null> {
    return await this.#opened?.side.packets().catch(() => null) ?? null;
  }

  async #settle(result: PeerSideResult): Promise<void> {
    const { relay } = this.#open();
    this.#current = result;
    relay.side(this.number, result.path, result.format, { flow: result.media.flow, shut: result.unlatched, timeoutMs: (this.profile.mediaTimeout ?? 0) * 1000 });
    this.#host.legReady(this);
  }

  /** Figures so far; `counters` are the relay's of this leg. */
  async stats(counters: SideCounters | null): Promise<LegMediaStats> {
    if (this.#final) return this.#final;
    const opened = this.#opened;
    return this.#compose(counters, await opened?.side.figures() ?? null);
  }

  #compose(counters: SideCounters | null, engine: EngineFigures | null): LegMediaStats {
    return peerStats(this.#current?.wire ?? null, counters, engine);
  }

  close(): Promise<void> {
    this.#closing ??= this.#release();
    return this.#closing;
  }

  async #release(): Promise<void> {
    const opened = this.#opened;
    if (opened) {
      const [counters, engine] = await Promise.all([opened.relay.stats(), opened.side.figures()]);
      this.#final = this.#compose(counters.peers[this.number] ?? null, engine);
      opened.relay.post({ op: 'drop', side: this.number });
      await opened.side.close();
      opened.release();
    }
    this.#host.legClosed(this);
  }

  #open(): OpenLeg {
    if (this.#closing) throw new WabError('MEDIA_REFUSED', 'the leg was closed');
    return this.#opened ??= this.#host.openLeg(this.number, this.profile, this.#tried);
  }

  /** Runs the leg's first exchange; an engine that cannot take it is passed over while others are left. */
  async #first<T>(work: (side: PeerSide) => Promise<T>): Promise<T> {
    for (;;) {
      const opened = this.#open();
      try {
        return await work(opened.side);
      } catch (error) {
        if (this.#lastSdp !== null || this.#closing || !(error instanceof WabError) || error.code !== 'MEDIA_UNAVAILABLE') throw error;
        await opened.side.close();
        opened.release();
        this.#tried.add(opened.node);
        this.#opened = null;
        // Gives the first engine's own error when there is no other.
        try { this.#open(); } catch { throw error; }
      }
    }
  }
}

import { randomInt } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { Keying } from '../../config/types.js';
import { WabError } from '../../errors.js';
import { readMetaOffer, type MetaMedia } from '../../sdp/index.js';
import type { AnchorHandle, AnchorPool } from '../anchor/anchorPool.js';
import { eventOf } from '../anchor/events.js';
import type { AnchorCounters, Remote } from '../anchor/messages.js';
import type { AnchorCodec } from '../anchor/rtp.js';
import type { MediaLogger } from '../logger.js';
import type { RecordingShelf } from '../recording/shelf.js';
import type { CallMediaStats, LegMediaStats, MediaCall, MediaCallEvents, MediaCallOptions, PeerLeg, PeerMediaProfile } from '../types.js';
import { EngineCall } from './engineCall.js';
import type { Instance } from './instance.js';
import { acceptMetaSide, answerMetaSide, offerMetaSide, type MetaSideResult } from './metaSide.js';
import { RtpenginePeerLeg, type LegHost } from './peerLeg.js';
import { PeerSide } from './peerSide.js';
import { metaStats, peerStats } from './stats.js';

/** What calls share. */
export interface CallSurroundings {
  /** A healthy instance not among `tried`. @throws WabError 'MEDIA_UNAVAILABLE'. */
  pick(tried: ReadonlySet<Instance>): Instance;
  readonly anchors: AnchorPool;
  readonly anchorAddress: string;
  readonly recordings: RecordingShelf;
  readonly logger: MediaLogger;
  closed(call: RtpengineCall): void;
}

const NOTHING: LegMediaStats = peerStats(null, null, null);

/** A call on rtpengine: one engine call for Meta, one for each peer leg, the anchor between them. */
export class RtpengineCall extends EventEmitter<MediaCallEvents> implements MediaCall, LegHost {
  readonly #options: MediaCallOptions;
  readonly #around: CallSurroundings;
  readonly #source = { id: randomInt(1, 0xffff_ffff), cname: `wab-${randomInt(0x1_0000_0000).toString(36)}` };
  readonly #legs = new Set<RtpenginePeerLeg>();
  #instance: Instance | null = null;
  #anchor: AnchorHandle | null = null;
  #metaEngine: EngineCall | null = null;
  #meta: MetaMedia | null = null;
  /** What the anchor carries: Meta's codec; Opus until it is known, as Meta speaks it wherever it is offered (META-SIP §6.1). */
  #codec: AnchorCodec = 'opus';
  #offered: { readonly keying: Keying; readonly g711: boolean } | null = null;
  #secure: (() => Promise<void>) | null = null;
  #started = false;
  #legCount = 0;
  #connected: RtpenginePeerLeg | null = null;
  /** The leg whose figures stand for the peer: the one connected last. */
  #lastLeg: RtpenginePeerLeg | null = null;
  #plays = 0;
  #closing: Promise<CallMediaStats> | null = null;
  #lost = false;

  constructor(options: MediaCallOptions, around: CallSurroundings) {
    super();
    this.#options = options;
    this.#around = around;
  }

  /** The engine that holds this call; null before its first leg. */
  get instance(): Instance | null {
    return this.#instance;
  }

  async answerMeta(offer: string, options: { readonly keying: Keying }): Promise<string> {
    const media = readMetaOffer(offer, options.keying);
    // Peer legs may be made while the engine is still asked.
    this.#codec = media.codec.name as AnchorCodec;
    const result = await this.#onInstance((engine, local) => answerMetaSide(engine, local, media, this.#source));
    this.#metaReady(result);
    return result.sdp ?? '';
  }

  async offerMeta(options: { readonly keying: Keying; readonly g711: boolean }): Promise<string> {
    this.#offered = options;
    return this.#onInstance((engine, local) => offerMetaSide(engine, local, options.keying, options.g711, this.#source));
  }

  async takeMetaAnswer(answer: string): Promise<void> {
    const engine = this.#metaEngine;
    if (!engine || !this.#offered || !this.#anchor) throw new WabError('MEDIA_REFUSED', 'no offer to Meta is open');
    const { keying, g711 } = this.#offered;
    const result = await acceptMetaSide(engine, this.#local(this.#anchor), answer, keying, g711);
    if (this.#legs.size > 0 && result.media.codec.name !== this.#codec) throw new WabError('SDP_UNACCEPTABLE', 'Meta answered without Opus while a peer leg relies on it');
    this.#codec = result.media.codec.name as AnchorCodec;
    this.#metaReady(result);
  }

  #metaReady(result: MetaSideResult): void {
    if (this.#closing) throw new WabError('MEDIA_REFUSED', 'the call was closed');
    this.#meta = result.media;
    this.#secure = result.secure;
    this.#anchor?.side('meta', result.remote, result.format, this.#source);
    if (this.#started) this.#postStart();
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    if (this.#meta) this.#postStart();
  }

  #postStart(): void {
    this.#anchor?.post({ op: 'start', mediaTimeoutMs: this.#options.mediaTimeout * 1000 });
    this.#secure?.().catch((error: unknown) => {
      if (!this.#closing) this.#around.logger.warn({ call: this.#options.id, err: error }, 'DTLS towards Meta could not be begun');
    });
    this.#secure = null;
  }

  addPeerLeg(profile: PeerMediaProfile): PeerLeg {
    const leg = new RtpenginePeerLeg((this.#legCount += 1), profile, this);
    this.#legs.add(leg);
    return leg;
  }

  connect(leg: PeerLeg | null): void {
    this.#connected = [...this.#legs].find((candidate) => candidate === leg) ?? null;
    this.#lastLeg = this.#connected ?? this.#lastLeg;
    this.#anchor?.post({ op: 'connect', side: this.#connected?.number ?? null });
  }

  async play(source: { readonly file: string; readonly loop: boolean } | null): Promise<void> {
    const turn = (this.#plays += 1);
    if (source === null) {
      await this.#anchor?.play(null, false);
      return;
    }
    const frames = await this.#around.recordings.frames(source.file, this.#codec);
    // Another play or stop came while the file was read.
    if (turn !== this.#plays || this.#closing) return;
    await this.#anchor?.play(frames, source.loop);
  }

  sendDtmf(digit: string, durationMs: number): void {
    const event = eventOf(digit);
    // RFC 4733 §2.5.2.2 and Q.24: shorter than 40 ms is not heard as a digit; 8 s is the field's end at 8 kHz.
    if (event !== null) this.#anchor?.post({ op: 'digit', event, durationMs: Math.min(8000, Math.max(40, durationMs)) });
  }

  async stats(): Promise<CallMediaStats> {
    if (this.#closing) return this.#closing;
    const counters = await this.#anchor?.stats() ?? null;
    const leg = this.#lastLeg;
    return {
      meta: this.#metaStats(counters),
      peer: leg ? await leg.stats(counters?.peers[leg.number] ?? null) : NOTHING,
    };
  }

  close(): Promise<CallMediaStats> {
    this.#closing ??= this.#release();
    return this.#closing;
  }

  async #release(): Promise<CallMediaStats> {
    const leg = this.#lastLeg;
    await Promise.all([...this.#legs].map((one) => one.close()));
    const [counters] = await Promise.all([this.#anchor?.close() ?? null, this.#metaEngine?.close() ?? null]);
    if (this.#instance && !this.#lost) this.#instance.calls -= 1;
    this.#around.closed(this);
    return {
      meta: this.#metaStats(counters),
      peer: leg ? await leg.stats(null) : NOTHING,
    };
  }

  #metaStats(counters: AnchorCounters | null): LegMediaStats {
    return metaStats(this.#meta?.codec.name ?? null, this.#meta?.keying ?? null, counters?.meta ?? null);
  }

  /** The engine or the anchor of this call is gone. */
  engineGone(reason: string): void {
    if (this.#lost || this.#closing) return;
    this.#lost = true;
    this.emit('engineLost', reason);
  }

  async openLeg(number: number, profile: PeerMediaProfile): Promise<{ engine: EngineCall; side: PeerSide; anchor: AnchorHandle }> {
    const instance = this.#instance ?? this.#allocate(new Set());
    const anchor = this.#anchor as AnchorHandle;
    const engine = new EngineCall(instance, `${this.#options.id}-p${number}`, ['generate-RTCP']);
    return Promise.resolve({ engine, anchor, side: new PeerSide(engine, this.#local(anchor), this.#codec, profile) });
  }

  frames(file: string): Promise<readonly Buffer[]> {
    return this.#around.recordings.frames(file, this.#codec);
  }

  legReady(leg: RtpenginePeerLeg): void {
    if (leg === this.#connected) this.#anchor?.post({ op: 'connect', side: leg.number });
  }

  legClosed(leg: RtpenginePeerLeg): void {
    if (leg === this.#connected) this.connect(null);
    this.#legs.delete(leg);
  }

  /** Runs Meta's first exchange on an engine; one that cannot take it is passed over while others are left. */
  async #onInstance<T>(work: (engine: EngineCall, local: Remote) => Promise<T>): Promise<T> {
    if (this.#metaEngine) throw new WabError('MEDIA_REFUSED', "Meta's leg exists already");
    const tried = new Set<Instance>();
    for (;;) {
      const instance = this.#instance ?? this.#allocate(tried);
      const engine = this.#metaEngine = new EngineCall(instance, `${this.#options.id}-m`, []);
      try {
        return await work(engine, this.#local(this.#anchor as AnchorHandle));
      } catch (error) {
        const elsewhere = error instanceof WabError && error.code === 'MEDIA_UNAVAILABLE' && this.#legCount === 0 && !this.#closing;
        if (!elsewhere) throw error;
        await engine.close();
        tried.add(instance);
        instance.calls -= instance.healthy ? 1 : 0;
        this.#instance = this.#metaEngine = null;
        this.#around.logger.warn({ call: this.#options.id, engine: instance.address, err: error }, 'an rtpengine cannot take a call');
        // Gives the first engine's own error when there is no other.
        try { this.#around.pick(tried); } catch { throw error; }
      }
    }
  }

  #allocate(tried: ReadonlySet<Instance>): Instance {
    if (this.#closing) throw new WabError('MEDIA_REFUSED', 'the call was closed');
    const instance = this.#around.pick(tried);
    if (!this.#anchor) {
      const anchor = this.#anchor = this.#around.anchors.open();
      anchor.on('dtmf', (digit, durationMs) => this.emit('dtmf', digit, durationMs));
      anchor.on('silent', () => this.emit('mediaTimeout'));
      anchor.on('length', (side, ms) => this.#repacketise(side, ms));
      anchor.on('lost', (reason) => this.engineGone(reason));
    }
    instance.calls += 1;
    this.#instance = instance;
    return instance;
  }

  /** META-SIP §6.2: ptime 20, whatever an Opus peer makes of it. */
  #repacketise(number: number, ms: number): void {
    const leg = [...this.#legs].find((one) => one.number === number);
    leg?.repacketise(ms).catch((error: unknown) => {
      if (!this.#closing) this.#around.logger.warn({ call: this.#options.id, ms, err: error }, "a peer's packets could not be brought to 20 ms");
    });
  }

  #local(anchor: AnchorHandle): Remote {
    return { address: this.#around.anchorAddress, port: anchor.port };
  }
}

import { randomInt } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { Keying } from '../../config/types.js';
import { WabError } from '../../errors.js';
import { readMetaOffer, type MetaMedia } from '../../sdp/index.js';
import type { RelayHandle } from '../relay/handle.js';
import { eventOf } from '../relay/events.js';
import type { RelayCounters, SideId } from '../relay/messages.js';
import type { RelayCodec } from '../relay/rtp.js';
import type { CallMediaStats, LegMediaStats, MediaCall, MediaCallEvents, MediaCallOptions, PeerLeg, PeerMediaProfile } from '../types.js';
import { NodeUses } from './nodeUses.js';
import { SessionPeerLeg, type LegHost, type OpenLeg } from './peerLeg.js';
import { Plays } from './plays.js';
import type { EngineNode, MetaSide, MetaSideResult, SidePlace } from './sides.js';
import { metaStats, peerStats } from './stats.js';
import type { CallSurroundings, Wanted } from './surroundings.js';

const NOTHING: LegMediaStats = peerStats(null, null, null);

/** A call with our relay in the middle: one side of an engine towards Meta, one towards each peer. */
export class MediaSession extends EventEmitter<MediaCallEvents> implements MediaCall, LegHost {
  readonly #options: MediaCallOptions;
  readonly #around: CallSurroundings;
  readonly #source = { id: randomInt(1, 0xffff_ffff), cname: `wab-${randomInt(0x1_0000_0000).toString(36)}` };
  readonly #legs = new Set<SessionPeerLeg>();
  readonly #uses = new NodeUses();
  /** Where Meta's side is. */
  #metaNode: EngineNode | null = null;
  #relay: RelayHandle | null = null;
  #metaSide: MetaSide | null = null;
  #meta: MetaMedia | null = null;
  /** What the relay carries: Meta's codec; Opus until it is known, as Meta speaks it wherever it is offered (META-SIP §6.1). */
  #codec: RelayCodec = 'opus';
  #offered: { readonly keying: Keying; readonly g711: boolean } | null = null;
  #secure: (() => Promise<void>) | null = null;
  #started = false;
  #legCount = 0;
  #connected: SessionPeerLeg | null = null;
  /** The leg whose figures stand for the peer: the one connected last. */
  #lastLeg: SessionPeerLeg | null = null;
  readonly #plays: Plays;
  #closing: Promise<CallMediaStats> | null = null;
  #lost = false;

  constructor(options: MediaCallOptions, around: CallSurroundings) {
    super();
    this.#options = options;
    this.#around = around;
    this.#plays = new Plays(around.recordings);
  }

  /** Whether this engine holds some of the call. */
  isOn(node: EngineNode): boolean {
    return this.#uses.has(node);
  }

  async answerMeta(offer: string, options: { readonly keying: Keying }): Promise<string> {
    const media = readMetaOffer(offer, options.keying);
    // Peer legs may be made while the engine is still asked.
    this.#codec = media.codec.name as RelayCodec;
    const result = await this.#onNode(media.keying, (side) => side.answer(media, this.#source));
    this.#metaReady(result);
    return result.sdp ?? '';
  }

  async offerMeta(options: { readonly keying: Keying; readonly g711: boolean }): Promise<string> {
    this.#offered = options;
    return this.#onNode(options.keying, (side) => side.offer(options.keying, options.g711, this.#source));
  }

  async takeMetaAnswer(answer: string): Promise<void> {
    const side = this.#metaSide;
    if (!side || !this.#offered || !this.#relay) throw new WabError('MEDIA_REFUSED', 'no offer to Meta is open');
    const { keying, g711 } = this.#offered;
    const result = await side.accept(answer, keying, g711);
    if ([...this.#legs].some((leg) => leg.followsMeta) && result.media.codec.name !== this.#codec) throw new WabError('SDP_UNACCEPTABLE', 'Meta answered without Opus while a peer leg relies on it');
    this.#codec = result.media.codec.name as RelayCodec;
    this.#metaReady(result);
  }

  #metaReady(result: MetaSideResult): void {
    if (this.#closing) throw new WabError('MEDIA_REFUSED', 'the call was closed');
    this.#meta = result.media;
    this.#secure = result.secure;
    this.#relay?.side('meta', result.path, result.format, { source: this.#source });
    if (this.#started) this.#postStart();
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    if (this.#meta) this.#postStart();
  }

  #postStart(): void {
    this.#relay?.post({ op: 'start', mediaTimeoutMs: this.#options.mediaTimeout * 1000 });
    this.#secure?.().catch((error: unknown) => {
      if (!this.#closing) this.#around.logger.warn({ call: this.#options.id, err: error }, 'the stream towards Meta could not be begun');
    });
    this.#secure = null;
  }

  addPeerLeg(profile: PeerMediaProfile): PeerLeg {
    const leg = new SessionPeerLeg((this.#legCount += 1), profile, this);
    this.#legs.add(leg);
    return leg;
  }

  connect(leg: PeerLeg | null): void {
    this.#connected = [...this.#legs].find((candidate) => candidate === leg) ?? null;
    this.#lastLeg = this.#connected ?? this.#lastLeg;
    this.#relay?.post({ op: 'connect', side: this.#connected?.number ?? null });
  }

  play(source: Parameters<MediaCall['play']>[0]): Promise<void> {
    return this.#plays.play(source, this.#codec, () => (source !== null && this.#closing ? null : this.#relay));
  }

  sendDtmf(digit: string, durationMs: number): void {
    const event = eventOf(digit);
    // RFC 4733 §2.5.2.2 and Q.24: shorter than 40 ms is not heard as a digit; 8 s is the field's end at 8 kHz.
    if (event !== null) this.#relay?.post({ op: 'digit', event, durationMs: Math.min(8000, Math.max(40, durationMs)) });
  }

  async stats(): Promise<CallMediaStats> {
    if (this.#closing) return this.#closing;
    const counters = await this.#relay?.stats() ?? null;
    const leg = this.#lastLeg;
    return {
      meta: this.#metaStats(counters),
      peer: leg ? await leg.stats(counters?.peers[leg.number] ?? null) : NOTHING,
    };
  }

  close(): Promise<CallMediaStats> {
    this.#closing ??= this.#free();
    return this.#closing;
  }

  async #free(): Promise<CallMediaStats> {
    const leg = this.#lastLeg;
    await Promise.all([...this.#legs].map((one) => one.close()));
    const [counters] = await Promise.all([this.#relay?.close() ?? null, this.#metaSide?.close() ?? null]);
    this.#uses.clear();
    this.#around.closed(this);
    return {
      meta: this.#metaStats(counters),
      peer: leg ? await leg.stats(null) : NOTHING,
    };
  }

  #metaStats(counters: RelayCounters | null): LegMediaStats {
    return metaStats(this.#meta?.codec.name ?? null, this.#meta?.keying ?? null, counters?.meta ?? null);
  }

  /** Nothing came of a side's for long: that is the far end's doing only where the engine in between does its work. */
  async #silent(side: SideId, whole: boolean): Promise<void> {
    if (side === 'meta') {
      if (await this.#metaNode?.responsive() !== false) this.emit('mediaTimeout');
      else this.#relay?.post({ op: 'watch', side });
      return;
    }
    const leg = [...this.#legs].find(({ number }) => number === side);
    const silent = await leg?.isSilent(whole).catch(() => false) ?? false;
    if (leg !== undefined && silent && leg === this.#connected) this.emit('peerSilent', leg, leg.profile.mediaTimeout ?? 0);
    else if (whole) this.#relay?.post({ op: 'watch', side });
  }

  /** How long ago anything came from this engine, in milliseconds; Infinity: never, or nothing is known of it. */
  async lastPacketFrom(node: EngineNode): Promise<number> {
    const counters = this.isOn(node) && this.#closing === null ? await this.#relay?.stats() ?? null : null;
    if (counters === null) return Infinity;
    const sides = [...(node === this.#metaNode ? [counters.meta] : []), ...[...this.#legs].filter((leg) => leg.isOn(node)).map((leg) => counters.peers[leg.number] ?? null)];
    return Math.min(...sides.map((side) => side?.silentMs ?? Infinity));
  }

  /** An engine of this call is gone. */
  nodeGone(node: EngineNode, reason: string): void {
    this.#uses.lose(node);
    this.#gone(reason);
  }

  #gone(reason: string): void {
    if (this.#lost || this.#closing) return;
    this.#lost = true;
    this.emit('engineLost', reason);
  }

  openLeg(number: number, profile: PeerMediaProfile, tried: ReadonlySet<EngineNode>): OpenLeg {
    const node = this.#allocate('peer', null, tried);
    const relay = this.#relay as RelayHandle;
    const side = node.peerSide(this.#place('p', number), this.#codec, profile, {
      lost: (reason) => this.#peerSideLost(number, reason),
      digit: (digit, durationMs) => { if (this.#connected?.number === number) this.sendDtmf(digit, durationMs); },
    });
    return { relay, side, node, release: () => this.#uses.release(node) };
  }

  frames(file: string, codec: RelayCodec): Promise<readonly Buffer[]> {
    return this.#around.recordings.frames(file, codec);
  }

  /** Only the leg that is heard ends the call with it; another just fails. */
  #peerSideLost(number: number, reason: string): void {
    if (this.#connected?.number === number) this.#gone(reason);
  }

  legReady(leg: SessionPeerLeg): void {
    if (leg === this.#connected) this.#relay?.post({ op: 'connect', side: leg.number });
  }

  #stranger(side: SideId, address: string): void {
    const leg = [...this.#legs].find(({ number }) => number === side);
    if (leg !== undefined) this.strangerHeard(leg, address);
    else this.#around.logger.warn({ call: this.#options.id, address }, "a stranger sends media to Meta's leg; it is dropped");
  }

  /** ICE and DTLS come to nothing: a call whose far end is not whom its description names ends; one that hears nothing ends by its time-out. */
  #unsecured(side: SideId, kind: 'ice' | 'dtls' | 'fingerprint', reason: string): void {
    this.#around.logger.warn({ call: this.#options.id, leg: side, reason }, kind === 'ice' ? 'ICE has failed' : kind === 'dtls' ? 'the DTLS handshake has failed' : 'the DTLS certificate is not the one of the description');
    if (kind === 'fingerprint' && this.#closing === null) this.emit('impostor', reason);
  }

  strangerHeard(leg: SessionPeerLeg, address: string): void {
    this.#around.logger.warn({ call: this.#options.id, leg: leg.number, address }, "a stranger sends media to a peer's leg; it is dropped");
  }

  legClosed(leg: SessionPeerLeg): void {
    if (leg === this.#connected) this.connect(null);
    this.#legs.delete(leg);
  }

  /** Runs Meta's first exchange on an engine; one that cannot take it is passed over while others are left. */
  async #onNode<T>(keying: Keying, work: (side: MetaSide) => Promise<T>): Promise<T> {
    if (this.#metaSide) throw new WabError('MEDIA_REFUSED', "Meta's leg exists already");
    const tried = new Set<EngineNode>();
    for (;;) {
      const node = this.#metaNode = this.#allocate('meta', keying, tried);
      const side = this.#metaSide = node.metaSide(this.#place('m', 'meta'), {
        lost: (reason) => this.#gone(reason), digit: () => undefined,
      }, keying);
      try {
        return await work(side);
      } catch (error) {
        if (!(error instanceof WabError) || error.code !== 'MEDIA_UNAVAILABLE' || this.#closing) throw error;
        await side.close();
        tried.add(node);
        this.#around.logger.warn({ call: this.#options.id, engine: node.address, err: error }, 'a media engine cannot take a call');
        // Gives the first engine's own error when there is no other.
        try { this.#around.pick({ role: 'meta', keying, other: null, tried }); } catch { throw error; }
        this.#uses.release(node);
        this.#metaSide = null;
      }
    }
  }

  #allocate(role: Wanted['role'], keying: Keying | null, tried: ReadonlySet<EngineNode>): EngineNode {
    if (this.#closing) throw new WabError('MEDIA_REFUSED', 'the call was closed');
    const node = this.#around.pick({ role, keying, other: this.#uses.first, tried });
    if (!this.#relay) {
      const relay = this.#relay = this.#around.relays.open();
      relay.on('dtmf', (digit, durationMs) => this.#heard(digit, durationMs));
      relay.on('silent', (side, whole) => void this.#silent(side, whole));
      relay.on('knock', (side) => [...this.#legs].find((one) => one.number === side)?.knocked());
      relay.on('length', (side, ms) => this.#repacketise(side, ms));
      relay.on('stranger', (side, address) => this.#stranger(side, address));
      relay.on('unsecured', (side, kind, reason) => this.#unsecured(side, kind, reason));
      relay.on('lost', (reason) => this.#gone(reason));
    }
    this.#uses.take(node);
    return node;
  }

  /** A digit of Meta's, which an engine that takes them out of the stream makes anew towards the peer. */
  #heard(digit: string, durationMs: number): void {
    this.#connected?.sendDigit(digit, durationMs);
    this.emit('dtmf', digit, durationMs);
  }

  /** META-SIP §6.2: ptime 20, whatever an Opus peer makes of it. */
  #repacketise(number: number, ms: number): void {
    const leg = [...this.#legs].find((one) => one.number === number);
    leg?.repacketise(ms).catch((error: unknown) => {
      if (!this.#closing) this.#around.logger.warn({ call: this.#options.id, ms, err: error }, "a peer's packets could not be brought to 20 ms");
    });
  }

  /** Where a side of this call is made, once its packet path is open. */
  #place(kind: 'm' | 'p', side: SideId): SidePlace {
    const relay = this.#relay as RelayHandle;
    return { id: kind === 'm' ? `${this.#options.id}-m` : `${this.#options.id}-p${side}`, local: { address: this.#around.relayAddress, port: relay.port }, relay, side };
  }
}

/** How long ago the youngest packet of this engine came, of all that these calls have from it, in milliseconds; Infinity: there is none. */
export async function lastPacketFrom(calls: Iterable<MediaSession>, node: EngineNode): Promise<number> {
  const ages = await Promise.all([...calls].map((call) => call.lastPacketFrom(node)));
  return ages.reduce((least, age) => Math.min(least, age), Infinity);
}

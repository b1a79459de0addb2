import { randomInt } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { Keying } from '../../config/types.js';
import { WabError } from '../../errors.js';
import { readMetaOffer, type MetaMedia } from '../../sdp/index.js';
import type { RelayHandle } from '../relay/handle.js';
import { digitLength, eventOf } from '../relay/events.js';
import type { RelayCounters, SideId } from '../relay/messages.js';
import type { RelayCodec } from '../relay/rtp.js';
import type { SecurityFault } from '../relay/wire/settings.js';
import type { AgentEnd, CallMediaStats, CallRecording, ForkProfile, MediaCall, MediaCallEvents, MediaCallOptions, MediaFork, PeerLeg, PeerMediaProfile, RecordingOptions } from '../types.js';
import { AgentLeg } from './agentLeg.js';
import { onFirstNode } from './firstNode.js';
import { NodeUses } from './nodeUses.js';
import { SessionPeerLeg, type LegHost, type OpenLeg } from './peerLeg.js';
import { Plays } from './plays.js';
import { Recordings } from './recordings.js';
import type { EngineNode, MetaSide, MetaSideResult, SidePlace } from './sides.js';
import { metaStats, peerStats } from './stats.js';
import type { CallSurroundings, Wanted } from './surroundings.js';
import { MediaWarnings } from './warnings.js';

/** A call with our relay in the middle: one side of an engine towards Meta, one towards each peer. */
export class MediaSession extends EventEmitter<MediaCallEvents> implements MediaCall, LegHost {
  readonly #options: MediaCallOptions;
  readonly #around: CallSurroundings;
  readonly #source = { id: randomInt(1, 0xffff_ffff), cname: `wab-${randomInt(0x1_0000_0000).toString(36)}` };
  readonly #legs = new Set<SessionPeerLeg>();
  readonly #agents = new Set<AgentLeg>();
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
  #connected: SessionPeerLeg | AgentLeg | null = null;
  /** The leg whose figures stand for the peer: the one connected last. */
  #lastLeg: SessionPeerLeg | AgentLeg | null = null;
  readonly #plays: Plays;
  readonly #warnings: MediaWarnings;
  readonly #recordings: Recordings;
  #closing: Promise<CallMediaStats> | null = null;
  #lost = false;

  constructor(options: MediaCallOptions, around: CallSurroundings) {
    super();
    this.#options = options;
    this.#around = around;
    this.#plays = new Plays(around.recordings);
    this.#warnings = new MediaWarnings(around.logger, options.id);
    this.#recordings = new Recordings(options.id, around);
  }

  /** Whether this engine holds some of the call. */
  isOn(node: EngineNode): boolean { return this.#uses.has(node); }

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
    this.#secure?.().catch((error: unknown) => { if (!this.#closing) this.#warnings.notBegun(error); });
    this.#secure = null;
  }

  addPeerLeg(profile: PeerMediaProfile): PeerLeg {
    const leg = new SessionPeerLeg((this.#legCount += 1), profile, this);
    this.#legs.add(leg);
    return leg;
  }

  addAgentLeg(end: AgentEnd): PeerLeg {
    const leg = new AgentLeg((this.#legCount += 1), end, { relay: this.#openRelay(), codec: this.#codec, closed: (closed) => this.legClosed(closed) });
    this.#agents.add(leg);
    return leg;
  }

  tee(end: AgentEnd): void {
    this.#recordings.tee(this.#closing ? null : this.#openRelay(), this.#codec, end);
  }

  fork(profile: ForkProfile): MediaFork {
    return this.#recordings.fork(this.#closing ? null : this.#openRelay(), (this.#legCount += 2) - 1, profile);
  }

  connect(leg: PeerLeg | null): void {
    const connected = this.#connected = [...this.#legs, ...this.#agents].find((candidate) => candidate === leg) ?? null;
    this.#lastLeg = connected ?? this.#lastLeg;
    this.#relay?.post({ op: 'connect', side: connected?.number ?? null });
    connected?.secure();
  }

  play(source: Parameters<MediaCall['play']>[0]): Promise<void> {
    return this.#plays.play(source, this.#codec, () => (source !== null && this.#closing ? null : this.#relay));
  }

  record(options: RecordingOptions): CallRecording {
    return this.#recordings.record(this.#closing ? null : this.#relay, this.#codec, options);
  }

  sendDtmf(digit: string, durationMs: number): void {
    const event = eventOf(digit);
    if (event !== null) this.#relay?.post({ op: 'digit', side: 'meta', event, durationMs: digitLength(durationMs) });
  }

  async stats(): Promise<CallMediaStats> {
    return this.#closing ?? this.#figures(await this.#relay?.stats() ?? null);
  }

  close(): Promise<CallMediaStats> { return this.#closing ??= this.#free(); }
  keepPrivate(on: boolean): void { this.#relay?.post({ op: 'private', on }); }

  async #free(): Promise<CallMediaStats> {
    // First: the legs take their figures from the same answer.
    const closing = this.#relay?.close() ?? null;
    await Promise.all([...this.#legs, ...this.#agents].map((one) => one.close()));
    const [counters] = await Promise.all([closing, this.#metaSide?.close() ?? null, this.#recordings.closed()]);
    this.#uses.clear();
    this.#around.closed(this);
    return this.#figures(counters);
  }

  async #figures(counters: RelayCounters | null): Promise<CallMediaStats> {
    const leg = this.#lastLeg;
    const meta = metaStats(this.#meta?.codec.name ?? null, this.#meta?.keying ?? null, counters?.meta ?? null);
    return { meta, peer: leg ? await leg.stats(counters?.peers[leg.number] ?? null) : peerStats(null, null, null) };
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
    const [node, relay] = [this.#allocate('peer', null, tried), this.#openRelay()];
    const side = node.peerSide(this.#place('p', number), this.#codec, profile, {
      // Only the leg that is heard ends the call with it; another just fails.
      lost: (reason) => { if (this.#connected?.number === number) this.#gone(reason); },
      digit: (digit, durationMs) => {
        if (this.#connected?.number !== number) return;
        this.sendDtmf(digit, durationMs);
        this.emit('peerDtmf', digit);
      },
    });
    return { relay, side, node, release: () => this.#uses.release(node) };
  }

  frames(file: string, codec: RelayCodec): Promise<readonly Buffer[]> {
    return this.#around.recordings.frames(file, codec);
  }

  legReady(leg: SessionPeerLeg): void {
    if (leg === this.#connected) this.connect(leg);
  }

  /** ICE and DTLS come to nothing: a call whose far end is not whom its description names ends, and one whose peer has no keys; Meta's ends by its time-out. */
  #unsecured(side: SideId, kind: SecurityFault, reason: string): void {
    this.#warnings.unsecured(side, kind, reason);
    if (this.#closing !== null) return;
    if (kind === 'fingerprint') this.emit('impostor', reason);
    else if (kind === 'late') for (const leg of this.#legs) if (leg.number === side) this.emit('peerUnsecured', leg, reason);
  }

  strangerHeard(leg: SessionPeerLeg, address: string): void {
    this.#warnings.stranger(leg.number, address);
  }

  legClosed(leg: SessionPeerLeg | AgentLeg): void {
    if (leg === this.#connected) this.connect(null);
    this.#legs.delete(leg as SessionPeerLeg);
    this.#agents.delete(leg as AgentLeg);
  }

  async #onNode<T>(keying: Keying, work: (side: MetaSide) => Promise<T>): Promise<T> {
    if (this.#metaSide) throw new WabError('MEDIA_REFUSED', "Meta's leg exists already");
    return onFirstNode({
      make: (tried) => {
        const node = this.#metaNode = this.#allocate('meta', keying, tried);
        const side = this.#metaSide = node.metaSide(this.#place('m', 'meta'), { lost: (reason) => this.#gone(reason), digit: () => undefined }, keying);
        return { node, side };
      },
      passOver: (node, error, tried) => {
        if (this.#closing) return false;
        this.#warnings.engineRefused(node.address, error);
        try { this.#around.pick({ role: 'meta', keying, other: null, tried }); } catch { return false; }
        this.#uses.release(node);
        this.#metaSide = null;
        return true;
      },
    }, work);
  }

  #allocate(role: Wanted['role'], keying: Keying | null, tried: ReadonlySet<EngineNode>): EngineNode {
    if (this.#closing) throw new WabError('MEDIA_REFUSED', 'the call was closed');
    const node = this.#around.pick({ role, keying, other: this.#uses.first, tried });
    this.#openRelay();
    this.#uses.take(node);
    return node;
  }

  #openRelay(): RelayHandle {
    if (this.#closing) throw new WabError('MEDIA_REFUSED', 'the call was closed');
    if (!this.#relay) {
      const relay = this.#relay = this.#around.relays.open();
      relay.on('dtmf', (digit, durationMs, side) => { if (side === 'meta') this.#heard(digit, durationMs); else this.emit('peerDtmf', digit); });
      relay.on('silent', (side, whole) => void this.#silent(side, whole));
      relay.on('knock', (side) => [...this.#legs].find((one) => one.number === side)?.knocked());
      relay.on('length', (side, ms) => this.#repacketise(side, ms));
      relay.on('stranger', (side, address) => this.#warnings.stranger(side, address));
      relay.on('unsecured', (side, kind, reason) => this.#unsecured(side, kind, reason)).on('lost', (reason) => this.#gone(reason));
    }
    return this.#relay;
  }

  /** A digit of Meta's, which an engine that takes them out of the stream makes anew towards the peer. */
  #heard(digit: string, durationMs: number): void {
    this.#connected?.sendDigit(digit, durationMs);
    this.emit('dtmf', digit, durationMs);
  }

  /** META-SIP §6.2: ptime 20, whatever an Opus peer makes of it. */
  #repacketise(number: number, ms: number): void {
    [...this.#legs].find((one) => one.number === number)?.repacketise(ms).catch((error: unknown) => { if (!this.#closing) this.#warnings.notRepacketised(ms, error); });
  }

  /** Where a side of this call is made, once its packet path is open. */
  #place(kind: 'm' | 'p', side: SideId): SidePlace {
    const relay = this.#openRelay();
    return { id: kind === 'm' ? `${this.#options.id}-m` : `${this.#options.id}-p${side}`, local: { address: this.#around.relayAddress, port: relay.port }, relay, side };
  }
}

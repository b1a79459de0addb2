import type { Flow } from '../../sdp/index.js';
import { DigitEar } from './digitEar.js';
import { AwakeClock } from '../../util/patience.js';
import type { TeeEnd } from './agent/teeEnd.js';
import { Taps } from '../recording/taps.js';
import { Bridge, COMFORT_NOISE, type BridgeSink } from './bridge.js';
import { Forks } from './forks.js';
import type { ForkState, RelayCounters, RelayReport, SideId, Track } from './messages.js';
import { answerReport } from './rtcp.js';
import { barePacket, clockRate, FRAME_MS, opusSamples, RTP_HEADER } from './rtp.js';
import type { EventUnit, StreamFormat } from './outStream.js';
import type { Place, Side } from './side.js';
import type { Wire } from './wire/wire.js';

/** Between two ticks no more than this counts as a silence, in milliseconds: more is a stall of ours, in which nobody listened. */
const MOST_SILENT_MS = 100;

/** What Meta asks for (META-SIP §6.1: maxaveragebitrate), and enough for speech. */
const OPUS_BITS = 20_000;

/** The packet path of one call: Meta's side, and the peer sides of which at most one is connected. */
export class RelayCall {
  readonly peers = new Map<number, Side>();
  meta: Side | null = null;
  /** Ports of its own, by side; each is there before its side is. */
  readonly wires = new Map<SideId, Wire>();
  /** What silences are counted by. */
  readonly awake = new AwakeClock(performance.now(), MOST_SILENT_MS);
  ticks = 0;
  /** Who listens to both sides. */
  readonly tees: TeeEnd[] = [];
  /** Recordings. */
  readonly taps = new Taps();
  readonly #forks = new Forks();
  #connected: Side | null = null;
  #started = false;
  #mediaTimeoutMs = 0;
  /** Meta's digits, and those of whoever is connected. */
  readonly #digits = new DigitEar((digit, durationMs) => this.#report({ op: 'dtmf', call: this.id, side: 'meta', digit, durationMs }));
  readonly #pressed = new DigitEar((digit, durationMs) => this.#report({ op: 'dtmf', call: this.id, side: this.#connected?.id ?? 'meta', digit, durationMs }));
  readonly #report: (report: RelayReport) => void;

  constructor(readonly id: number, report: (report: RelayReport) => void) {
    this.#report = report;
  }

  start(now: number, mediaTimeoutMs: number): void {
    this.#started = true;
    this.#mediaTimeoutMs = mediaTimeoutMs;
    this.#startMeta(now);
    this.#expect(this.#connected);
  }

  #startMeta(now: number): void {
    const side = this.meta;
    if (side === null || !this.#started) return;
    side.silence.limitMs = this.#mediaTimeoutMs;
    this.#expect(side);
    this.#feed();
    side.outgoing.start(now);
    side.rtcp?.start(now);
  }

  /** Meta's stream takes what a voice agent says, where that is who the user talks with. */
  #feed(): void {
    if (this.meta === null) return;
    const end = this.#connected?.end ?? null;
    end?.speaks(this.meta.format.codec);
    this.meta.outgoing.live = end;
  }

  /** Counts anew how long this side is silent. */
  watch(id: SideId): void {
    this.#expect(id === 'meta' ? this.meta : this.peers.get(id) ?? null);
  }

  /** The same, where it is to send: Meta's always, a peer's while the user talks with it and neither of them is on hold. */
  #expect(side: Side | null): void {
    const talks = side === this.meta || (side === this.#connected && side?.flow.sends === true && side.flow.listens);
    if (this.#started && talks) side?.silence.expect(this.awake.now);
    else side?.silence.rest(this.awake.now);
  }

  /** A side was made: lets its streams run as the call's state asks. */
  added(side: Side, now: number): void {
    if (side.id === 'meta') {
      this.meta = side;
      side.onSent = (packet) => {
        this.#overhear('other', packet, side);
        this.taps.sent(packet, side);
      };
      this.#startMeta(now);
    } else {
      this.peers.set(side.id, side);
    }
  }

  /** A side was described anew. `elsewhere`: its far end, or a key, is another. */
  move(side: Side, place: Place, format: StreamFormat, now: number, elsewhere: boolean): void {
    if (!side.move(place, format, elsewhere) || side !== this.meta) return;
    for (const peer of this.peers.values()) peer.closeBridges();
    this.#startMeta(now);
  }

  connect(id: number | null, now: number): void {
    const side = id === null ? null : this.peers.get(id) ?? null;
    const before = this.#connected;
    this.#connected = side;
    this.#expect(before);
    this.#expect(side);
    if (side === before) return;
    before?.outgoing.pause();
    before?.closeBridges();
    this.meta?.outgoing.detach();
    this.#feed();
    if (side?.flow.listens) side.outgoing.start(now);
    side?.rtcp?.start(now);
  }

  /** A side says anew whether it listens and sends; what it said last stands through every connect. */
  flows(side: Side, flow: Flow, now: number): void {
    side.flow = flow;
    if (side === this.meta) return;
    this.#expect(side);
    if (!flow.listens) side.outgoing.pause();
    else if (side === this.#connected) side.outgoing.start(now);
    if (side === this.#connected) side.rtcp?.start(now);
  }

  drop(id: number): Side | null {
    const side = this.peers.get(id) ?? null;
    if (side !== null && side === this.#connected) this.connect(null, 0);
    this.peers.delete(id);
    if (side !== null) this.#forks.drop(side);
    side?.closeBridges();
    side?.end?.close();
    this.wires.get(id)?.close();
    this.wires.delete(id);
    return side;
  }

  /** A side that gets a copy of what one of the two says. */
  fork(id: number, track: Track, state: ForkState): void {
    const side = this.peers.get(id);
    if (side !== undefined) this.#forks.set(side, track, state);
  }

  /** Frees its ports and codecs. */
  close(): void {
    for (const side of this.peers.values()) {
      side.closeBridges();
      side.end?.close();
    }
    for (const wire of this.wires.values()) wire.close();
    this.wires.clear();
    for (const tee of this.tees) tee.close();
    this.taps.close();
  }

  /** One RTCP packet from the port of `side`. */
  rtcp(side: Side, packet: Buffer, now: number): void {
    if (side.rtcp === null) {
      const answer = answerReport(packet, side.incoming, side.outgoing.ssrc);
      if (answer) side.send(answer);
      return;
    }
    if (side === this.meta) side.silence.heard(this.awake.now);
    side.rtcp.take(packet, now);
    const { recentLoss } = side.rtcp;
    if (recentLoss !== null) (side === this.meta ? this.#connected?.end ?? this.#connected?.from : side.toward)?.expectLoss(recentLoss);
  }

  /** One RTP packet from the port of `side`. */
  packet(side: Side, datagram: Buffer, now: number): void {
    const packet = barePacket(datagram);
    if (packet === null) return;
    this.taps.now = now;
    const offset = RTP_HEADER;
    if (side !== this.meta && side.new) return;
    if (side.door !== 'open') return this.#knock(side);
    side.silence.heard(this.awake.now);
    const type = (packet[1] as number) & 0x7f;
    const kind = side.kindOf(type) ?? (type === COMFORT_NOISE && side.from !== null ? 'noise' : undefined);
    if (kind === undefined) return;
    if (!side.count(packet, packet.length - offset, now, kind)) return;
    if (side === this.meta) this.#fromUser(side, packet, kind, now);
    const target = side === this.meta ? this.#connected : side === this.#connected ? this.meta : null;
    if (target === null || !side.flow.sends) return;
    const bridge = side === this.meta ? target.toward : side.from;
    if (typeof kind === 'number') {
      this.#event(side, bridge ?? target.outgoing, packet, kind, now);
    } else if (bridge !== null) {
      bridge.audio(packet, offset, now);
    } else {
      this.#pass(side, target, packet, offset, now);
    }
  }

  /** The user's digits are told, and what they say is heard by others: a recording has nothing that comes beside a digit, which it may be in. */
  #fromUser(side: Side, packet: Buffer, kind: 'audio' | 'noise' | EventUnit, now: number): void {
    if (typeof kind === 'number') this.#digits.take(packet, RTP_HEADER, side.format.eventUnit, now);
    if (kind !== 'audio') return;
    this.#overhear('user', packet, side);
    if (this.#digits.quiet) this.taps.heard(packet, side);
  }

  /** Events are no audio, and other codecs than the one of the stream are not understood. A recorder is treated as a recording of ours is. */
  #overhear(track: Track, packet: Buffer, { format, speaks }: Side): void {
    if (this.taps.paused || ((packet[1] as number) & 0x7f) === format.eventType) return;
    for (const tee of this.tees) tee.take(track, packet, performance.now());
    if (this.#forks.none || this.#connected?.flow.listens !== true || (track === 'user' && !this.#digits.quiet)) return;
    this.#forks.take(track, packet, track === 'user' ? speaks : format.codec, performance.now());
  }

  #event(side: Side, target: BridgeSink, packet: Buffer, named: EventUnit, now: number): void {
    const unit = side.eventUnit(packet, RTP_HEADER, named);
    if (side !== this.meta) this.#pressed.take(packet, RTP_HEADER, unit, now);
    target.event(packet, RTP_HEADER, unit, now);
  }

  /** Audio on its way to a side that speaks alike, as far as is known. */
  #pass(side: Side, target: Side, packet: Buffer, offset: number, now: number): void {
    const opus = side.speaks === 'opus';
    const samples = opus ? opusSamples(packet, offset) : packet.length - offset;
    // A keep-alive (RFC 6263 §4.1) says nothing of the stream.
    if (samples === 0) return;
    const bridge = this.#bridgeFor(side, target, samples / (clockRate(side.speaks) / 1000));
    if (bridge !== null) return bridge.audio(packet, offset, now);
    if (opus && side.place.wire === null && side.id !== 'meta' && side.oddLength(samples)) this.#report({ op: 'length', call: this.id, side: side.id, ms: samples / 48 });
    target.outgoing.passed(packet, samples, now);
  }

  /** Transcodes from now on where the two do not speak alike; between an engine and the relay that is the engine's work. `ms`: length of what has come. */
  #bridgeFor(side: Side, target: Side, ms: number): Bridge | null {
    const peer = side.id === 'meta' ? target : side;
    if (peer.place.wire === null) return null;
    const { format: from, speaks: codec } = side;
    const to = target.format;
    const ptime = to.ptime ?? FRAME_MS;
    if (codec === to.codec && ms === ptime) return null;
    const heard = { codec, ptime: from.ptime ?? FRAME_MS, cn: COMFORT_NOISE };
    const bridge = new Bridge(heard, { codec: to.codec, ptime, fec: true, bitrate: OPUS_BITS }, target.outgoing);
    if (side === peer) peer.from = bridge;
    else peer.toward = bridge;
    return bridge;
  }

  #knock(side: Side): void {
    if (side.door === 'knocked' || side.id === 'meta') return;
    side.door = 'knocked';
    side.held = true;
    this.#report({ op: 'knock', call: this.id, side: side.id });
  }

  /** Who knocked is the peer, or is not. */
  admit(id: number, admitted: boolean): void {
    const side = this.peers.get(id);
    if (side === undefined) return;
    side.door = admitted ? 'open' : 'shut';
    side.held = !admitted;
  }

  tick(now: number): void {
    this.awake.look(now);
    this.taps.now = now;
    this.ticks += 1;
    for (const wire of this.wires.values()) wire.tick(now);
    // Before what has been transcoded: after a pause or a stall the streams fill their gap first, and the source is joined on behind it.
    this.meta?.outgoing.tick(now);
    this.#connected?.outgoing.tick(now);
    this.#connected?.from?.tick(now);
    this.#connected?.toward?.tick(now);
    for (const tee of this.tees) tee.tick(now);
    this.#forks.tick(now);
    this.taps.tick(this.#connected?.flow.listens === true);
    this.#reports(this.meta, now);
    for (const side of this.peers.values()) {
      side.end?.tick(now);
      this.#reports(side, now);
    }
    this.#digits.tick(now);
    this.#pressed.tick(now);
    for (const side of [this.meta, this.#connected]) {
      const due = side?.silence.due(this.awake.now) ?? null;
      if (side !== null && (due === 'whole' || (due === 'half' && side !== this.meta))) this.#report({ op: 'silent', call: this.id, side: side.id, whole: due === 'whole' });
    }
  }

  #reports(side: Side | null, now: number): void {
    const report = side?.rtcp?.tick(now) ?? null;
    if (report !== null) side?.send(report);
  }

  counters(): RelayCounters {
    return {
      meta: this.meta?.counters() ?? null,
      peers: Object.fromEntries([...this.peers].map(([id, side]) => [id, side.counters()])),
    };
  }
}

import type { Flow } from '../../sdp/index.js';
import { digitOf, EVENT_LOST_MS, EventReader } from './events.js';
import { AwakeClock } from '../../util/patience.js';
import { InStream } from './inStream.js';
import type { RelayCounters, RelayReport, Remote, SideCounters, SideId } from './messages.js';
import { answerReport, RtcpSession } from './rtcp.js';
import { OutStream, type EventUnit, type StreamFormat } from './outStream.js';
import { Silence } from './silence.js';
import { clockRate, FRAME_MS, opusSamples, payloadOffset } from './rtp.js';

/** Between two ticks no more than this counts as a silence, in milliseconds: more is a stall of ours, in which nobody listened. */
const MOST_SILENT_MS = 100;

/**
 * What an engine still had in hand as a side was made, or our socket, is not of its peer yet: nobody had said who that is. In ticks, each of
 * which the socket is read after: by the clock a stall of ours would end it with all that came in it unread. 60 ms where there is none.
 */
const STRAY_TICKS = 12;

/** So many packets of one odd length in a row are no accident. */
const ODD_ROW = 5;

/** One remote port of a call: what comes from it and what goes to it. */
export class Side {
  readonly incoming: InStream;
  readonly outgoing: OutStream;
  /** Meta's side only: the engine does the peers'. */
  readonly rtcp: RtcpSession | null;
  readonly silence = new Silence();
  readonly send: (packet: Buffer) => void;
  /** What each payload type is: audio, or events with durations in this unit. */
  readonly #kinds = new Map<number, 'audio' | EventUnit>();
  #countsFast = false;
  #oddSamples = 0;
  #oddRow = 0;
  /** What comes from there counts; else whether it has been reported that something did. */
  door: 'open' | 'shut' | 'knocked' = 'open';
  /** The engine may be sending what we send there to whoever knocked. */
  held = false;
  readonly #madeAt: number;
  /** When anything came last, by the call's clock; -Infinity: never. */
  #heardAt = -Infinity;

  constructor(readonly call: RelayCall, readonly id: SideId, public remote: Remote, public format: StreamFormat, public flow: Flow, ssrc: number, random: () => number, send: (packet: Buffer, remote: Remote) => void, cname: string | null) {
    this.#madeAt = call.ticks;
    this.incoming = new InStream(clockRate(format.codec));
    this.outgoing = new OutStream(format, ssrc, Math.floor(random() * 0x8000), Math.floor(random() * 0x8000_0000), (packet) => { if (!this.held) send(packet, this.remote); });
    this.send = (packet) => send(packet, this.remote);
    this.#learn(format);
    this.rtcp = cname === null ? null : new RtcpSession(this.incoming, this.outgoing, cname);
  }

  /** The engine moved its port or changed payload types: the same streams go on. */
  move(remote: Remote, format: StreamFormat): void {
    this.remote = remote;
    this.format = format;
    this.outgoing.reformat(format);
    this.#learn(format);
  }

  /** Numbers of before are still taken, for what is under way: none may mean something else later (RFC 3264 §8.3.2). */
  #learn({ audioType, eventType, eventUnit, takes }: StreamFormat): void {
    for (const type of takes?.audio ?? [audioType]) this.#kinds.set(type, 'audio');
    const events = takes?.events ?? (eventType === null ? [] : [{ type: eventType, unit: eventUnit }]);
    for (const { type, unit } of events) this.#kinds.set(type, unit);
  }

  /** What a packet of this payload type is; undefined: nothing that was negotiated. */
  kindOf(type: number): 'audio' | EventUnit | undefined {
    return this.#kinds.get(type);
  }

  /** Just made: see STRAY_TICKS. */
  get new(): boolean {
    return this.call.ticks - this.#madeAt < STRAY_TICKS;
  }

  /** Something came from its port. */
  heard(): void {
    this.#heardAt = this.call.awake.now;
  }

  /** Takes the length of an Opus packet; true once when it has been the same and not 20 ms for a while. */
  oddLength(samples: number): boolean {
    this.#oddRow = samples === FRAME_MS * 48 ? 0 : samples === this.#oddSamples ? this.#oddRow + 1 : 1;
    this.#oddSamples = samples;
    return this.#oddRow === ODD_ROW;
  }

  /**
   * The unit of an event's duration. Beside Opus some say telephone-event/8000 and count at 48000 (baresip 1.0.0): an event that has just
   * begun, as its marker says, cannot have lasted as long as that reads at 8000 (RFC 4733 §2.5.1.2).
   */
  eventUnit(packet: Buffer, offset: number, named: EventUnit): EventUnit {
    if (this.format.codec !== 'opus' || named !== 8000 || this.id === 'meta') return named;
    if (((packet[1] as number) & 0x80) !== 0 && packet.length >= offset + 4) this.#countsFast = packet.readUInt16BE(offset + 2) >= 100 * 8;
    return this.#countsFast ? 48_000 : named;
  }

  counters(): SideCounters {
    return {
      packetsIn: this.incoming.packets, bytesIn: this.incoming.bytes, lost: this.incoming.lost, jitterMs: this.incoming.jitterMs,
      packetsOut: this.outgoing.packets, bytesOut: this.outgoing.bytes, silentOut: this.outgoing.silent, eventsOut: this.outgoing.events,
      roundTripMs: this.rtcp?.roundTripMs ?? null, remoteLoss: this.rtcp?.remoteLoss ?? null, silentMs: this.call.awake.now - this.#heardAt,
      missedMs: this.silence.total(this.call.awake.now),
    };
  }
}

/** The packet path of one call: Meta's side, and the peer sides of which at most one is connected. */
export class RelayCall {
  readonly peers = new Map<number, Side>();
  meta: Side | null = null;
  /** What silences are counted by. */
  readonly awake = new AwakeClock(performance.now(), MOST_SILENT_MS);
  ticks = 0;
  #connected: Side | null = null;
  #started = false;
  #mediaTimeoutMs = 0;
  readonly #heard = new EventReader();
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
    side.outgoing.start(now);
    side.rtcp?.start(now);
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
      this.#startMeta(now);
    } else {
      this.peers.set(side.id, side);
    }
  }

  connect(id: number | null, now: number): void {
    const side = id === null ? null : this.peers.get(id) ?? null;
    const before = this.#connected;
    this.#connected = side;
    this.#expect(before);
    this.#expect(side);
    if (side === before) return;
    before?.outgoing.pause();
    this.meta?.outgoing.detach();
    if (side?.flow.listens) side.outgoing.start(now);
  }

  /** A side says anew whether it listens and sends; what it said last stands through every connect. */
  flows(side: Side, flow: Flow, now: number): void {
    side.flow = flow;
    if (side === this.meta) return;
    this.#expect(side);
    if (!flow.listens) side.outgoing.pause();
    else if (side === this.#connected) side.outgoing.start(now);
  }

  drop(id: number): Side | null {
    const side = this.peers.get(id) ?? null;
    if (side !== null && side === this.#connected) this.connect(null, 0);
    this.peers.delete(id);
    return side;
  }

  /** One RTCP packet from the port of `side`. */
  rtcp(side: Side, packet: Buffer, now: number): void {
    if (side !== this.meta) {
      const answer = answerReport(packet, side.incoming, side.outgoing.ssrc);
      if (answer) side.send(answer);
      return;
    }
    side.silence.heard(this.awake.now);
    side.rtcp?.take(packet, now);
  }

  /** One RTP packet from the port of `side`. */
  packet(side: Side, packet: Buffer, now: number): void {
    const offset = payloadOffset(packet);
    if (offset < 0) return;
    if (side !== this.meta && side.new) return;
    if (side.door !== 'open') return this.#knock(side);
    side.silence.heard(this.awake.now);
    const type = (packet[1] as number) & 0x7f;
    const kind = side.kindOf(type);
    if (kind === undefined) return;
    const isEvent = kind !== 'audio';
    side.incoming.take(packet, packet.length - offset, now, !isEvent);
    const fromMeta = side === this.meta;
    if (fromMeta && isEvent) this.#hear(packet, offset, now);
    const target = fromMeta ? this.#connected : side === this.#connected ? this.meta : null;
    if (target === null || !side.flow.sends) return;
    if (isEvent) {
      target.outgoing.event(packet, offset, side.eventUnit(packet, offset, kind), now);
      return;
    }
    const opus = side.format.codec === 'opus';
    const samples = opus ? opusSamples(packet, offset) : packet.length - offset;
    if (opus && side.id !== 'meta' && side.oddLength(samples)) this.#report({ op: 'length', call: this.id, side: side.id, ms: samples / 48 });
    if (samples > 0) target.outgoing.audio(packet, samples, now);
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
    this.ticks += 1;
    this.meta?.outgoing.tick(now);
    this.#connected?.outgoing.tick(now);
    const report = this.meta?.rtcp?.tick(now);
    if (report) this.meta?.send(report);
    if (!this.#heard.ended && now - this.#heard.lastAt > EVENT_LOST_MS) this.#digitEnds();
    for (const side of [this.meta, this.#connected]) {
      const due = side?.silence.due(this.awake.now) ?? null;
      if (side !== null && (due === 'whole' || (due === 'half' && side !== this.meta))) this.#report({ op: 'silent', call: this.id, side: side.id, whole: due === 'whole' });
    }
  }

  counters(): RelayCounters {
    return {
      meta: this.meta?.counters() ?? null,
      peers: Object.fromEntries([...this.peers].map(([id, side]) => [id, side.counters()])),
    };
  }

  /** Reports each of Meta's digits once, at its first end packet (RFC 4733 §2.5.2.2). */
  #hear(packet: Buffer, offset: number, now: number): void {
    if (packet.length < offset + 4) return;
    const timestamp = packet.readUInt32BE(4);
    if (timestamp !== this.#heard.timestamp && !this.#heard.ended) this.#digitEnds();
    this.#heard.take(packet, offset, timestamp, now);
    if (((packet[offset + 1] as number) & 0x80) !== 0 && !this.#heard.ended) this.#digitEnds();
  }

  #digitEnds(): void {
    this.#heard.ended = true;
    const digit = digitOf(this.#heard.event);
    const unit = this.meta?.format.eventUnit ?? 8000;
    if (digit !== null) this.#report({ op: 'dtmf', call: this.id, digit, durationMs: Math.round((this.#heard.duration * 1000) / unit) });
  }
}

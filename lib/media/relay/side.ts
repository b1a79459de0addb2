import type { Flow } from '../../sdp/index.js';
import { PcmEnd } from './agent/pcmEnd.js';
import type { Bridge } from './bridge.js';
import { InStream } from './inStream.js';
import type { Remote, SideCounters, SideId } from './messages.js';
import { OutStream, type EventUnit, type StreamFormat } from './outStream.js';
import { RtcpSession } from './rtcp.js';
import { clockRate, FRAME_MS, type RelayCodec } from './rtp.js';
import { Silence } from './silence.js';
import type { Wire } from './wire/wire.js';

/**
 * What an engine still had in hand as a side was made, or our socket, is not of its peer yet: nobody had said who that is. In ticks, each of
 * which the socket is read after: by the clock a stall of ours would end it with all that came in it unread. 60 ms where there is none.
 */
const STRAY_TICKS = 12;

/** So many packets of one odd length in a row are no accident. */
const ODD_ROW = 5;

/** And so many in another codec that was named beside. */
const CHANGE_ROW = 2;

/** Where a side's packets come from and go to: a remote port, reached by the relay's one socket, a port of its own, or a voice agent. */
export type Place = { readonly remote: Remote; readonly wire: null } | { readonly remote: null; readonly wire: Wire | PcmEnd };

export interface SideOptions {
  readonly id: SideId;
  readonly place: Place;
  readonly format: StreamFormat;
  readonly flow: Flow;
  readonly ssrc: number;
  /** Set where the relay does RTCP. */
  readonly cname: string | null;
  /** Sends by the relay's one socket. */
  readonly send: (packet: Buffer, remote: Remote) => void;
  /** A number from 0 to 1. */
  readonly random: () => number;
}

/** What a side tells of the call it belongs to: both clocks stand still while nobody listens. */
interface Clocks {
  readonly ticks: number;
  readonly awake: { readonly now: number };
}

type Sums = Pick<SideCounters, 'packetsIn' | 'bytesIn' | 'packetsOut' | 'bytesOut' | 'silentOut' | 'eventsOut' | 'lost'>;
const NOTHING: Sums = { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, silentOut: 0, eventsOut: 0, lost: 0 };

/** One far end of a call: what comes from it and what goes to it. */
export class Side {
  readonly id: SideId;
  place: Place;
  format: StreamFormat;
  flow: Flow;
  incoming: InStream;
  outgoing: OutStream;
  /** Null where an engine does it: of peers. */
  rtcp: RtcpSession | null;
  readonly silence = new Silence();
  /** Transcodes what comes from here, and what goes here; null while both sides speak alike. */
  from: Bridge | null = null;
  toward: Bridge | null = null;
  /** What comes from there counts; else whether it has been reported that something did. */
  door: 'open' | 'shut' | 'knocked' = 'open';
  /** The engine may be sending what we send there to whoever knocked. */
  held = false;
  /** Sees each packet that goes there, before it is sent. */
  onSent: ((packet: Buffer) => void) | null = null;
  readonly #call: Clocks;
  readonly #options: SideOptions;
  /** What each payload type is: audio, or events with durations in this unit. */
  readonly #kinds = new Map<number, 'audio' | EventUnit>();
  /** Audio types of other codecs than the format's. */
  readonly #others = new Map<number, RelayCodec>();
  /** What its audio is in just now: the format's codec, or another that was named beside. */
  speaks: RelayCodec;
  #countsFast = false;
  #changeTo: RelayCodec | null = null;
  #changeRow = 0;
  #oddSamples = 0;
  #oddRow = 0;
  readonly #madeAt: number;
  /** When anything came last, by the call's clock; -Infinity: never. */
  #heardAt = -Infinity;
  /** Of the streams before a change of codec. */
  #before: Sums = NOTHING;

  constructor(call: Clocks, options: SideOptions) {
    this.#call = call;
    this.#options = options;
    this.#madeAt = call.ticks;
    this.id = options.id;
    this.place = options.place;
    this.format = options.format;
    this.speaks = options.format.codec;
    this.flow = options.flow;
    this.incoming = new InStream(clockRate(options.format.codec));
    this.outgoing = this.#newStream(options.ssrc);
    this.rtcp = this.#newSession();
    this.#learn(options.format);
  }

  #newStream(ssrc: number): OutStream {
    const { random } = this.#options;
    return new OutStream(this.format, ssrc, Math.floor(random() * 0x8000), Math.floor(random() * 0x8000_0000), (packet) => {
      this.onSent?.(packet);
      if (!this.held) this.send(packet);
    });
  }

  #newSession(): RtcpSession | null {
    const { cname } = this.#options;
    return cname === null ? null : new RtcpSession(this.incoming, this.outgoing, cname);
  }

  /** The voice agent that is there. */
  get end(): PcmEnd | null {
    return this.place.wire instanceof PcmEnd ? this.place.wire : null;
  }

  send(packet: Buffer): void {
    if (this.place.wire !== null) this.place.wire.send(packet);
    else this.#options.send(packet, this.place.remote);
  }

  /**
   * The far end is elsewhere, or has other payload types: the same streams go on; with another codec new ones begin, under an SSRC of their own.
   * True: what transcodes begins anew. A refresh, a hold or a resume leaves it as it is.
   */
  move(place: Place, format: StreamFormat, elsewhere: boolean): boolean {
    const changed = format.codec !== this.format.codec;
    const anew = changed || elsewhere || (format.ptime ?? FRAME_MS) !== (this.format.ptime ?? FRAME_MS);
    this.place = place;
    this.format = format;
    if (anew) this.closeBridges();
    if (changed) this.speaks = format.codec;
    if (changed) this.#restart();
    else this.outgoing.reformat(format);
    this.#learn(format);
    return anew;
  }

  #restart(): void {
    this.#before = this.#sums();
    this.outgoing.pause();
    this.incoming = new InStream(clockRate(this.format.codec));
    this.outgoing = this.#newStream(1 + Math.floor(this.#options.random() * 0xffff_fffe));
    this.rtcp = this.#newSession();
    // What the numbers of the old codec meant they mean no more.
    this.#kinds.clear();
  }

  /** Numbers of before are still taken, for what is under way: none may mean something else later (RFC 3264 §8.3.2). */
  #learn({ audioType, eventType, eventUnit, takes }: StreamFormat): void {
    for (const type of takes?.audio ?? [audioType]) this.#kinds.set(type, 'audio');
    const events = takes?.events ?? (eventType === null ? [] : [{ type: eventType, unit: eventUnit }]);
    for (const { type, unit } of events) this.#kinds.set(type, unit);
    this.#others.clear();
    for (const { type, codec } of takes?.others ?? []) {
      if (!this.#kinds.has(type)) this.#others.set(type, codec);
    }
  }

  /** What a packet of this payload type is; undefined: nothing that was negotiated. */
  kindOf(type: number): 'audio' | EventUnit | undefined {
    return this.#kinds.get(type) ?? (this.#others.has(type) ? 'audio' : undefined);
  }

  /**
   * Audio of this type has come. True: it is in the codec that is heard. Another one is heard once it has come twice in a row, for then the far end has
   * changed: what transcodes begins anew, which a stray packet of before, or a hostile one, is not to cost.
   */
  #hear(type: number): boolean {
    const codec = this.#others.get(type) ?? this.format.codec;
    if (codec === this.speaks) {
      this.#changeRow = 0;
      return true;
    }
    this.#changeRow = codec === this.#changeTo ? this.#changeRow + 1 : 1;
    this.#changeTo = codec;
    if (this.#changeRow < CHANGE_ROW) return false;
    this.#changeRow = 0;
    this.speaks = codec;
    this.from?.close();
    this.from = null;
    return true;
  }

  /** Just made: see STRAY_TICKS. A port of its own has had nothing in hand. */
  get new(): boolean {
    return this.place.wire === null && this.#call.ticks - this.#madeAt < STRAY_TICKS;
  }

  /** Something came from its port. */
  heard(): void {
    this.#heardAt = this.#call.awake.now;
  }

  /** Counts a packet; of audio under another clock than the format's no jitter is told. False: it is in a codec that is not heard. */
  count(packet: Buffer, octets: number, now: number, kind: 'audio' | 'noise' | EventUnit): boolean {
    const heard = kind !== 'audio' || this.#hear((packet[1] as number) & 0x7f);
    this.incoming.take(packet, octets, now, typeof kind === 'string' && clockRate(this.speaks) === clockRate(this.format.codec));
    return heard;
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

  closeBridges(): void {
    this.from?.close();
    this.toward?.close();
    this.from = this.toward = null;
  }

  #sums(): Sums {
    const { incoming, outgoing } = this;
    const before = this.#before;
    return {
      packetsIn: before.packetsIn + incoming.packets, bytesIn: before.bytesIn + incoming.bytes, lost: before.lost + incoming.lost,
      packetsOut: before.packetsOut + outgoing.packets, bytesOut: before.bytesOut + outgoing.bytes,
      silentOut: before.silentOut + outgoing.silent, eventsOut: before.eventsOut + outgoing.events,
    };
  }

  /** Of a voice agent: frames, and octets of linear audio. */
  #frames(): Partial<Sums> {
    const { end } = this;
    if (end === null) return {};
    return { packetsIn: end.taken, bytesIn: end.taken * end.frameBytes, packetsOut: end.sent - end.unread, bytesOut: (end.sent - end.unread) * end.frameBytes, lost: end.lost };
  }

  counters(): SideCounters {
    const { now } = this.#call.awake;
    return {
      ...this.#sums(), ...this.#frames(), jitterMs: this.incoming.jitterMs, roundTripMs: this.rtcp?.roundTripMs ?? null, remoteLoss: this.rtcp?.remoteLoss ?? null,
      silentMs: now - this.#heardAt, missedMs: this.silence.total(now), taken: this.place.wire?.taken ?? 0,
    };
  }
}

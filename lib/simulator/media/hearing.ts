// What one endpoint receives of an audio stream: counts and measures, judges nothing.
import { CODECS, durationOf, makeCodec } from './codec.js';
import type { Codec, CodecName } from './codec.js';
import { DtmfReceiver } from './dtmf.js';
import type { AudioPoint } from './dtmf.js';
import type { EndpointOptions, MediaReport, MediaSession } from './endpoint.js';
import { Reception } from './reception.js';
import { RoundTrip } from './roundTrip.js';
import { parseRtp, peekRtp } from './rtp.js';
import type { RtpPacket } from './rtp.js';
import type { MediaAddress } from './socket.js';
import type { EchoSource } from './source.js';
import type { Srtp } from './srtp.js';
import { ToneDetector } from './tone.js';

/** Sampling under load: everything for the first two seconds, then bursts of 5 packets in 50, of which the first two only warm the decoder up. */
const FULL = 100;
const CYCLE = 50;
const BURST = 5;
const WARM_UP = 2;

/** How what comes is read; undefined: not yet. */
export interface Reading {
  session: MediaSession | undefined;
  srtp: Srtp | undefined;
}

export class Hearing {
  reception = new Reception(48000);
  readonly roundTrip = new RoundTrip();
  /** Gets the audio that comes, where it is sent back. */
  echo: EchoSource | undefined;
  /** Last packet from the far end, RTP or RTCP, on `performance.now()`'s clock. */
  lastHeardAt: number | undefined;
  /** Packets that did not authenticate. */
  undecryptable = 0;
  private codec: Codec | undefined;
  private detector: ToneDetector | undefined;
  private dtmf: DtmfReceiver | undefined;
  private audioPoint: AudioPoint | undefined;
  private answeredAt: number | undefined;
  private beforeAnswer = 0;

  constructor(private readonly options: Pick<EndpointOptions, 'bank' | 'expect' | 'onDigit'>) {}

  /** The call is answered: packets that came before were too early. */
  answered(now: number): void {
    this.answeredAt ??= now;
  }

  useCodec(name: CodecName): void {
    this.codec = makeCodec(name);
    if (this.reception.received === 0) this.reception = new Reception(CODECS[name].clockRate);
    this.detector ??= new ToneDetector(this.options.expect, this.codec.sampleRate);
  }

  /** Reads telephone-events from now on; `clockRate` as their rtpmap says. */
  useDtmf(clockRate: number): void {
    this.dtmf = new DtmfReceiver(clockRate, (digit) => { this.options.onDigit?.(digit); });
  }

  rtp(bytes: Buffer, from: MediaAddress, now: number, { session, srtp }: Reading): void {
    const header = peekRtp(bytes);
    if (header === undefined) return;
    if (this.answeredAt === undefined) this.beforeAnswer++;
    const isEvent = session?.dtmf !== undefined && header.payloadType === session.dtmf.payloadType;
    const work = this.workOn(this.reception.received, isEvent);
    this.reception.feed(header, bytes.length, `${from.address}:${from.port}`, now, !isEvent);
    if (session === undefined) return;
    if (work === 'count' && this.echo === undefined) {
      this.lastHeardAt = now;
      return;
    }
    if (session.secured && srtp === undefined) return;
    const clear = srtp === undefined ? bytes : srtp.unprotect(bytes);
    const packet = clear === undefined ? undefined : parseRtp(clear);
    if (packet === undefined) {
      this.undecryptable++;
      return;
    }
    this.lastHeardAt = now;
    if (isEvent) this.dtmf?.feed(packet, now, this.audioPoint);
    else if (packet.payloadType === session.payloadType) {
      this.echo?.push(packet.payload);
      if (work !== 'count') this.decode(packet, session.codec, now, work === 'listen');
    }
  }

  /** `ended`: silence from now on is nobody's fault. */
  report(ended: boolean): Omit<MediaReport, 'sent' | 'rtcp'> {
    return {
      received: this.reception.report(), beforeAnswer: this.beforeAnswer, undecryptable: this.undecryptable,
      tone: this.detector?.report() ?? { frequencies: [], firstMs: undefined, heard: 0, silent: 0, other: 0, fraction: 0, levelDb: undefined, course: [] },
      dtmf: this.dtmf?.events(ended) ?? [], roundTrip: this.roundTrip.report(),
    };
  }

  /** What is done with the packet that `before` others came before. */
  private workOn(before: number, isEvent: boolean): 'listen' | 'decode' | 'count' {
    if (this.options.bank === undefined || before <= FULL) return 'listen';
    const place = before % CYCLE;
    if (place >= BURST && !isEvent) return 'count';
    return place >= WARM_UP ? 'listen' : 'decode';
  }

  private decode(packet: RtpPacket, name: CodecName, now: number, listen: boolean): void {
    const { codec } = this;
    if (codec === undefined) return;
    this.audioPoint = { timestamp: packet.timestamp, sequence: packet.sequence, at: now, clockRate: codec.clockRate };
    const duration = durationOf(name, packet.payload);
    if (duration !== undefined) this.reception.ptime(duration);
    let pcm: Int16Array;
    try {
      pcm = codec.decode(packet.payload);
    } catch {
      return;
    }
    if (!listen) return;
    const tone = this.detector?.feed(pcm, now);
    if (tone !== undefined) this.roundTrip.heard(tone, now);
  }
}

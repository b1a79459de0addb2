// One end of one audio stream: sends a source at 20 ms, listens, counts, judges nothing.
import { randomInt } from 'node:crypto';
import { makeCodec } from './codec.js';
import type { CodecName } from './codec.js';
import { DtmfSender } from './dtmf.js';
import type { DtmfEvent } from './dtmf.js';
import { Hearing } from './hearing.js';
import type { Paced, Pacer } from './pacer.js';
import type { ReceptionReport } from './reception.js';
import type { RoundTripReport } from './roundTrip.js';
import { kindOf, writeRtp } from './rtp.js';
import type { RtpPacket } from './rtp.js';
import { RtcpSession } from './rtcpSession.js';
import type { RtcpReport } from './rtcpSession.js';
import { MediaSocket } from './socket.js';
import type { MediaAddress } from './socket.js';
import { EchoSource, frameTicks, LoopSource, SilenceSource, ToneSource } from './source.js';
import type { AudioSource, FrameBank } from './source.js';
import { Srtp } from './srtp.js';
import type { SrtpKeys } from './srtp.js';
import type { ToneReport } from './tone.js';

/** What offer and answer agreed on. */
export interface MediaSession {
  codec: CodecName;
  payloadType: number;
  /** Telephone-events, if both sides speak them; `clockRate` as its rtpmap says. */
  dtmf: { payloadType: number; clockRate: number } | undefined;
  remote: MediaAddress;
  /** Where RTCP goes; the RTP address when muxed. */
  rtcp: MediaAddress;
  /** True when nothing may be sent before there are keys. */
  secured: boolean;
  /** Payload types to send under, where the far end named others than those we take (RFC 3264 §6.1). */
  sends?: { payloadType: number; dtmf: number } | undefined;
}

export type SourceKind = 'tone' | 'echo' | 'silence' | 'none';

export interface EndpointOptions {
  /** Local address; the port is any free one. */
  address: string;
  pacer: Pacer;
  rtcpMux: boolean;
  source: SourceKind;
  /** Own tone, Hz; the second one is sent in turn to measure the round trip. */
  tones: [number, number];
  /** Tones that are counted as heard; any tone when empty. */
  expect: number[];
  /** With a bank, audio is sent pre-encoded and only a sample of the incoming packets is decrypted and decoded: for load. */
  bank?: FrameBank | undefined;
  onDigit?: (digit: string) => void;
  onStun?: (bytes: Buffer, from: MediaAddress) => void;
  onDtls?: (bytes: Buffer, from: MediaAddress) => void;
}

export interface MediaReport {
  sent: { packets: number; ssrc: number };
  received: ReceptionReport;
  /** Packets before `answered()`, and packets that did not authenticate. */
  beforeAnswer: number;
  undecryptable: number;
  tone: ToneReport;
  dtmf: DtmfEvent[];
  roundTrip: RoundTripReport;
  rtcp: RtcpReport;
}

const FIRST_RTCP = 25;    // frames
const RTCP_EVERY = 250;   // frames: five seconds (RFC 3550 §6.2)
const CHANGE_EVERY = 100; // frames between two changes of tone

export class RtpEndpoint implements Paced {
  ssrc = randomInt(1, 2 ** 32 - 1);
  private sequence = randomInt(0, 2 ** 14);
  private timestamp = randomInt(0, 2 ** 31);
  private session: MediaSession | undefined;
  private srtp: Srtp | undefined;
  private source: AudioSource | undefined;
  private readonly hearing: Hearing;
  private readonly rtcp: RtcpSession;
  private dtmfOut: DtmfSender | undefined;
  private sentPackets = 0;
  private sentOctets = 0;
  private frames = 0;
  private marker = true;
  private sending = false;
  private ended = false;

  private constructor(private readonly options: EndpointOptions, private socket: MediaSocket | undefined) {
    this.rtcp = new RtcpSession(this.ssrc, 'stand-in');
    this.hearing = new Hearing(options);
  }

  /** Binds the socket(s); packets that come before `begin` are counted. */
  static async open(options: EndpointOptions): Promise<RtpEndpoint> {
    const endpoint = new RtpEndpoint(options, undefined);
    endpoint.socket = await MediaSocket.open(options.address, options.rtcpMux, (bytes, from, rtcp) => { endpoint.arrive(bytes, from, rtcp); });
    return endpoint;
  }

  get local(): MediaAddress {
    return this.socket?.local ?? { address: this.options.address, port: 0 };
  }

  /** Last packet from the far end, RTP or RTCP, on `performance.now()`'s clock. */
  get lastHeardAt(): number | undefined {
    return this.hearing.lastHeardAt;
  }

  /** Opens a second address of the other family, for ICE. */
  async alsoAt(address: string): Promise<MediaAddress | undefined> {
    return await this.socket?.add(address, (bytes, from, rtcp) => { this.arrive(bytes, from, rtcp); });
  }

  /** The call is answered: packets that came before were too early. */
  answered(now: number): void {
    this.hearing.answered(now);
  }

  /** Uses what was negotiated, and keys where the session asks for them; may be called again when a later offer changes it. SSRC, sequence and timestamp go on. */
  begin(session: MediaSession, keys?: SrtpKeys): void {
    const before = this.session;
    this.session = session;
    if (keys !== undefined) this.srtp = new Srtp(keys);
    if (before?.codec !== session.codec) this.useCodec(session.codec);
    if (before?.dtmf?.clockRate !== session.dtmf?.clockRate && session.dtmf !== undefined) {
      this.dtmfOut = new DtmfSender(session.dtmf.clockRate);
      this.hearing.useDtmf(session.dtmf.clockRate);
    }
  }

  /** Keys that come after the negotiation (DTLS). */
  secure(keys: SrtpKeys): void {
    this.srtp = new Srtp(keys);
  }

  /** Sends to this address from now on (ICE's choice). */
  redirect(remote: MediaAddress): void {
    if (this.session !== undefined) this.session = { ...this.session, remote, rtcp: remote };
  }

  /** Starts or stops the outgoing stream. */
  send(on: boolean): void {
    if (on === this.sending || this.ended) return;
    this.sending = on;
    if (on) this.options.pacer.add(this);
    else this.options.pacer.remove(this);
    this.marker = true;
  }

  /** Changes what is sent. */
  play(kind: SourceKind): void {
    this.options.source = kind;
    if (this.session !== undefined) this.useSource(this.session.codec);
  }

  /** Goes on as another source would: new SSRC, sequence and timestamp. */
  restart(): void {
    this.ssrc = randomInt(1, 2 ** 32 - 1);
    this.sequence = randomInt(0, 2 ** 14);
    this.timestamp = randomInt(0, 2 ** 31);
    this.marker = true;
    this.rtcp.ssrc = this.ssrc;
  }

  /** Sends digits as telephone-events; false when they were not negotiated. */
  press(digits: string, durationMs?: number): boolean {
    this.dtmfOut?.press(digits, durationMs);
    return this.dtmfOut !== undefined;
  }

  get pressing(): boolean {
    return this.dtmfOut?.busy ?? false;
  }

  /** Uses the media port for something else than RTP (ICE, DTLS). */
  sendRaw(bytes: Buffer, to: MediaAddress): void {
    this.socket?.send(bytes, to);
  }

  tick(now: number): void {
    const { session } = this;
    if (session === undefined || (session.secured && this.srtp === undefined)) return;
    this.frames++;
    const event = session.dtmf === undefined ? undefined : this.dtmfOut?.next(this.timestamp);
    if (event !== undefined && session.dtmf !== undefined) {
      this.transmit(session, { ...event, payloadType: session.sends?.dtmf ?? session.dtmf.payloadType, sequence: this.sequence, ssrc: this.ssrc });
      this.marker = true;
    } else {
      this.changeTone(now);
      const payload = this.source?.next();
      if (payload !== undefined) {
        this.transmit(session, { payload, payloadType: session.sends?.payloadType ?? session.payloadType, marker: this.marker, timestamp: this.timestamp, sequence: this.sequence, ssrc: this.ssrc });
        this.marker = false;
      }
    }
    this.timestamp = (this.timestamp + frameTicks(session.codec)) >>> 0;
    if (this.frames % RTCP_EVERY === FIRST_RTCP) this.sendRtcp(session, now);
  }

  skip(frames: number): void {
    if (this.session !== undefined) this.timestamp = (this.timestamp + frames * frameTicks(this.session.codec)) >>> 0;
  }

  /** Stops counting: silence from now on is nobody's fault. */
  end(now: number): void {
    if (this.ended) return;
    this.send(false);
    this.ended = true;
    this.hearing.reception.end(now);
  }

  close(): void {
    this.end(performance.now());
    this.socket?.close();
  }

  report(): MediaReport {
    return { sent: { packets: this.sentPackets, ssrc: this.ssrc }, ...this.hearing.report(this.ended), rtcp: this.rtcp.report() };
  }

  private useCodec(name: CodecName): void {
    this.hearing.useCodec(name);
    this.useSource(name);
  }

  private useSource(name: CodecName): void {
    const { source, bank, tones } = this.options;
    const echo = this.hearing.echo = source === 'echo' ? new EchoSource(name) : undefined;
    if (source === 'tone') this.source = bank ? new LoopSource(bank, name, tones[0]) : new ToneSource(makeCodec(name), tones[0]);
    else this.source = source === 'silence' ? new SilenceSource(name) : echo;
  }

  private changeTone(now: number): void {
    if (this.frames % CHANGE_EVERY !== 0 || !(this.source instanceof ToneSource || this.source instanceof LoopSource)) return;
    const [first, second] = this.options.tones;
    if (first === second) return;
    this.source.tone = this.source.tone === first ? second : first;
    this.hearing.roundTrip.changed(this.source.tone, now);
  }

  private transmit(session: MediaSession, packet: RtpPacket): void {
    this.sequence = (this.sequence + 1) & 0xffff;
    this.sentPackets++;
    this.sentOctets += packet.payload.length;
    this.socket?.send(this.srtp === undefined ? writeRtp(packet) : this.srtp.protect(packet), session.remote);
  }

  private sendRtcp(session: MediaSession, now: number): void {
    const stream = { rtpTimestamp: this.timestamp, packets: this.sentPackets, octets: this.sentOctets };
    const report = this.rtcp.write(Date.now(), now, stream, this.hearing.reception);
    this.socket?.send(this.srtp === undefined ? report : this.srtp.protectRtcp(report), session.rtcp, true);
  }

  private arrive(bytes: Buffer, from: MediaAddress, rtcpSocket: boolean): void {
    if (this.ended) return;
    const now = performance.now();
    switch (rtcpSocket ? 'rtcp' : kindOf(bytes)) {
      case 'stun': this.options.onStun?.(bytes, from); break;
      case 'dtls': this.options.onDtls?.(bytes, from); break;
      case 'rtp': this.hearing.rtp(bytes, from, now, { session: this.session, srtp: this.srtp }); break;
      case 'rtcp': this.arriveRtcp(bytes, now); break;
      default:
    }
  }

  private arriveRtcp(bytes: Buffer, now: number): void {
    const clear = this.srtp === undefined ? bytes : this.srtp.unprotectRtcp(bytes);
    if (clear === undefined) {
      this.hearing.undecryptable++;
      return;
    }
    this.hearing.lastHeardAt = now;
    this.rtcp.read(clear, Date.now(), now);
  }
}

// The media of one call at the peer: description, endpoint, what is sent and in which direction.
import { randomInt } from 'node:crypto';
import { RtpEndpoint } from '../media/endpoint.js';
import type { MediaReport, SourceKind } from '../media/endpoint.js';
import type { CodecName } from '../media/codec.js';
import type { Pacer } from '../media/pacer.js';
import type { FrameBank } from '../media/source.js';
import { newMasterKey } from '../media/srtp.js';
import type { Direction } from '../sip/sdp.js';
import { agree, answerDirection, badAnswer, peerAnswer, peerOffer, renumbered } from './sdp.js';
import type { Agreed, PeerMedia, PeerSrtp, Renumbering } from './sdp.js';

export interface CallMediaOptions {
  address: string;
  pacer: Pacer;
  bank: FrameBank | undefined;
  /** False for signalling only: ports are named, none is opened. */
  sockets: boolean;
  codecs: CodecName[];
  srtp: PeerSrtp;
  dtmf: number | undefined;
  tones: [number, number];
  expect: number[];
  source: SourceKind;
  /** Direction of our first description. */
  first: Direction;
  renumber: Renumbering | null;
  onDigit: (digit: string) => void;
}

const PORT_OF_NOBODY = 4000;

export class CallMedia {
  private description: PeerMedia | undefined;
  private endpoint: RtpEndpoint | undefined;
  private agreed: Agreed | undefined;
  private version = 0;
  private wanted: Direction;
  private direction: Direction = 'sendrecv';
  private started = false;
  private closed = false;
  /** Directions the far end stated, in their order. */
  readonly theirDirections: Direction[] = [];

  constructor(private readonly options: CallMediaOptions) {
    this.wanted = options.first;
  }

  /** Opens the port; `mux` when the far end offered rtcp-mux. */
  async open(mux: boolean): Promise<void> {
    const { options } = this;
    if (options.sockets) {
      this.endpoint = await RtpEndpoint.open({
        address: options.address, pacer: options.pacer, rtcpMux: mux, source: options.source, tones: options.tones, expect: options.expect,
        bank: options.bank, onDigit: options.onDigit,
      });
      // The call may have ended while the port was opened.
      if (this.closed) this.endpoint.close();
    }
    this.description = {
      local: this.endpoint?.local ?? { address: options.address, port: PORT_OF_NOBODY }, codecs: options.codecs, srtp: options.srtp, dtmf: options.dtmf, renumber: options.renumber,
      master: newMasterKey(), sessionId: randomInt(1, 2 ** 31), ptime: 20,
    };
  }

  /** An offer of ours. `zero` writes hold as an address of zeroes. */
  offer(wanted: Direction = this.wanted, zero = false): string {
    this.wanted = wanted;
    return peerOffer(this.need(), ++this.version, zero ? 'sendrecv' : wanted, zero);
  }

  /** Answers the far end's offer and uses it; `wanted` is the direction we would like from now on. Throws an Error with the reason when it cannot be answered. */
  answer(offer: string, wanted: Direction = this.wanted): string {
    const media = this.need();
    this.wanted = wanted;
    const found = agree(offer, media);
    this.use(media.renumber === null ? found : renumbered(found, media.renumber), false);
    const { agreed } = this;
    if (agreed === undefined) throw new Error('nothing agreed');
    return peerAnswer(media, ++this.version, agreed, this.direction);
  }

  /** An answer nobody can use. */
  bad(): string {
    return badAnswer(this.need());
  }

  /** Uses the far end's answer to our offer. Throws an Error with the reason when it fits no offer of ours. */
  accept(answer: string): void {
    this.use(agree(answer, this.need()), true);
  }

  /** The call is answered (or early media begins): sends from now on, as far as the direction says. */
  start(answered: boolean): void {
    this.started = true;
    if (answered) this.endpoint?.answered(performance.now());
    this.apply();
  }

  play(source: SourceKind): void {
    this.endpoint?.play(source);
  }

  press(digits: string, durationMs?: number): boolean {
    return this.endpoint?.press(digits, durationMs) ?? false;
  }

  /** Goes on with another SSRC, sequence and timestamp, as a PBX does when it changes the source. */
  restart(): void {
    this.endpoint?.restart();
  }

  /** Stops or resumes sending without a word in SDP, as a muted phone with voice detection does. */
  mute(on: boolean): void {
    this.endpoint?.send(!on && this.started);
  }

  close(): void {
    this.closed = true;
    this.endpoint?.close();
  }

  get codec(): CodecName | undefined {
    return this.agreed?.session.codec;
  }

  report(): MediaReport | undefined {
    return this.endpoint?.report();
  }

  private need(): PeerMedia {
    if (this.description === undefined) throw new Error('media is not open yet');
    return this.description;
  }

  private use(agreed: Agreed, answered: boolean): void {
    const media = this.need();
    const changed = agreed.remoteMaster !== undefined && !agreed.remoteMaster.key.equals(this.agreed?.remoteMaster?.key ?? Buffer.alloc(0));
    this.agreed = agreed;
    this.theirDirections.push(agreed.theirs);
    const effective = answerDirection(agreed.theirs, this.wanted);
    this.direction = effective;
    this.endpoint?.begin(agreed.session, changed && agreed.remoteMaster ? { local: media.master, remote: agreed.remoteMaster } : undefined);
    if (answered || this.started) this.apply();
  }

  private apply(): void {
    const sends = this.direction === 'sendrecv' || this.direction === 'sendonly';
    // RFC 3264 §8.4: an address of zeroes asks for silence.
    if (!this.closed) this.endpoint?.send(this.started && sends && this.agreed?.session.remote.address !== '0.0.0.0');
  }
}

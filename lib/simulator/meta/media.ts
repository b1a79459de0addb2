// The media of one call at Meta: offer or answer, endpoint, keys, and the patience of a WhatsApp client.
import { DtlsLeg } from '../media/dtlsLeg.js';
import { RtpEndpoint } from '../media/endpoint.js';
import type { SourceKind } from '../media/endpoint.js';
import { CODECS } from '../media/codec.js';
import type { CodecName } from '../media/codec.js';
import type { MediaAddress } from '../media/socket.js';
import { newMasterKey, writeCrypto } from '../media/srtp.js';
import type { MasterKey } from '../media/srtp.js';
import type { Verdict } from '../verdict.js';
import { judgeAnswer, metaCandidate, metaSdp } from './sdp.js';
import type { BusinessMedia, Keying, MetaSdpInput, OfferedMedia } from './sdp.js';
import type { MetaSide } from './side.js';
import { judgeMedia } from './report.js';
import type { MetaCallReport } from './report.js';

/** META-SIP §6.1: telephone-event is 126 in Meta's offers. */
const DTMF_PAYLOAD = 126;
const START_SILENCE_MS = 20_000;
const LATER_SILENCE_MS = 30_000;
const EARLY_MEDIA_MS = 20;
/** A stall of ours this long before the 200 was taken up still counts as ours. */
const STALL_WINDOW_MS = 250;
const PORT_OF_NOBODY = 3480;

export interface MediaOptions {
  keying?: Keying | undefined;
  /** Codecs offered (or taken), in order. Default opus alone. */
  codecs?: CodecName[] | undefined;
  /** `full`: real audio. `light`: the same pre-encoded, judged by samples. `none`: signalling only, no socket. */
  media?: 'full' | 'light' | 'none' | undefined;
  source?: SourceKind | undefined;
  /** Own tone, and the one it changes to every two seconds; equal ones never change. Hz. */
  tones?: [number, number] | undefined;
  /** Tones that count as heard: own ones (an echo) by default; [] for any tone at all. */
  expect?: number[] | undefined;
  /** WhatsApp's patience, ms (META-SIP §1.8). */
  silence?: { startMs?: number; laterMs?: number } | undefined;
  /** How long before the 200 a packet may be seen without blame: they go different ways. Default 20 ms. */
  earlyMediaMs?: number | undefined;
}

export interface MetaMediaEvents {
  /** Nothing was heard for too long. */
  silent(what: string): void;
  digit(digit: string): void;
}

export class MetaMedia {
  private endpoint: RtpEndpoint | undefined;
  private leg: DtlsLeg | undefined;
  private input: MetaSdpInput | undefined;
  private business: BusinessMedia | undefined;
  private readonly master: MasterKey = newMasterKey();
  private watch: NodeJS.Timeout | undefined;
  private answeredAt: number | undefined;
  private judged = false;
  private closed = false;
  private stallMs = 0;
  private stallTimer: NodeJS.Timeout | undefined;

  constructor(private readonly side: MetaSide, private readonly options: MediaOptions, private readonly verdict: Verdict, private readonly events: MetaMediaEvents) {}

  /** Opens the media port and gives Meta's offer for it. */
  async offer(): Promise<string> {
    const names = this.options.codecs ?? ['opus'];
    this.input = await this.open(names.map((name) => ({ name, payloadType: CODECS[name].payloadType })), DTMF_PAYLOAD, 1, 'actpass');
    return metaSdp(this.input);
  }

  /**
   * Opens the media port and gives Meta's answer to the business's offer. Payload types are the offer's, or Meta's own where `own` says so
   * (META-SIP §6.1, §6.3: telephone-event goes on with 126 when the offer has no 8 kHz one). `setup` is Meta's DTLS role.
   */
  async answer(offer: OfferedMedia, own: boolean, setup: 'active' | 'passive'): Promise<string> {
    const payloadType = own ? CODECS[offer.codec].payloadType : offer.payloadType;
    const dtmf = own ? DTMF_PAYLOAD : offer.dtmf ?? DTMF_PAYLOAD;
    // RFC 9143 §7.3: the answer takes the offer's mid over; META-SIP §6.1: Meta adds one of its own where there is none.
    this.input = { ...await this.open([{ name: offer.codec, payloadType }], dtmf, offer.cryptoTag, setup), mid: offer.mid };
    this.business = { ...offer, payloadType, dtmf, dtls: offer.dtls && { ...offer.dtls, setup: setup === 'active' ? 'passive' : 'active' } };
    // Keys and the far end's ports are known before our 200 is on its way: nothing that comes may be lost.
    this.begin();
    return metaSdp(this.input);
  }

  /** Judges the answer to our offer and starts to talk and listen. */
  accept(answer: string, answeredAt: number): void {
    if (this.input === undefined) return;
    this.business = judgeAnswer(answer, this.input, (rule, detail) => { this.verdict.breach(rule, detail); });
    if (this.business !== undefined) this.begin();
    this.start(answeredAt);
  }

  /** The call is answered: talks from now on. */
  start(answeredAt: number): void {
    this.answeredAt = answeredAt;
    this.endpoint?.answered(answeredAt);
    if (this.business === undefined || this.endpoint === undefined || this.closed) return;
    this.endpoint.send(true);
    // What this process took up late, the 200 before all, is not the business's fault. The stall is known once it is over.
    this.stallTimer = setTimeout(() => { this.stallMs = this.side.lag.worst(answeredAt - STALL_WINDOW_MS, answeredAt); }, 50);
    this.watchSilence();
  }

  private begin(): void {
    if (this.business === undefined || this.endpoint === undefined || this.closed) return;
    const { codec, payloadType, dtmf, master, dtls } = this.business;
    // With ICE the address that was nominated counts; checks may have come before the answer.
    const remote = this.leg?.remote ?? this.business.remote;
    this.endpoint.begin({
      codec, payloadType, dtmf: dtmf === undefined ? undefined : { payloadType: dtmf, clockRate: 8000 }, remote, rtcp: remote, secured: true,
    }, master === undefined ? undefined : { local: this.master, remote: master });
    if (dtls !== undefined) this.leg?.begin(dtls, this.endpoint.local);
  }

  private async open(codecs: MetaSdpInput['codecs'], dtmf: number, cryptoTag: number, setup: string): Promise<MetaSdpInput> {
    const { options, side } = this;
    const tones = options.tones ?? [600, 900];
    if (options.media !== 'none') {
      this.endpoint = await RtpEndpoint.open({
        address: side.mediaAddress, pacer: side.pacer, rtcpMux: true, source: options.source ?? 'tone', tones,
        expect: options.expect ?? [...new Set(tones)], bank: options.media === 'light' ? side.bank : undefined,
        onDigit: (digit) => { this.events.digit(digit); },
        onStun: (bytes, from) => { this.leg?.stun(bytes, from); }, onDtls: (bytes) => { this.leg?.dtls(bytes); },
      });
      // The call may have ended while the port was opened.
      if (this.closed) this.endpoint.close();
    }
    const local = this.endpoint?.local ?? { address: side.mediaAddress, port: PORT_OF_NOBODY };
    return {
      local, codecs, dtmf, ssrc: this.endpoint?.ssrc ?? 1,
      ...(options.keying === 'dtls' ? { dtls: await this.openDtls(local, setup) } : { crypto: writeCrypto(cryptoTag, this.master) }),
    };
  }

  // META-SIP §6.1: ICE-lite with two host candidates, one of each family, and setup:actpass.
  private async openDtls(local: MediaAddress, setup: string): Promise<NonNullable<MetaSdpInput['dtls']>> {
    const { endpoint } = this;
    const leg = new DtlsLeg(await this.side.dtlsCertificate(), {
      send: (bytes, to) => { endpoint?.sendRaw(bytes, to); },
      redirect: (remote) => { endpoint?.redirect(remote); },
      secured: (keys) => { endpoint?.secure(keys); },
      fault: (rule, detail) => { this.verdict.breach(rule, detail); },
    });
    this.leg = leg;
    const second = await endpoint?.alsoAt(local.address.includes(':') ? '127.0.0.1' : '::1');
    const candidates = [local, ...(second ? [second] : [])].map((address, i) => metaCandidate(i, address));
    return { ufrag: leg.ice.ufrag, pwd: leg.ice.pwd, fingerprint: leg.fingerprint, setup, candidates };
  }

  press(digits: string, durationMs?: number): Promise<void> {
    const { endpoint } = this;
    if (endpoint === undefined || !endpoint.press(digits, durationMs)) {
      this.verdict.breach('dtmf', 'telephone-event is not in the answer');
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = setInterval(() => {
        if (endpoint.pressing && !this.closed) return;
        clearInterval(timer);
        resolve();
      }, 20);
    });
  }

  say(source: SourceKind): void {
    this.endpoint?.play(source);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.watch);
    clearTimeout(this.stallTimer);
    this.leg?.close();
    this.endpoint?.close();
  }

  report(answeredAt: number | undefined): Pick<MetaCallReport, 'answer' | 'audio'> {
    const { business, endpoint, input } = this;
    const answer = business && {
      codec: business.codec, payloadType: business.payloadType, dtmf: business.dtmf, address: business.remote.address, port: business.remote.port,
    };
    if (endpoint === undefined || input === undefined) return { answer, audio: undefined };
    const detail = endpoint.report();
    if (this.closed && !this.judged) {
      this.judged = true;
      if (business !== undefined && answeredAt !== undefined) {
        // With ICE the pair that was nominated counts, not the default address.
        judgeMedia(this.verdict, detail, { ...business, remote: this.leg?.remote ?? business.remote }, answeredAt, (this.options.earlyMediaMs ?? EARLY_MEDIA_MS) + 2 * this.stallMs);
      } else if (detail.received.packets > 0) this.verdict.breach('media-before-200', `${detail.received.packets} packets without a 200`);
    }
    const after = (at: number | undefined): number | undefined => (at === undefined || answeredAt === undefined ? undefined : Math.round((at - answeredAt) * 10) / 10);
    const { received, tone, roundTrip } = detail;
    const leg = this.leg?.report();
    return {
      answer,
      audio: {
        toneHeard: tone.heard > 0, firstPacketMs: after(received.firstAt), firstToneMs: after(tone.firstMs),
        oneWayMs: roundTrip.medianMs === undefined ? undefined : Math.round(roundTrip.medianMs * 5) / 10,
        packetsSent: detail.sent.packets, packetsReceived: received.packets, packetsLost: received.lost, jitterMs: received.jitterMs,
        maxGapMs: received.maxGapMs, digits: detail.dtmf.map((e) => e.digit).join(''), detail,
        ...(leg ? { ice: { checks: leg.checks, nominations: leg.nominations, nominatedMs: after(leg.nominatedAt), selected: leg.selected, dtlsRole: leg.role, dtlsMs: after(leg.connectedAt) } } : {}),
      },
    };
  }

  // META-SIP §1.8: 20 s without media at the start, 30 s later, and the client hangs up. RTCP keeps it alive too ([TS]).
  private watchSilence(): void {
    const startMs = this.options.silence?.startMs ?? START_SILENCE_MS;
    const laterMs = this.options.silence?.laterMs ?? LATER_SILENCE_MS;
    const look = (): void => {
      const now = performance.now();
      const heard = this.endpoint?.lastHeardAt;
      const limit = heard === undefined ? startMs : laterMs;
      const left = limit - (now - (heard ?? this.answeredAt ?? now));
      if (left <= 0) this.events.silent(heard === undefined ? `no media within ${startMs} ms of the answer` : `no media for ${laterMs} ms`);
      else this.watch = setTimeout(look, left + 1);
    };
    look();
  }
}

import { isRtcp, rolloverOf, rtpHeaderLength } from './packet.js';
import { MOST_SSRCS, protectionOf } from './protect.js';
import { ReplayWindow } from '../../util/replayWindow.js';
import type { SrtpKeys } from './suites.js';

/** What was sent under one SSRC: the RTP indices, the next index of SRTCP. */
interface Sent { readonly rtp: ReplayWindow; rtcp: number }

const nothing = (): Sent => ({ rtp: new ReplayWindow(), rtcp: 0 });

/**
 * Protects what one direction sends. No two packets go out under one SSRC and index, whoever numbers them: the key stream would be the same
 * (RFC 3711 §9.1). A result is a buffer of its own, the caller's; the packet is only read.
 */
export class SrtpSender {
  readonly #rtp;
  readonly #rtcp;
  readonly #sent = new Map<number, Sent>();
  #ssrc = -1;
  #last = nothing();

  /** @throws WabError 'SDP_UNACCEPTABLE' for keys that do not fit their suite. */
  constructor(keys: SrtpKeys) {
    this.#rtp = protectionOf(keys, 'rtp');
    this.#rtcp = protectionOf(keys, 'rtcp');
  }

  /** False: a packet of this SSRC and number was sent already, or so many after it that nobody knows any more; it would be refused. */
  isNew(packet: Buffer): boolean {
    if (rtpHeaderLength(packet) === 0) return false;
    const sent = this.#sent.get(packet.readUInt32BE(8));
    return sent === undefined || sent.rtp.isNew(indexOf(sent, packet));
  }

  /** @throws RangeError for what is no RTP packet, for one that is not new, and for the SSRC after the 1,024th. */
  protect(packet: Buffer): Buffer {
    const header = rtpHeaderLength(packet);
    if (header === 0) throw new RangeError('not an RTP packet');
    const sent = this.#under(packet.readUInt32BE(8));
    const index = indexOf(sent, packet);
    // From before the first packet too: its rollover counter would be 2^32 - 1 (RFC 3711 appendix A).
    if (!sent.rtp.isNew(index)) throw new RangeError('the number of this packet is used');
    sent.rtp.take(index);
    return this.#rtp.sealRtp(packet, header, Math.floor(index / 0x10000));
  }

  /** @throws RangeError for what is no RTCP packet, for the SSRC after the 1,024th, and when the 2^31 indices of an SSRC are used up (RFC 3711 §9.2). */
  protectRtcp(packet: Buffer): Buffer {
    if (!isRtcp(packet)) throw new RangeError('not an RTCP packet');
    const sent = this.#under(packet.readUInt32BE(4));
    if (sent.rtcp > 0x7fffffff) throw new RangeError('every index of SRTCP is used');
    return this.#rtcp.sealRtcp(packet, sent.rtcp++);
  }

  #under(ssrc: number): Sent {
    if (ssrc === this.#ssrc) return this.#last;
    let sent = this.#sent.get(ssrc);
    if (sent === undefined) {
      // To forget one would be to use its key stream again.
      if (this.#sent.size >= MOST_SSRCS) throw new RangeError(`more than ${MOST_SSRCS} SSRCs`);
      this.#sent.set(ssrc, sent = nothing());
    }
    this.#ssrc = ssrc;
    this.#last = sent;
    return sent;
  }
}

/** The index of 48 bits that a packet has by what went before it; negative: it is from before the first. */
function indexOf({ rtp: { highest } }: Sent, packet: Buffer): number {
  const sequence = packet.readUInt16BE(2);
  return (highest < 0 ? 0 : rolloverOf(highest, sequence)) * 0x10000 + sequence;
}

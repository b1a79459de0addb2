import { isRtcp, rolloverOf, rtpHeaderLength } from './packet.js';
import { MOST_SSRCS, protectionOf } from './protect.js';
import type { SrtpKeys } from './suites.js';

/** What was sent under one SSRC: the highest RTP index (-1: none), the next index of SRTCP. */
interface Sent { highest: number; rtcp: number }

/**
 * Protects what one direction sends. The caller numbers the packets and sends no two different ones under one SSRC and index: the key stream would be
 * the same (RFC 3711 §9.1). A result is a buffer of its own, the caller's; the packet is only read.
 */
export class SrtpSender {
  readonly #rtp;
  readonly #rtcp;
  readonly #sent = new Map<number, Sent>();
  #ssrc = -1;
  #last: Sent = { highest: -1, rtcp: 0 };

  /** @throws WabError 'SDP_UNACCEPTABLE' for keys that do not fit their suite. */
  constructor(keys: SrtpKeys) {
    this.#rtp = protectionOf(keys, 'rtp');
    this.#rtcp = protectionOf(keys, 'rtcp');
  }

  /** @throws RangeError for what is no RTP packet, and for the SSRC after the 1,024th. */
  protect(packet: Buffer): Buffer {
    const header = rtpHeaderLength(packet);
    if (header === 0) throw new RangeError('not an RTP packet');
    const sequence = packet.readUInt16BE(2);
    const sent = this.#under(packet.readUInt32BE(8));
    const rollover = sent.highest < 0 ? 0 : rolloverOf(sent.highest, sequence);
    const index = rollover * 0x10000 + sequence;
    if (index > sent.highest) sent.highest = index;
    // Late, from before the first packet: 2^32 - 1 (RFC 3711 appendix A), which no other packet has.
    return this.#rtp.sealRtp(packet, header, rollover >>> 0);
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
      this.#sent.set(ssrc, sent = { highest: -1, rtcp: 0 });
    }
    this.#ssrc = ssrc;
    this.#last = sent;
    return sent;
  }
}

import { isRtcp, rolloverOf, rtpHeaderLength } from './packet.js';
import { MOST_SSRCS, protectionOf } from './protect.js';
import { ReplayWindow } from '../../util/replayWindow.js';
import type { SrtpKeys } from './suites.js';

/** What was received under one SSRC. */
class Stream {
  readonly rtp = new ReplayWindow();
  readonly rtcp = new ReplayWindow();
}

/**
 * Opens what one direction receives, in the packet's own buffer: what is given back is a view of it. A packet that is refused is left as it was.
 * An SSRC is known once a packet of it was authentic, 1,024 of them at most: a stranger adds none, and none is forgotten, which would let it be replayed.
 */
export class SrtpReceiver {
  /** Packets that were refused: malformed or not authentic; received before or too late to know. */
  readonly refused = { auth: 0, replayed: 0 };
  /** The RTP packet that was opened last is the newest of its SSRC. */
  newest = false;
  readonly #rtp;
  readonly #rtcp;
  readonly #streams = new Map<number, Stream>();

  /** @throws WabError 'SDP_UNACCEPTABLE' for keys that do not fit their suite. */
  constructor(keys: SrtpKeys) {
    this.#rtp = protectionOf(keys, 'rtp');
    this.#rtcp = protectionOf(keys, 'rtcp');
  }

  /** Null: malformed, not authentic, received before or too late; counted. */
  unprotect(packet: Buffer): Buffer | null {
    const header = rtpHeaderLength(packet);
    if (header === 0 || packet.length < header + this.#rtp.rtpTrailer) return this.#unauthentic();
    const sequence = packet.readUInt16BE(2);
    const ssrc = packet.readUInt32BE(8);
    const known = this.#streams.get(ssrc);
    if (known === undefined || known.rtp.highest < 0) return this.#first(packet, header, ssrc, sequence, known);
    const rollover = rolloverOf(known.rtp.highest, sequence);
    const index = rollover * 0x10000 + sequence;
    if (!known.rtp.isNew(index)) return this.#replayed();
    const opened = this.#rtp.openRtp(packet, header, rollover);
    if (opened === null) return this.#unauthentic();
    this.newest = index > known.rtp.highest;
    known.rtp.take(index);
    return opened;
  }

  /** The same with RTCP; one that is authentic and not encrypted is taken (RFC 3711 §3.4, the E flag). */
  unprotectRtcp(packet: Buffer): Buffer | null {
    if (!isRtcp(packet) || packet.length < 8 + this.#rtcp.rtcpTrailer) return this.#unauthentic();
    const word = packet.readUInt32BE(packet.length - this.#rtcp.indexFromEnd);
    const index = word & 0x7fffffff;
    const ssrc = packet.readUInt32BE(4);
    const known = this.#streams.get(ssrc);
    if (known !== undefined && !known.rtcp.isNew(index)) return this.#replayed();
    if (known === undefined && this.#streams.size >= MOST_SSRCS) return this.#unauthentic();
    const opened = this.#rtcp.openRtcp(packet, word);
    if (opened === null) return this.#unauthentic();
    (known ?? this.#added(ssrc)).rtcp.take(index);
    return opened;
  }

  /**
   * The first packet of an SSRC has the rollover counter 0, or 1 when the sender began shortly before a wrap and nothing from before it came through:
   * the rollover counter is not sent (RFC 3711 §3.3.1), and with the wrong one every later packet would be refused too.
   */
  #first(packet: Buffer, header: number, ssrc: number, sequence: number, known: Stream | undefined): Buffer | null {
    if (known === undefined && this.#streams.size >= MOST_SSRCS) return this.#unauthentic();
    for (let rollover = 0; rollover <= (sequence < 0x8000 ? 1 : 0); rollover++) {
      const opened = this.#rtp.openRtp(packet, header, rollover);
      if (opened === null) continue;
      this.newest = true;
      (known ?? this.#added(ssrc)).rtp.take(rollover * 0x10000 + sequence);
      return opened;
    }
    return this.#unauthentic();
  }

  #added(ssrc: number): Stream {
    const stream = new Stream();
    this.#streams.set(ssrc, stream);
    return stream;
  }

  #unauthentic(): null {
    this.refused.auth++;
    return null;
  }

  #replayed(): null {
    this.refused.replayed++;
    return null;
  }
}

import { after } from '../../util/after.js';
import type { Logger } from '../logger.js';
import { headerValue, type TraceEntry } from '../trace.js';
import { shownMessage } from '../capture/shown.js';
import { hepPacket, type HepMessage, type HepSource } from './packet.js';
import { openLink, type HepLink, type HepServer } from './link.js';

/** Messages are sent together so often, in milliseconds; each has its own time in it. */
const EVERY = 200;
/** A message of no call that is known waits for its call so long, in milliseconds: an INVITE is here before its call is. */
const PATIENCE = 1000;
/** Messages that are made ready in one turn, of some 30 µs each. */
const ONE_TURN = 64;
/** Messages that wait; what comes on top is given up. */
const MOST_WAITING = 10_000;
/** Bytes of a packet: a UDP datagram over IPv4 has no room for more (RFC 768, RFC 791); the length of HEP3 has 16 bits. */
const MOST_BYTES = { udp: 65_507, tcp: 65_535, tls: 65_535 } as const;

/** Figures of one direction of RTP as Homer reads them in JSON; times are not known. */
export interface RtcpFigures {
  readonly ssrc: number;
  readonly packetsSent: number;
  readonly octetsSent: number;
  readonly packetsLost: number;
  /** Of 256, since the last report (RFC 3550 §6.4.1). */
  readonly fractionLost: number;
  /** In units of the codec's clock. */
  readonly jitter: number;
  /** Milliseconds; null: not known. */
  readonly roundTripMs: number | null;
  readonly mos: number | null;
}

export interface HepOptions extends HepSource {
  readonly server: HepServer;
  /** PEM of further authorities for TLS; null: those of the system. */
  readonly ca: string | null;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** Which calls have which Call-IDs now: Call-ID → id of the call. */
  readonly owners: () => ReadonlyMap<string, string>;
  /** What is hidden beside secrets, in a message of this call or of none (null); keeps lengths. */
  readonly mask: (text: string, call: string | null) => string;
}

interface Early { readonly entry: TraceEntry; readonly callId: string }

/** Sends what crosses the wire to a HEP server (Homer): never in a call's way, in bounded memory. */
export class HepSender {
  readonly #options: HepOptions;
  readonly #link: HepLink;
  #waiting: TraceEntry[] = [];
  /** Those of no call that is known yet. */
  #early: Early[] = [];
  #owners: ReadonlyMap<string, string> = new Map();
  /** When it was looked up last which calls there are. */
  #lookedAt = -Infinity;
  #timer: NodeJS.Timeout | null = null;
  #trouble: string | null = null;
  /** Packets given up since the start. */
  lost = 0;

  constructor(options: HepOptions) {
    this.#options = options;
    const { server: { transport, host, port }, log } = options;
    const server = `${transport}:${host}:${port}`;
    this.#link = openLink(options.server, options.ca, {
      lost: (packets) => { this.lost += packets; },
      trouble: (why) => {
        if (this.#trouble === why) return;
        this.#trouble = why;
        log.warn({ part: 'hep', server, why }, 'the HEP server cannot be reached: calls go on, their messages are missing there');
      },
      well: () => {
        if (this.#trouble !== null) log.info({ part: 'hep', server }, 'the HEP server is there again');
        this.#trouble = null;
      },
    });
  }

  message(entry: TraceEntry): void {
    if (this.#waiting.length + this.#early.length >= MOST_WAITING) {
      this.lost += 1;
      return;
    }
    this.#waiting.push(entry);
    this.#timer ??= after(EVERY, () => { this.#flush(Date.now()); }).unref();
  }

  /** Figures of a leg of the call, heard from the far end of `like`, a message of its signalling. */
  figures(call: string, like: TraceEntry, time: number, { ssrc, packetsSent, octetsSent, packetsLost, fractionLost, jitter, roundTripMs, mos }: RtcpFigures): void {
    const { source, destination } = endsOf({ ...like, direction: 'in' });
    const seconds = Math.floor(time / 1000);
    const json = {
      type: 200, ssrc, report_count: 1,
      sender_information: { ntp_timestamp_sec: seconds + 2_208_988_800, ntp_timestamp_usec: Math.round((time - 1000 * seconds) * 1000), rtp_timestamp: 0, packets: packetsSent, octets: octetsSent },
      report_blocks: [{ source_ssrc: ssrc, fraction_lost: fractionLost, packets_lost: packetsLost, highest_seq_no: 0, ia_jitter: jitter, lsr: 0, dlsr: 0 }],
      rtt: roundTripMs, mos,
    };
    this.#send([{ kind: 'rtcp', time, source, destination, transport: 'udp', correlation: call, payload: Buffer.from(JSON.stringify(json)) }]);
  }

  /** What waits is sent. May be called twice. */
  close(): void {
    this.#flush(Infinity);
    this.#link.close();
  }

  /** So many in one turn; what is left in the next, as calls have turns too. Which calls there are is looked up now and then, not in each turn. */
  #flush(now: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    // Either way: the clock may be set back.
    if (Math.abs(now - this.#lookedAt) >= EVERY) this.#lookUp(now);
    const ready: HepMessage[] = [];
    for (const entry of this.#waiting.splice(0, now === Infinity ? Infinity : ONE_TURN)) {
      const callId = headerValue(entry.text, 'call-id', 'i') ?? '';
      const call = this.#owners.get(callId) ?? null;
      if (call === null && isEarly(entry, now)) this.#early.push({ entry, callId });
      else {
        ready.push({
          ...endsOf(entry), kind: 'sip', time: entry.time, transport: entry.transport, correlation: call ?? this.#options.mask(callId, null),
          payload: Buffer.from(shownMessage(entry.text, (text) => this.#options.mask(text, call)), 'latin1'),
        });
      }
    }
    if (this.#waiting.length + this.#early.length > 0) this.#timer = after(this.#waiting.length > 0 ? 1 : EVERY, () => { this.#flush(Date.now()); }).unref();
    this.#send(ready);
  }

  /** Those whose call is known by now, or that have waited long enough, have their turn. */
  #lookUp(now: number): void {
    this.#lookedAt = now;
    this.#owners = this.#options.owners();
    const early = this.#early;
    this.#early = [];
    const due: TraceEntry[] = [];
    for (const one of early) {
      if (this.#owners.has(one.callId) || !isEarly(one.entry, now)) due.push(one.entry);
      else this.#early.push(one);
    }
    if (due.length > 0) this.#waiting = [...due, ...this.#waiting];
  }

  #send(messages: readonly HepMessage[]): void {
    if (messages.length > 0) this.#link.send(messages.map((one) => hepPacket(one, this.#options, MOST_BYTES[this.#options.server.transport])));
  }
}

/** It may be one of a call that is not known yet. */
function isEarly({ time }: TraceEntry, now: number): boolean {
  return now - time < PATIENCE && now >= time;
}

function endsOf({ direction, local, remote }: TraceEntry): { readonly source: string; readonly destination: string } {
  return direction === 'in' ? { source: remote, destination: local } : { source: local, destination: remote };
}

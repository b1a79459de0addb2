// What we send until an answer comes: a flight of messages (RFC 6347 §4.2.4), cut to datagrams, repeated ever more slowly.
import { encodeFragment, HANDSHAKE_HEADER } from './fragments.js';
import type { Message } from './fragments.js';
import { HANDSHAKE } from './messages.js';
import { RECORD } from './records.js';
import type { RecordWriter } from './records.js';

/** Bytes of a datagram of ours: what passes IPv6 and tunnels. */
const DATAGRAM = 1200;
/** A fragment shorter than this waits for the next datagram. */
const SHORTEST_FRAGMENT = 64;
/**
 * Milliseconds. RFC 6347 §4.2.4.1 proposes a second: that much of a call's beginning would not be heard (META-SIP §6.2), and a whole handshake is four datagrams.
 */
const FIRST_WAIT = 50;
const LONGEST_WAIT = 1000;
const LATE_WAIT = 800;
/** A repeated flight of theirs is answered no more often than this. */
const ANSWER_EVERY = 20;

/** `null` is ChangeCipherSpec: what follows it is sealed. */
export type FlightItems = readonly (Message | null)[];

export class Flight {
  private wait = FIRST_WAIT;

  /** `repeats`: by itself, until it is replaced; the last flight of a handshake goes again only when asked for. */
  constructor(private readonly items: FlightItems, private readonly writer: RecordWriter, private readonly repeats: boolean, private sentAt: number) {}

  /** All of it. */
  datagrams(): Buffer[] {
    const out = new Datagrams();
    let epoch: 0 | 1 = 0;
    for (const item of this.items) {
      if (item === null) {
        out.add(this.writer.write(RECORD.changeCipherSpec, 0, Buffer.of(1)));
        epoch = 1;
        continue;
      }
      const heads = this.writer.overhead(epoch) + HANDSHAKE_HEADER;
      let at = 0;
      do {
        const left = item.body.length - at;
        const room = out.roomFor(heads + Math.min(SHORTEST_FRAGMENT, left)) - heads;
        const length = Math.min(left, room);
        out.add(this.writer.write(RECORD.handshake, epoch, encodeFragment(item, at, length), item.type === HANDSHAKE.clientHello));
        at += length;
      } while (at < item.body.length);
    }
    return out.all();
  }

  /** More than half a second has gone by, and repetitions are far enough apart for a whole answer in between. */
  get isLate(): boolean {
    return this.wait >= LATE_WAIT;
  }

  /** What is to go now because nothing came. */
  due(now: number): Buffer[] {
    if (!this.repeats || now - this.sentAt < this.wait) return [];
    this.wait = Math.min(2 * this.wait, LONGEST_WAIT);
    this.sentAt = now;
    return this.datagrams();
  }

  /** What is to go now because the far end has sent its own flight again: ours was lost (RFC 6347 §4.2.4). */
  askedFor(now: number): Buffer[] {
    if (now - this.sentAt < ANSWER_EVERY) return [];
    this.sentAt = now;
    return this.datagrams();
  }
}

/** Records side by side in datagrams. */
class Datagrams {
  private readonly full: Buffer[] = [];
  private open: Buffer[] = [];
  private size = 0;

  /** Bytes that are left for a record, of which there are as many as asked for. */
  roomFor(least: number): number {
    if (this.size + least > DATAGRAM) this.cut();
    return DATAGRAM - this.size;
  }

  add(record: Buffer): void {
    this.roomFor(record.length);
    this.open.push(record);
    this.size += record.length;
  }

  all(): Buffer[] {
    this.cut();
    return this.full;
  }

  private cut(): void {
    if (this.open.length > 0) this.full.push(Buffer.concat(this.open));
    this.open = [];
    this.size = 0;
  }
}

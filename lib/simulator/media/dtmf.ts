// DTMF as telephone-events (RFC 4733): sending, and judging what comes in.
import type { RtpPacket } from './rtp.js';

const DIGITS = '0123456789*#ABCD';
/** RFC 4733 §2.5.1.4: the packet that ends an event is sent three times in all. */
const END_PACKETS = 3;
const FRAME_MS = 20;

interface Sending { code: number; timestamp: number; frame: number; frames: number; ends: number }

/** One event packet, to be sent instead of audio. */
export interface EventFrame { payload: Buffer; marker: boolean; timestamp: number }

/** Turns queued digits into event packets, one for each frame of 20 ms. `clockRate` is the event's own (its duration counts in it). */
export class DtmfSender {
  private readonly queue: { code: number; frames: number }[] = [];
  private current: Sending | undefined;
  private gap = 0;

  constructor(private readonly clockRate: number, private readonly gapMs = 60) {}

  /** Queues digits, each `durationMs` long (rounded up to whole frames). Characters that are no DTMF digit are skipped. */
  press(digits: string, durationMs = 100): void {
    for (const digit of digits.toUpperCase()) {
      const code = DIGITS.indexOf(digit);
      if (code >= 0) this.queue.push({ code, frames: Math.max(1, Math.ceil(durationMs / FRAME_MS)) });
    }
  }

  get busy(): boolean {
    return this.current !== undefined || this.queue.length > 0;
  }

  /** The event packet of this frame, or undefined when it is audio's turn. `timestamp` is the audio stream's (RFC 4733 §2.2.1: of the event's start). */
  next(timestamp: number): EventFrame | undefined {
    if (this.current === undefined) {
      if (this.gap > 0) {
        this.gap -= FRAME_MS;
        return undefined;
      }
      const digit = this.queue.shift();
      if (digit === undefined) return undefined;
      this.current = { ...digit, timestamp, frame: 0, ends: 0 };
    }
    const event = this.current;
    if (event.frame < event.frames) event.frame++;
    const last = event.frame === event.frames;
    if (last) event.ends++;
    const payload = Buffer.alloc(4);
    payload[0] = event.code;
    payload[1] = (last ? 0x80 : 0) | 10;
    payload.writeUInt16BE(Math.min(0xffff, (event.frame * FRAME_MS * this.clockRate) / 1000), 2);
    const frame = { payload, marker: event.frame === 1 && event.ends <= 1, timestamp: event.timestamp };
    if (event.ends === END_PACKETS) {
      this.current = undefined;
      this.gap = this.gapMs;
    }
    return frame;
  }
}

/** One digit as it arrived. `faults` names each breach of RFC 4733 or META-SIP §6.3 in words. */
export interface DtmfEvent {
  digit: string;
  timestamp: number;
  payloadType: number;
  /** In units of the event's clock, as the last packet says. */
  duration: number;
  durationMs: number;
  packets: number;
  endPackets: number;
  /** Arrival of the first packet, on `performance.now()`'s clock, and time until the first end packet. */
  at: number;
  spanMs: number;
  faults: string[];
}

/** Where the audio stream stood last, to judge an event's timestamp by. */
export interface AudioPoint { timestamp: number; sequence: number; at: number; clockRate: number }

/** Packets that waited together arrive together: then the sequence number tells how much time they stand for. */
function countedMs(later: number, earlier: number): number {
  return (((later - earlier) << 16) >> 16) * FRAME_MS;
}

/** Collects events of one stream. Events with the same timestamp are one digit. */
export class DtmfReceiver {
  private readonly seen: (DtmfEvent & { firstSequence: number })[] = [];

  constructor(private readonly clockRate: number, private readonly onDigit?: (digit: string) => void) {}

  feed(packet: RtpPacket, now: number, audio: AudioPoint | undefined): void {
    if (packet.payload.length < 4) return;
    const code = packet.payload[0] ?? 255;
    const ended = ((packet.payload[1] ?? 0) & 0x80) !== 0;
    const duration = packet.payload.readUInt16BE(2);
    let event = this.seen.findLast((e) => e.timestamp === packet.timestamp);
    if (event === undefined) {
      event = {
        digit: DIGITS[code] ?? `event ${code}`, timestamp: packet.timestamp, payloadType: packet.payloadType, duration: 0, durationMs: 0,
        packets: 0, endPackets: 0, at: now, spanMs: 0, faults: [], firstSequence: packet.sequence,
      };
      // RFC 4733 §2.5.1.1: the first packet of an event carries the marker.
      if (!packet.marker) event.faults.push('no marker on the first packet');
      this.judgeTimestamp(event, packet.sequence, audio);
      this.seen.push(event);
    }
    event.packets++;
    if ((DIGITS[code] ?? `event ${code}`) !== event.digit) event.faults.push('two digits share a timestamp');
    if (duration < event.duration) event.faults.push('duration goes back');
    event.duration = duration;
    event.durationMs = (1000 * duration) / this.clockRate;
    if (!ended) return;
    event.endPackets++;
    if (event.endPackets > 1) return;
    event.spanMs = now - event.at + FRAME_MS;
    // A duration in 48 kHz units is six times too long, one divided by six that much too short (INTEROP "DTMF"); packets may bunch or be late,
    // by more than the length of a digit on a machine that is held up: their number must say the same.
    const wrong = (span: number, times: number): boolean => event.durationMs > 4 * span + 40 || span > times * event.durationMs + 40;
    if (wrong(event.spanMs, 2.5) && wrong(countedMs(packet.sequence, event.firstSequence) + FRAME_MS, 2)) {
      event.faults.push(`duration says ${Math.round(event.durationMs)} ms, the event took ${Math.round(event.spanMs)} ms`);
    }
    this.onDigit?.(event.digit);
  }

  /** All digits so far. With `final`, an event that is not complete is a fault too. */
  events(final: boolean): DtmfEvent[] {
    return this.seen.map(({ firstSequence: _, ...e }) => {
      const ends = final && e.endPackets !== END_PACKETS ? [`${e.endPackets} end packets instead of ${END_PACKETS}`] : [];
      return { ...e, faults: [...e.faults, ...ends] };
    });
  }

  // META-SIP §6.3: an event's timestamp is on the audio's clock (48 kHz beside Opus).
  private judgeTimestamp(event: DtmfEvent, sequence: number, audio: AudioPoint | undefined): void {
    if (audio === undefined) return;
    const waits = [event.at - audio.at, countedMs(sequence, audio.sequence)];
    const offs = waits.map((ms) => ((event.timestamp - audio.timestamp - (ms * audio.clockRate) / 1000) | 0) * (1000 / audio.clockRate));
    const offMs = offs.reduce((best, off) => (Math.abs(off) < Math.abs(best) ? off : best));
    if (Math.abs(offMs) > 200) event.faults.push(`timestamp is ${Math.round(offMs)} ms off the audio's clock`);
  }
}

// Who hears a stream of RTP: a receiver with an adaptive jitter buffer, FEC and concealment, the same one behind either engine.
import type { CodecName } from '../../lib/media/codec/index.js';
import { Player } from '../../lib/media/transcode/player.js';
import { joined } from '../../test/helpers/signals.js';
import { FRAME_MS, RATE } from './speech.js';

/** One RTP packet as it arrives, in milliseconds. */
export interface Arrival {
  readonly at: number;
  readonly packet: Buffer;
}

export interface Listened {
  /** From the instant `from` on, at 8 kHz. */
  readonly pcm: Int16Array;
  /** Milliseconds of the stream that never came, or too late. */
  readonly missingMs: number;
}

/** What is heard from the instant `from` on, `lengthMs` of it. */
export function listen(arrivals: readonly Arrival[], codec: CodecName, from: number, lengthMs: number): Listened {
  const sorted = [...arrivals].sort((a, b) => a.at - b.at);
  const player = new Player({ codec }, RATE, FRAME_MS);
  const silence = new Int16Array((RATE * FRAME_MS) / 1000);
  const pieces: Int16Array[] = [];
  let next = 0;
  for (let now = from; now < from + lengthMs; now += FRAME_MS) {
    for (let arrival = sorted[next]; arrival !== undefined && arrival.at <= now; arrival = sorted[(next += 1)]) player.push(arrival.packet, 12, arrival.at);
    const frame = player.next(now);
    if (frame === null) player.pause();
    pieces.push(Int16Array.from(frame ?? silence));
  }
  player.close();
  return { pcm: joined(pieces), missingMs: player.figures.concealed };
}

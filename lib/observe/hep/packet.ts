import { placesOf } from '../capture/datagram.js';

/** What a HEP packet carries: SIP as text, or RTCP's figures as JSON (HEP3, table of protocol types). */
export type HepKind = 'sip' | 'rtcp';

export interface HepMessage {
  readonly kind: HepKind;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Where it came from and went to: "host:port". */
  readonly source: string;
  readonly destination: string;
  /** udp, tcp, tls …: what carried it. */
  readonly transport: string;
  /** What all messages of one call have in common. */
  readonly correlation: string;
  readonly payload: Buffer;
}

export interface HepSource {
  /** Number of this service among those that send to one server, 32 bits. */
  readonly id: number;
  /** What the server asks of those who send; null: nothing. */
  readonly password: string | null;
}

/** Chunks of HEP3 ("HEP/EEP", https://github.com/sipcapture/HEP): vendor 0, type, length, value. */
const chunks = {
  family: 1, protocol: 2, source4: 3, destination4: 4, source6: 5, destination6: 6, sourcePort: 7, destinationPort: 8, seconds: 9, micros: 10,
  kind: 11, id: 12, password: 14, payload: 15, correlation: 17,
} as const;
const FAMILY_4 = 2;
const FAMILY_6 = 10;
const protocols: Readonly<Record<string, number>> = { udp: 17, tcp: 6, tls: 6, ws: 6, wss: 6 };
const kinds: Readonly<Record<HepKind, number>> = { sip: 1, rtcp: 5 };
/** One packet of HEP3 of at most so many bytes. A payload for which there is no room is cut. */
export function hepPacket({ kind, time, source, destination, transport, correlation, payload }: HepMessage, { id, password }: HepSource, most: number): Buffer {
  const places = placesOf(source, destination);
  const isV4 = places.source.address.length === 4;
  const seconds = Math.floor(time / 1000);
  const head = [
    chunk8(chunks.family, isV4 ? FAMILY_4 : FAMILY_6), chunk8(chunks.protocol, protocols[transport] ?? 17),
    chunk(isV4 ? chunks.source4 : chunks.source6, places.source.address), chunk(isV4 ? chunks.destination4 : chunks.destination6, places.destination.address),
    chunk16(chunks.sourcePort, places.source.port), chunk16(chunks.destinationPort, places.destination.port),
    chunk32(chunks.seconds, seconds), chunk32(chunks.micros, Math.round((time - seconds * 1000) * 1000)), chunk8(chunks.kind, kinds[kind]), chunk32(chunks.id, id),
    ...(password === null ? [] : [chunk(chunks.password, Buffer.from(password, 'utf8'))]), chunk(chunks.correlation, Buffer.from(correlation.slice(0, 256), 'utf8')),
  ];
  const used = 6 + head.reduce((sum, one) => sum + one.length, 0) + 6;
  const all = Buffer.concat([Buffer.from('HEP3\0\0'), ...head, chunk(chunks.payload, payload.subarray(0, most - used))]);
  all.writeUInt16BE(all.length, 4);
  return all;
}

function chunk(type: number, value: Buffer): Buffer {
  const head = Buffer.alloc(6);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(6 + value.length, 4);
  return Buffer.concat([head, value]);
}

function chunk8(type: number, value: number): Buffer {
  return chunk(type, Buffer.from([value]));
}

function chunk16(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return chunk(type, bytes);
}

function chunk32(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return chunk(type, bytes);
}

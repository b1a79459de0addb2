import type { TraceEntry } from '../trace.js';
import { datagram, placesOf } from './datagram.js';
import { shownMessage } from './shown.js';

/** Block types, and what they are made of: IETF draft-ietf-opsawg-pcapng §4. */
const SECTION = 0x0a0d0d0a;
const INTERFACE = 1;
const PACKET = 6;
const BYTE_ORDER = 0x1a2b3c4d;
/** LINKTYPE_RAW: packets begin with the header of IPv4 or IPv6. */
const RAW_IP = 101;
const COMMENT = 1;
const APPLICATION = 4;
const NAME = 2;

export interface CaptureOptions {
  /** What wrote it, as `wa-b2bua 1.2.0`. */
  readonly program: string;
  /** What to call the far end of a message. */
  readonly nameOf: (entry: TraceEntry) => string;
  /** What is hidden beside secrets; keeps lengths. */
  readonly mask: (text: string) => string;
}

/** SIP messages as a pcapng file. Each is shown as one UDP datagram between the two ends, also where TLS or TCP carried it: its comment says so. Secrets are hidden. */
export function capture(entries: readonly TraceEntry[], { program, nameOf, mask }: CaptureOptions): Buffer {
  const section = Buffer.alloc(16);
  section.writeUInt32LE(BYTE_ORDER, 0);
  section.writeUInt16LE(1, 4);
  // The length of the section is not told.
  section.fill(0xff, 8);
  const face = Buffer.alloc(8);
  face.writeUInt16LE(RAW_IP, 0);
  return Buffer.concat([
    block(SECTION, section, [[APPLICATION, program]]), block(INTERFACE, face, [[NAME, 'SIP of wa-b2bua']]),
    ...entries.map((entry) => packet(entry, nameOf(entry), mask)),
  ]);
}

function packet(entry: TraceEntry, name: string, mask: (text: string) => string): Buffer {
  const { time, direction, transport, local, remote, text } = entry;
  const { source, destination } = direction === 'in' ? placesOf(remote, local) : placesOf(local, remote);
  const bytes = datagram(source, destination, Buffer.from(shownMessage(text, mask), 'latin1'));
  const micros = BigInt(Math.round(time * 1000));
  const head = Buffer.alloc(20);
  head.writeUInt32LE(Number(micros >> 32n), 4);
  head.writeUInt32LE(Number(micros & 0xffffffffn), 8);
  head.writeUInt32LE(bytes.length, 12);
  head.writeUInt32LE(bytes.length, 16);
  return block(PACKET, Buffer.concat([head, padded(bytes)]), [[COMMENT, `${direction === 'in' ? 'from' : 'to'} ${name}, by ${transport.toUpperCase()}; secrets hidden`]]);
}

/** Type, length, body, options, length again; all of it in words of four bytes. */
function block(type: number, body: Buffer, options: readonly (readonly [code: number, text: string])[]): Buffer {
  const written = options.map(([code, text]) => {
    const value = Buffer.from(text, 'utf8');
    const head = Buffer.alloc(4);
    head.writeUInt16LE(code, 0);
    head.writeUInt16LE(value.length, 2);
    return Buffer.concat([head, padded(value)]);
  });
  const inside = Buffer.concat([body, ...written, Buffer.alloc(4)]);
  const out = Buffer.alloc(12 + inside.length);
  out.writeUInt32LE(type, 0);
  out.writeUInt32LE(out.length, 4);
  inside.copy(out, 8);
  out.writeUInt32LE(out.length, out.length - 4);
  return out;
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}

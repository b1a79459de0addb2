// Ogg pages (RFC 3533) of Opus (RFC 7845).
/** Largest value of a segment. */
const FULL = 255;
/** Segments that a page has room for. */
const MOST_SEGMENTS = 255;

const crcTable = Uint32Array.from({ length: 256 }, (_, octet) => {
  let crc = octet << 24;
  for (let bit = 0; bit < 8; bit += 1) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc >>> 0;
});

/** RFC 3533 §6, field 7: the polynomial 0x04c11db7, not reflected, from zero. */
export function oggCrc(page: Uint8Array): number {
  let crc = 0;
  for (let i = 0; i < page.length; i += 1) crc = ((crc << 8) ^ (crcTable[((crc >>> 24) ^ (page[i] as number)) & 0xff] as number)) >>> 0;
  return crc;
}

/** Where a page of a stream stands in it. */
export const FIRST_PAGE = 2;
export const LAST_PAGE = 4;

interface PagePlace { readonly serial: number; readonly number: number; readonly granule: number; readonly flags: number }

/** One page with whole packets. `granule`: samples at 48 kHz up to its end. @throws RangeError where they have no room in one. */
export function oggPage(packets: readonly Uint8Array[], { serial, number, granule, flags }: PagePlace): Buffer {
  const segments = packets.flatMap(({ length }) => [...Array.from({ length: Math.floor(length / FULL) }, () => FULL), length % FULL]);
  if (segments.length > MOST_SEGMENTS) throw new RangeError('no page of Ogg has room for so much');
  const head = Buffer.alloc(27 + segments.length);
  head.write('OggS', 0, 'latin1');
  head[5] = flags;
  head.writeBigUInt64LE(BigInt(granule), 6);
  head.writeUInt32LE(serial, 14);
  head.writeUInt32LE(number, 18);
  head[26] = segments.length;
  head.set(segments, 27);
  const page = Buffer.concat([head, ...packets]);
  page.writeUInt32LE(oggCrc(page), 22);
  return page;
}

/** Segments that a packet takes. */
export function segmentsOf(packet: Uint8Array): number {
  return Math.floor(packet.length / FULL) + 1;
}

/** Header of one or two channels: two are two mono streams, left and right, without coupling (RFC 7845 §5.1, §5.1.1.2). `preSkip` in samples at 48 kHz. */
export function opusHead(channels: 1 | 2, preSkip: number): Buffer {
  const head = Buffer.alloc(channels === 1 ? 19 : 23);
  head.write('OpusHead', 0, 'latin1');
  head[8] = 1;
  head[9] = channels;
  head.writeUInt16LE(preSkip, 10);
  head.writeUInt32LE(16_000, 12);
  if (channels === 2) head.set([1, 2, 0, 0, 1], 18);
  return head;
}

/** RFC 7845 §5.2. */
export function opusTags(): Buffer {
  const vendor = Buffer.from('wa-b2bua');
  const tags = Buffer.alloc(8 + 4 + vendor.length + 4);
  tags.write('OpusTags', 0, 'latin1');
  tags.writeUInt32LE(vendor.length, 8);
  tags.set(vendor, 12);
  return tags;
}

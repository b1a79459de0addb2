/** A HEP3 packet, read; chunk types of vendor 0. */
export interface HepPacket {
  readonly chunks: ReadonlyMap<number, Buffer>;
  readonly kind: number;
  readonly correlation: string;
  readonly source: string;
  readonly destination: string;
  readonly time: number;
  readonly payload: string;
}

/** Reads HEP3 by its description; throws at whatever is not quite so. */
export function readHep(bytes: Buffer): HepPacket {
  if (bytes.toString('latin1', 0, 4) !== 'HEP3') throw new Error('no HEP3');
  if (bytes.readUInt16BE(4) !== bytes.length) throw new Error(`${bytes.length} bytes, not ${bytes.readUInt16BE(4)}`);
  const chunks = new Map<number, Buffer>();
  for (let at = 6; at < bytes.length;) {
    const [vendor, type, length] = [bytes.readUInt16BE(at), bytes.readUInt16BE(at + 2), bytes.readUInt16BE(at + 4)];
    if (vendor !== 0 || length < 6 || at + length > bytes.length || chunks.has(type)) throw new Error(`chunk ${vendor}/${type} of ${length}`);
    chunks.set(type, bytes.subarray(at + 6, at + length));
    at += length;
  }
  const number = (type: number, size: number): number => {
    const value = chunks.get(type);
    if (value?.length !== size) throw new Error(`chunk ${type} has ${value?.length} bytes`);
    return value.readUIntBE(0, size);
  };
  const isV4 = number(1, 1) === 2;
  const address = (v4: number, v6: number): string => {
    const value = chunks.get(isV4 ? v4 : v6);
    if (value?.length !== (isV4 ? 4 : 16)) throw new Error('no address of this family');
    return isV4 ? [...value].join('.') : value.toString('hex');
  };
  return {
    chunks, kind: number(11, 1), correlation: chunks.get(17)?.toString() ?? '', source: `${address(3, 5)}:${number(7, 2)}`, destination: `${address(4, 6)}:${number(8, 2)}`,
    time: 1000 * number(9, 4) + number(10, 4) / 1000, payload: chunks.get(15)?.toString('latin1') ?? '',
  };
}

/** The packets in a stream, and what is left of it. */
export function splitHep(stream: Buffer): { readonly packets: HepPacket[]; readonly rest: Buffer } {
  const packets: HepPacket[] = [];
  let rest = stream;
  while (rest.length >= 6 && rest.length >= rest.readUInt16BE(4)) {
    packets.push(readHep(rest.subarray(0, rest.readUInt16BE(4))));
    rest = rest.subarray(rest.readUInt16BE(4));
  }
  return { packets, rest };
}

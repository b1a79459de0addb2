import { WabError } from '../../errors.js';

/**
 * The audio packets of an Ogg Opus file (RFC 3533 §6, RFC 7845 §3): the first logical stream, headers left out.
 * @throws WabError 'FILE_UNREADABLE'.
 */
export function readOggOpus(file: Buffer): Buffer[] {
  const packets: Buffer[] = [];
  let partial: Buffer[] = [];
  let serial: number | null = null;
  for (let at = 0; at + 27 <= file.length;) {
    if (file.toString('latin1', at, at + 4) !== 'OggS') throw new WabError('FILE_UNREADABLE', `Ogg: no page at byte ${at}`);
    const pageSerial = file.readUInt32LE(at + 14);
    const segments = file[at + 26] as number;
    let body = at + 27 + segments;
    serial ??= pageSerial;
    for (let i = 0; i < segments; i += 1) {
      const length = file[at + 27 + i] ?? 0;
      if (pageSerial === serial) partial.push(file.subarray(body, body + length));
      body += length;
      // A segment shorter than 255 ends its packet.
      if (length < 255 && pageSerial === serial) {
        packets.push(Buffer.concat(partial));
        partial = [];
      }
    }
    at = body;
  }
  if (!packets[0] || packets[0].toString('latin1', 0, 8) !== 'OpusHead') throw new WabError('FILE_UNREADABLE', 'not an Ogg Opus file');
  return packets.slice(2).filter((packet) => packet.length > 0);
}

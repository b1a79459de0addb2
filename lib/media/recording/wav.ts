/** Octets before the samples. */
export const WAV_HEADER = 44;
const MOST = 0xffff_ffff;

/** Header of 16-bit PCM (RIFF, "Multimedia Programming Interface and Data Specifications 1.0"); of what is too long for it, as long as it can say. */
export function wavHeader(channels: 1 | 2, rate: number, bytes: number): Buffer {
  const header = Buffer.alloc(WAV_HEADER);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(Math.min(MOST, bytes + WAV_HEADER - 8), 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE(rate * channels * 2, 28);
  header.writeUInt16LE(channels * 2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(Math.min(MOST - WAV_HEADER + 8, bytes), 40);
  return header;
}

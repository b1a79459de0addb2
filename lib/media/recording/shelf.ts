import type { AnchorCodec } from '../anchor/rtp.js';
export class RecordingShelf {
  frames(_file: string, _codec: AnchorCodec): Promise<readonly Uint8Array[]> { return Promise.resolve([]); }
}

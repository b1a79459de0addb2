// The announcement of Meta's voicemail (Meta's page "Call settings"): Ogg with Opus, shorter than a minute.
import { readOggOpus } from '../media/prompts/ogg.js';

/** Seconds that it must be shorter than. */
const mostSeconds = 60;

/**
 * How long an announcement is, in seconds: the last granule position, less the pre-skip, at 48 kHz (RFC 7845 §4).
 * @throws WabError FILE_UNREADABLE when it is no Ogg Opus; Error when Meta does not take it for its length
 */
export function announcementSeconds(file: Buffer): number {
  readOggOpus(file);
  const last = file.lastIndexOf('OggS');
  const head = file.indexOf('OpusHead');
  const seconds = (Number(file.readBigInt64LE(last + 6)) - file.readUInt16LE(head + 10)) / 48_000;
  if (!(seconds > 0) || seconds >= mostSeconds) throw new Error(`it lasts ${Math.round(seconds * 10) / 10} s, and Meta takes an announcement of less than ${mostSeconds} s`);
  return seconds;
}

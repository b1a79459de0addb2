import { rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ended } from '../call/termination.js';
import { SHIPPED_TONE } from '../media/index.js';
import type { RecordingEnd, RecordingResult } from '../media/types.js';
import { during, say, type Line } from './line.js';

/** Seconds: less is the noise of a telephone that is hung up, and no message. What ended by silence has to have so much before it. */
const leastSeconds = 1;

/** The message that a user has left, as the JSON beside it has it. */
export interface Message {
  /** Id of the call. */
  readonly id: string;
  readonly box: string;
  /** When it began, ISO 8601. */
  readonly time: string;
  readonly number: string | null;
  /** In full: somebody is to call back. */
  readonly user: string | null;
  readonly wacid: string | null;
  /** The sound, beside the JSON. */
  readonly file: string;
  readonly seconds: number;
  readonly bytes: number;
  readonly sha256: string | null;
  /** What ended it: the user hung up (closed) or pressed #, silence, or its length. */
  readonly ended: 'hungUp' | 'key' | 'silence' | 'maxSeconds';
}

const ends: Readonly<Record<Exclude<RecordingEnd, 'failed'>, Message['ended']>> = { closed: 'hungUp', stopped: 'key', silence: 'silence', maxSeconds: 'maxSeconds' };

/** Greets the user and takes a message, until they hang up, press #, or are silent. Ends the call. */
export async function takeMessage(line: Line, name: string): Promise<void> {
  const { call, keys, media } = line;
  const box = Object.hasOwn(line.config.voicemail, name) ? line.config.voicemail[name] : undefined;
  // The loader refuses names that are not there.
  if (box === undefined) throw new Error(`no voicemail is called ${name}`);
  if (!await line.accept()) return;
  await line.heard();
  keys.forget();
  if (box.greeting !== null) await during(line, say(line, box.greeting, `voicemail.${name}.greeting`));
  if (call.over) return;
  await say(line, SHIPPED_TONE, 'the tone');
  keys.forget();
  if (call.over) return;
  const begun = new Date();
  const file = join(box.directory, `${name}-${begun.toISOString().replace(/[:.]/g, '')}-${call.id}`);
  const recording = media.record({ file, format: 'ogg', channels: 'user', maxSeconds: box.maxSeconds, silenceSeconds: box.silence === 0 ? null : box.silence });
  let why: RecordingEnd = 'failed';
  recording.on('ended', (end, detail, result) => {
    why = end;
    // Heard before the record of the call is made.
    call.facts.voicemail = { box: name, file: usable(end, result, box.silence) ? recording.file : null, seconds: Math.round(result.seconds * 10) / 10 };
    if (end === 'failed') call.log.error({ file: recording.file, detail }, `voicemail ${name}: the message cannot be written`);
  });
  call.facts.voicemail = { box: name, file: recording.file, seconds: null };
  call.news();
  void hash(line, recording.result).then((pressed) => { if (pressed) void recording.stop(); });
  const result = await recording.result;
  const end: RecordingEnd = why;
  if (usable(end, result, box.silence)) await keep(line, { name, begun, result, end });
  // What could be written of one that failed is named in the log.
  else if (end !== 'failed') await rm(result.file, { force: true }).catch((error: Error) => call.log.warn({ file: result.file, err: error.message }, `voicemail ${name}: what is no message cannot be removed`));
  if (call.over) return;
  if (end === 'failed') return call.end(ended.fault(`voicemail ${name}: the message cannot be written`));
  await say(line, SHIPPED_TONE, 'the tone');
  call.end(ended.messageTaken(name));
}

function usable(end: RecordingEnd, { seconds }: RecordingResult, silence: number): end is Exclude<RecordingEnd, 'failed'> {
  return end !== 'failed' && seconds - (end === 'silence' ? silence : 0) >= leastSeconds;
}

/** True once # is pressed; false when the recording has ended before. */
async function hash({ keys }: Line, over: Promise<unknown>): Promise<boolean> {
  for (;;) {
    const key = await keys.next(over);
    if (key === null || key === '#') return key !== null;
  }
}

/** Writes the JSON beside the sound, whole or not at all, for the user of the service alone; and tells of the message. */
async function keep({ call, context }: Line, { name, begun, result, end }: {
  readonly name: string; readonly begun: Date; readonly result: RecordingResult; readonly end: Exclude<RecordingEnd, 'failed'>;
}): Promise<void> {
  const { file, seconds, bytes, sha256 } = result;
  const { number, user, wacid } = call.facts;
  const message: Message = {
    id: call.id, box: name, time: begun.toISOString(), number, user, wacid, file: basename(file), seconds: Math.round(seconds * 1000) / 1000, bytes, sha256, ended: ends[end],
  };
  const beside = file.replace(/\.ogg$/, '.json');
  try {
    await writeFile(`${beside}.part`, `${JSON.stringify(message, null, 2)}\n`, { mode: 0o600 });
    await rename(`${beside}.part`, beside);
  } catch (error) {
    call.log.error({ file: beside, err: (error as Error).message }, `voicemail ${name}: what is known of the message cannot be written`);
  }
  context.onMessage({ ...message, file });
}

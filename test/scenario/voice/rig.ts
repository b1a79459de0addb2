// Prompts as tones, and what of them a user has heard.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { SimulatedUser } from '../../../lib/simulator/index.js';
import type { Overlay } from '../../helpers/service.js';
import { openStage, type Stage, type StageOptions } from '../harness.js';
import { until } from '../pbx/steps.js';

/** Frequencies of the prompts, Hz: far enough apart to be told from each other through any codec. */
export const prompts = { main: 500, support: 700, wrong: 900, closed: 1100, greeting: 1500, announcement: 1700, place1: 1900, place2: 2100, music: 2300 } as const;
export type Prompt = keyof typeof prompts;
/** What a phone of the PBX says. */
export const agentTone = 1300;
const expect = [...Object.values(prompts), agentTone];

/** A folder with a WAV file for each prompt, so many ms long; gone after the test. */
export async function sounds(t: Test, ms: Partial<Record<Prompt, number>> = {}): Promise<{ folder: string; file: (prompt: Prompt) => string }> {
  const folder = await mkdtemp(join(tmpdir(), 'wab-sounds-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const file = (prompt: Prompt): string => join(folder, `${prompt}.wav`);
  for (const [name, hertz] of Object.entries(prompts)) await writeFile(file(name as Prompt), toneFile(hertz, ms[name as Prompt] ?? 600));
  return { folder, file };
}

/** A WAV file, 16-bit PCM at 8 kHz. */
export function toneFile(hertz: number, ms: number): Buffer {
  const samples = Int16Array.from({ length: 8 * ms }, (_, i) => Math.round(8000 * Math.sin((2 * Math.PI * hertz * i) / 8000)));
  const head = Buffer.alloc(44);
  head.write('RIFF', 0); head.writeUInt32LE(36 + samples.byteLength, 4); head.write('WAVEfmt ', 8); head.writeUInt32LE(16, 16); head.writeUInt16LE(1, 20); head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8000, 24); head.writeUInt32LE(16_000, 28); head.writeUInt16LE(2, 32); head.writeUInt16LE(16, 34); head.write('data', 36); head.writeUInt32LE(samples.byteLength, 40);
  return Buffer.concat([head, Buffer.from(samples.buffer)]);
}

/** A service whose phones say `agentTone`, as `overlay` says; closed after the test. */
export async function voiceStage(t: Test, overlay: Overlay, options: Omit<StageOptions, 'overlay'> = {}): Promise<Stage> {
  const stage = await openStage({ peers: { pbx: { answer: { source: 'tone' }, tones: [agentTone, agentTone] } }, ...options, overlay });
  t.teardown(() => stage.close());
  return stage;
}

/** A user who tells the prompts apart. */
export function listener(stage: Stage, more: Parameters<Stage['user']>[0] = {}): SimulatedUser {
  return stage.user({ source: 'silence', expect, ...more });
}

/** The tones that the user has heard, one after the other, each for 60 ms at least. */
export function heard(user: SimulatedUser): number[] {
  return (user.report().audio?.detail.tone.course ?? []).filter(({ frames }) => frames >= 3).map(({ frequency }) => frequency);
}

/** Waits until the user hears a tone, `times` in all. */
export async function hearsTone(user: SimulatedUser, hertz: number, times = 1, ms = 15_000): Promise<void> {
  await until(() => heard(user).filter((one) => one === hertz).length >= times, `${hertz} Hz for the ${times}. time; heard ${heard(user).join(', ')}`, ms).catch((error: Error) => {
    throw new Error(`${error.message}; now ${heard(user).join(', ')}`);
  });
}

/** Waits for the end of a call, unless it is over. */
export async function ended(user: SimulatedUser): Promise<void> {
  await until(() => user.report().endedBy !== 'nobody', 'the end of the call');
}

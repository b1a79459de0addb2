import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Which engines the whole calls run on: WAB_SIP=embedded|drachtio, WAB_MEDIA=embedded|rtpengine|freeswitch, and where their programs are (WAB_RTPENGINE: another version). */
export const engines = {
  sip: choice('WAB_SIP', ['embedded', 'drachtio']),
  media: choice('WAB_MEDIA', ['embedded', 'rtpengine', 'freeswitch']),
  rtpengine: process.env['WAB_RTPENGINE'] ?? 'rtpengine',
  drachtio: process.env['WAB_DRACHTIO_BIN'] ?? 'drachtio',
  freeswitch: process.env['WAB_FREESWITCH_BIN'] ?? 'freeswitch',
} as const;

function choice<T extends string>(name: string, values: readonly [T, ...T[]]): T {
  const value = process.env[name] ?? values[0];
  const found = values.find((one) => one === value);
  if (found === undefined) throw new Error(`${name} is ${value}, not one of ${values.join(', ')}`);
  return found;
}

/** Why a test that needs this program cannot run here; false when it can. For tap's `skip`. */
export function missing(program: 'drachtio' | 'freeswitch' | 'rtpengine'): string | false {
  const name = engines[program];
  const places = name.includes('/') ? [name] : (process.env['PATH'] ?? '').split(delimiter).map((dir) => join(dir, name));
  return places.some(executable) ? false : `${name} is not installed; ${program === 'rtpengine' ? 'WAB_RTPENGINE' : `WAB_${program.toUpperCase()}_BIN`} may name it`;
}

/** Major version of the rtpengine that is tried; 0 where there is none. */
export function rtpengineMajor(): number {
  const { stdout, stderr } = spawnSync(engines.rtpengine, ['--version'], { encoding: 'utf8' });
  return Number(/(\d+)\.\d+\.\d+/.exec(`${stdout ?? ''}${stderr ?? ''}`)?.[1] ?? 0);
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

import type { Direction } from '../../call/record.js';
import type { RecordingResult, Span } from '../../media/types.js';

/** What is known of a call as its recording begins. */
export interface RecordedCall {
  readonly call: string;
  readonly direction: Direction;
  readonly wacid: string | null;
  readonly number: string | null;
  /** As the records show users. */
  readonly user: string | null;
  readonly route: string | null;
  readonly peer: string | null;
  readonly peerUser: string | null;
  readonly reference: string | null;
}

/** Beside a file that is written: what its sidecar will need, should this process not get to that. */
export interface OpenSidecar extends RecordedCall {
  /** Below recording.directory. */
  readonly file: string;
  /** ISO 8601, UTC. */
  readonly began: string;
  readonly channels: readonly string[];
  readonly pauses: readonly Span[];
  readonly holds: readonly Span[];
}

/** NAME.json beside NAME.ogg or NAME.wav. Times in it are seconds since `began`. */
export interface Sidecar extends OpenSidecar {
  readonly ended: string;
  readonly seconds: number;
  readonly bytes: number;
  readonly sha256: string | null;
  /** Packets that the recorder was too late for, and where they are missing. */
  readonly lost: number;
  readonly gaps: readonly Span[];
  /** It was closed as it should be. */
  readonly closed: boolean;
  /** What ended it: stopped, closed (the call ended), failed, or killed, with the process. */
  readonly why: string;
  readonly detail: string | null;
  /** The process did not get to its end: another one has made it whole. */
  readonly recovered: boolean;
}

export function finished(open: OpenSidecar, result: RecordingResult, why: string, detail: string | null): Sidecar {
  const { seconds, bytes, sha256, lost, gaps, pauses, holds, whole } = result;
  return { ...open, pauses, holds, ended: endOf(open.began, seconds), seconds, bytes, sha256, lost, gaps, closed: whole, why, detail, recovered: false };
}

export function recovered(open: OpenSidecar, { seconds, bytes, sha256 }: { readonly seconds: number; readonly bytes: number; readonly sha256: string }): Sidecar {
  return { ...open, ended: endOf(open.began, seconds), seconds, bytes, sha256, lost: 0, gaps: [], closed: false, why: 'killed', detail: null, recovered: true };
}

/** By the recording's own length, whatever became of the clock on the wall. */
function endOf(began: string, seconds: number): string {
  return new Date(Date.parse(began) + Math.round(seconds * 1000)).toISOString();
}

/** Names that the store gives: nothing else below the folder is ever read as one, or removed. */
const NAME = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-[0-9]{1,6})?\.(ogg|wav|json(\.[0-9a-f]{8}\.part)?)$/;
const DAY = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/;

export function isDay(name: string): boolean {
  return DAY.test(name);
}

/** A file, or a sidecar, that a day's folder holds. */
export function isOurs(name: string): boolean {
  return NAME.test(name);
}

/** "2026-11-29/ID.ogg". */
export function isPlace(file: string): boolean {
  const [day = '', name = '', ...more] = file.split('/');
  return more.length === 0 && isDay(day) && isOurs(name);
}

/** Null: it is no such thing. */
export function readOpen(text: string): OpenSidecar | null {
  try {
    const open = JSON.parse(text) as Partial<OpenSidecar>;
    const { call, file, began, pauses = [], holds = [], channels = [] } = open;
    const good = typeof call === 'string' && typeof file === 'string' && isPlace(file) && typeof began === 'string' && Number.isFinite(Date.parse(began));
    return good ? { ...emptyCall, ...open, call, file, began, pauses, holds, channels } : null;
  } catch {
    return null;
  }
}

const emptyCall: Omit<RecordedCall, 'call'> = { direction: 'user-initiated', wacid: null, number: null, user: null, route: null, peer: null, peerUser: null, reference: null };
